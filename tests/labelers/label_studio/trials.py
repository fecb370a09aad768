"""A campaign whose second batch is sent while something goes wrong and people label, and its account."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from lamplighter import annotations as annotation_table
from lamplighter.errors import LabelerError
from lamplighter.labelers.base import Batch, Cursor, Desk, Status, Ticket
from lamplighter.labelers.label_studio import LabelStudio
from lamplighter.labelers.label_studio.tasks import id_of
from lamplighter.steps.collect import newest
from lamplighter.testing import labelers as contract
from lamplighter.votes import newest_answers
from tests.labelers.label_studio import drivers
from tests.labelers.label_studio.crooked import Crooked
from tests.labelers.label_studio.people import SKIPPED, Key, People
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio import Refused

FIRST, SECOND = (100, 101), tuple(range(60, 0, -1))


@dataclass(frozen=True)
class Account:
    """What became of a trial's rows and answers.

    Attributes
    ----------
    tasks, lost, doubled
        Rows that have a task, those that have none, and tasks too many.
    unguessed
        Tasks that nobody has touched and that do not show exactly one guess, ours.
    misplaced
        Whether the tasks that nobody has touched are not in their order of priority.
    answers, collected, answers_lost, answers_doubled
        What people think of rows in the end, and what the store says they do.
    told
        Errors that whoever runs the rounds was told.
    acts
        What people did while it went wrong.
    """

    rows: int
    tasks: int
    lost: int
    doubled: int
    unguessed: int
    misplaced: int
    answers: int
    collected: int
    answers_lost: int
    answers_doubled: int
    told: int
    acts: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost or doubled."""
        return not (self.lost + self.doubled + self.unguessed + self.answers_lost + self.answers_doubled)


@dataclass
class Trial:
    """One campaign with a store, a project and people of its own.

    Attributes
    ----------
    draw
        Decides when what happens.
    drive
        Sends a batch and insists until it is sent.
    mend
        Is called when an error was told: what somebody does who reads it.
    both
        Whether the first batch's tasks are still to be there in the end.
    again
        Whether the batch is sent again in the end; None: every other time.
    """

    server: Server
    proxy: Crooked
    folder: Path
    draw: random.Random
    rows: int = 9
    chunk_rows: int = 3
    params: dict[str, Any] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    problems: set[str] = field(default_factory=set)
    both: bool = True
    again: bool | None = None

    def __post_init__(self) -> None:
        self.params = {
            "url": self.proxy.url,
            "token": self.server.token,
            "create": True,
            "chunk_rows": self.chunk_rows,
            "timeout_s": 3.0,
            "attempts": 4,
            "backoff_s": 0.05,
            "max_wait_s": 0.3,
        } | self.params
        self.first = contract.batch(3, FIRST)
        self.batch = contract.batch(4, SECOND[: self.rows])
        self.table = annotation_table.empty(True)
        self.round = 4
        draw = random.Random(self.draw.random())  # noqa: S311 - no secrets are drawn
        self.people = People(self.server, self.newest_project, draw, contract.CLASSES)
        self.drive: Callable[[Batch], Ticket] = self.dispatch
        self.mend: Callable[[], None] = lambda: None

    @property
    def desk(self) -> Desk:
        return drivers.desk_of(str(self.folder))

    @property
    def labeler(self) -> LabelStudio:
        return LabelStudio(**self.params)

    def orders(self, name: str, batch: Batch) -> drivers.Orders:
        """Tell a driver in a process of its own what to do."""
        return drivers.Orders(str(self.folder), name, self.params, batch)

    def newest_project(self) -> int | None:
        """Give the project that tasks go to now."""
        return max(self.projects(), default=None)

    def projects(self) -> list[int]:
        """Give all that were ever made."""
        keys = self.desk.store.list("labelers/label_studio/projects/")
        return [int(key.rpartition("/")[2].removesuffix(".json")) for key in keys]

    def dispatch(self, batch: Batch) -> Ticket:
        """Send a batch, whatever it takes."""
        return drivers.insist(lambda: self.labeler.dispatch(batch, self.desk), self.tell)

    def tell(self, error: LabelerError) -> None:
        """Note what was told, and let somebody do something about it."""
        self.told.append(str(error))
        self.mend()

    def collect(self, *tickets: Ticket) -> None:
        """Take a round's answers in, in as many tries as it takes."""
        self.round += 1
        since = Cursor(self.round, newest(self.table), self.table)
        collected = drivers.insist(lambda: self.labeler.collect(tickets, since, self.desk), self.tell)
        self.problems |= {problem.what for problem in collected.problems}
        fresh = annotation_table.new_only(collected.annotations, self.table)
        data = annotation_table.to_parquet(fresh, self.round, True)
        self.table = pa.concat_tables([self.table, annotation_table.from_parquet(data)])


