"""What is done with a batch in its project: sent, shown anew, taken back, looked after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lamplighter.labelers.base import Batch, BatchRow, Ticket
from lamplighter.labelers.label_studio.claims import Claim
from lamplighter.labelers.label_studio.client import Gone
from lamplighter.labelers.label_studio.guesses import WITHOUT_GUESS, Guesses, choose, guess_of
from lamplighter.labelers.label_studio.label_config import Control
from lamplighter.labelers.label_studio.project import Project
from lamplighter.labelers.label_studio.sending import FACTS, Sending
from lamplighter.labelers.label_studio.tasks import (
    BATCH,
    CAMPAIGN,
    KEY,
    UNANSWERED,
    Row,
    Tasks,
    data_of,
    id_of,
    is_answered,
    key_of,
    where,
)

_AGAIN = "again"


@dataclass(frozen=True)
class Outgoing:
    """A batch and the project that it goes to.

    Attributes
    ----------
    columns
        What is shown of a row.
    per_row
        People that see a task of the project, unless the task says otherwise.
    guesses
        Whether tasks come with the model's guess.
    """

    batch: Batch
    tasks: Tasks
    project: Project
    columns: Sequence[str]
    per_row: int
    guesses: bool

    def send(self, claim: Claim, chunk_rows: int) -> Ticket:
        """Send what is not there; let every task have its prediction and its number of people."""
        elsewhere = self._elsewhere()
        fresh = [row for row in self.batch.rows if key_of(row.id) not in elsewhere]
        Sending(self.tasks, claim, self.batch.id, chunk_rows).send([self._entry(row) for row in fresh])
        self._ask_people(elsewhere, fresh)
        self._show_guesses(fresh)
        return self._ticket()

    @cached_property
    def _control(self) -> Control:
        return self.project.control

    def _elsewhere(self) -> dict[str, Row]:
        """Give the tasks that rows to be asked about again have from earlier batches, the oldest of each."""
        again = [row.id for row in self.batch.rows if row.purpose == _AGAIN]
        found: dict[str, Row] = {}
        for task in self.tasks.about(FACTS, again):
            if task["data"][BATCH] != self.batch.id:
                found.setdefault(task["data"][KEY], task)
        return found

    def _entry(self, row: BatchRow) -> Mapping[str, Any]:
        keys = {CAMPAIGN: self.tasks.mark, BATCH: self.batch.id}
        guess = guess_of(row, self._control) if self.guesses else None
        entry = {"data": data_of(row, self._control, keys, self.columns)}
        return entry | ({"predictions": [guess]} if guess else {})

    def _ask_people(self, elsewhere: Mapping[str, Row], fresh: Iterable[BatchRow]) -> None:
        """Set how many people see a task, where that is not as many as for every other."""
        for row in self.batch.rows:
            task = elsewhere.get(key_of(row.id))
            if task is not None:
                # Who skipped has seen the task and will not see it again: both numbers count skips.
                self.tasks.ask_more(task, row.annotators or row.answered + 1)
        people = {key_of(row.id): _people(row, self.per_row) for row in fresh}
        special = [row.id for row in fresh if people[key_of(row.id)] != self.per_row]
        for task in self.tasks.about(FACTS, special, where(f"data.{BATCH}", "equal", self.batch.id)):
            if task["overlap"] != people[task["data"][KEY]]:
                self.tasks.ask_more(task, people[task["data"][KEY]])

    def _show_guesses(self, fresh: Sequence[BatchRow]) -> None:
        guesses = Guesses.of(self.tasks, fresh if self.guesses else (), self._control)
        if not guesses.wanted:
            return
        mine = (where(f"data.{BATCH}", "equal", self.batch.id), *UNANSWERED)
        # On SQLite, of two imports at a time one loses its predictions; its counters cannot be trusted.
        if self.tasks.count(*mine, WITHOUT_GUESS) > len(fresh) - len(guesses.wanted):
            guesses.show(*mine)
        choose(self.tasks)

    def _ticket(self) -> Ticket:
        rows = self.batch.rows
        params = {
            "server": self.tasks.client.address,
            "project": self.project.id,
            "control": self._control.name,
            "shown": self._control.shown,
            "again": [row.id for row in rows if row.purpose == _AGAIN],
            "people": max(_people(row, self.per_row) for row in rows),
        }
        return Ticket(self.batch.id, self.batch.round, self.batch.created_at, len(rows), params)


def _people(row: BatchRow, per_row: int) -> int:
    """Give how many people a new task is for; those who answered the row before did so elsewhere."""
    if row.purpose == _AGAIN:
        return max(1, (row.annotators or row.answered + 1) - row.answered)
    return row.annotators or per_row


def refresh(tasks: Tasks, tickets: Sequence[Ticket], rows: Sequence[BatchRow]) -> int:
    """Show the newest guesses about rows that nobody has answered; give how many show them."""
    params = tickets[-1].params
    guesses = Guesses.of(tasks, rows, Control(params["control"], params["shown"], frozenset()))
    with suppress(Gone):
        shown = guesses.show(*UNANSWERED) if guesses.wanted else 0
        if shown:
            choose(tasks)
        return shown
    return 0


def withdraw(tasks: Tasks, tickets: Sequence[Ticket], ids: Sequence[int | str]) -> set[int | str]:
    """Delete the tasks of rows that nobody has answered; give the rows that still have one."""
    batches = {ticket.batch for ticket in tickets}

    def found(include: str) -> Iterator[Row]:
        return (task for task in tasks.about(include, ids) if task["data"][BATCH] in batches)

    with suppress(Gone):
        tasks.delete_unanswered([task["id"] for task in found(FACTS) if not is_answered(task)])
        left = {id_of(task["data"][KEY]) for task in found("id,data")}
        return {row_id for row_id in left if row_id is not None}
    return set()


def is_finished(tasks: Tasks, ticket: Ticket) -> bool:
    """Say whether each task of a batch has been seen by as many people as are wanted."""
    few = where("total_annotations", "less", ticket.params["people"], "Number")
    mine = tasks.read(FACTS, where(f"data.{BATCH}", "equal", ticket.batch), few)
    again = ticket.params["again"]
    return all(map(_is_done, mine)) and all(map(_is_done, tasks.about(FACTS, again)))


def _is_done(task: Row) -> bool:
    return bool(task["total_annotations"] + task["cancelled_annotations"] >= task["overlap"])