Mishap: TypeAlias = Callable[[Trial], AbstractContextManager[None]]


def undergo(trial: Trial, mishap: Mishap) -> Account:
    """Send a batch and collect while something goes wrong, then let everything settle and count."""
    first = trial.dispatch(trial.first)
    trial.collect(first)
    trial.people.start()
    with mishap(trial):
        second = trial.drive(trial.batch)
        trial.collect(first, second)
    trial.proxy.quiet()
    trial.people.stop()
    again = trial.draw.random() < 0.5 if trial.again is None else trial.again
    if again:  # as after a round that was not committed
        second = trial.dispatch(trial.batch)
    trial.people.answer()
    trial.collect(first, second)
    return _account(trial)


def _account(trial: Trial) -> Account:
    project = trial.newest_project()
    tasks = trial.server.tasks(project) if project is not None else []
    wanted = [row.id for batch in (trial.first, trial.batch)[not trial.both :] for row in batch.rows]
    rows = [id_of(task["data"].get("lamplighter_id")) for task in tasks]
    # A guess that was lost is sent again only where nobody has answered without it.
    left = [row for row in wanted if row not in trial.people.touched]
    order = [row for row in dict.fromkeys(rows) if row in left]
    guesses = [
        [p["model_version"] for p in task["predictions"]]
        for task, row in zip(tasks, rows, strict=True)
        if row in left
    ]
    stored, said = _votes(trial.table), trial.people.said
    return Account(
        rows=len(wanted),
        tasks=len(set(rows) & set(wanted)),
        lost=len(set(wanted) - set(rows)),
        doubled=len(rows) - len(set(rows)),
        unguessed=sum(found != ["lamplighter"] for found in guesses),
        misplaced=int(order != [row for row in left if row in order]),
        answers=len(said),
        collected=sum(stored.get(key) is not None for key in said),
        answers_lost=sum(stored.get(key) != label for key, label in said.items()),
        answers_doubled=_repeated(trial.table)
        + len((trial.people.unsaid - trial.people.left) & stored.keys()),
        told=len(trial.told),
        acts=trial.people.acts,
    )


def _votes(table: Any) -> dict[Key, str]:
    """Give what each annotator thinks of each row, by the stored answers."""
    found = table.take(pa.array(newest_answers(table))).to_pylist()
    return {
        (row["id"], row["annotator"]): row["label"] or SKIPPED
        for row in found
        if row["status"] != Status.WITHDRAWN
    }


def _repeated(table: Any) -> int:
    """Count stored answers that are there twice."""
    kept = table.drop_columns(["round"]).to_pylist()
    return sum(Counter(tuple(map(repr, row.items())) for row in kept).values()) - len(
        {tuple(map(repr, row.items())) for row in kept}
    )


@contextmanager
def arranged(server: Server, folder: Path, seed: int, **changes: Any) -> Iterator[Trial]:
    """Give a new trial; its projects are deleted in the end."""
    folder.mkdir(parents=True)
    with Crooked(server.url) as proxy:
        draw = random.Random(seed)  # noqa: S311 - no secrets are drawn
        trial = Trial(server, proxy, folder, draw, **changes)
        try:
            yield trial
        finally:
            for project in trial.projects():
                with suppress(Refused):
                    server.request(f"/api/projects/{project}", method="DELETE")
