"""The route itself: its parameters, and the laws of a labeler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

# The registry of labelers holds this one too, and so is not there yet while this module is imported.
from lamplighter import labelers as registered
from lamplighter.errors import ConfigError, unknown
from lamplighter.labelers.asking import Automated
from lamplighter.labelers.base import Batch, BatchRow, Collected, Cursor, Desk, Labeler, Ticket
from lamplighter.labelers.route.book import PEOPLE, Book, Entry, Sent, Stage, new_book, read_books
from lamplighter.labelers.route.collecting import Collecting
from lamplighter.labelers.route.rule import Rule, first_stop


@dataclass(frozen=True)
class Route(Labeler):
    """Asks labelers in order: machines, and about what they leave open the last one, people.

    What is taken, and who is sent which row, is decided in `collect` and written down before it is
    acted upon: see `route.book`. Answers carry the name of the labeler that gave them.

    Attributes
    ----------
    labelers
        Each {name: ..., params: {...}}; all but the last must be automated.
    confidence, agreement, audit, tries, holdout_to_people
        See `Rule`.
    """

    labelers: Sequence[Mapping[str, Any]] = field(repr=False)
    confidence: float | None = 0.9
    agreement: bool = False
    audit: float = 0.05
    tries: int = 2
    holdout_to_people: bool = True

    def __post_init__(self) -> None:
        _ = self.rule
        *machines, _ = self.stages
        for place, stage in enumerate(machines, 1):
            if not stage.labeler.automated:
                raise ConfigError(
                    f"labelers: number {place} is '{stage.name}', which is not automated; only the last may "
                    "ask people"
                )
        names = [stage.labeler.answers_as for stage in machines if isinstance(stage.labeler, Automated)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"labelers: two answer as '{twice[0]}', so that their answers could not be told apart; "
                "give one another name (http: annotator), or leave it out"
            )

    @cached_property
    def rule(self) -> Rule:
        """What is taken."""
        return Rule(self.confidence, self.agreement, self.audit, self.tries, self.holdout_to_people)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The labelers in their order."""
        if not isinstance(self.labelers, list | tuple) or len(self.labelers) < 2:
            raise ConfigError(
                "labelers must be a list of two or more, each with name and params: first automated ones, "
                "last who asks people"
            )
        return tuple(_stage(place, part) for place, part in enumerate(self.labelers, 1))

    @property
    def people(self) -> Stage:
        """The last labeler."""
        return self.stages[-1]

    @property
    def follows_up(self) -> bool:
        """What is with people can be followed up if their labeler can."""
        return self.people.labeler.follows_up

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The machines by their place, those together that are asked about the same rows."""
        machines = tuple(range(len(self.stages) - 1))
        return (machines,) if self.agreement else tuple((place,) for place in machines)

    def after(self, group: Sequence[int]) -> tuple[int, ...]:
        """Give the machines that are asked after a group, none after the last."""
        following = self.groups.index(tuple(group)) + 1
        return self.groups[following] if following < len(self.groups) else ()

    @property
    def plan(self) -> str:
        """Name the machines; rows that were sent by another plan go to people."""
        return (" and " if self.agreement else ", then ").join(stage.name for stage in self.stages[:-1])

    @property
    def answers_per_row(self) -> int:
        """What people give: a machine's answer is one, and instead of theirs."""
        return self.people.labeler.answers_per_row

    @property
    def audit_share(self) -> float:
        """Every row that a machine answers may be drawn."""
        return self.audit

    @property
    def answers_by_itself(self) -> bool:
        """Only without people is there nothing to wait for."""
        return self.people.labeler.answers_by_itself

    def at(self, sent: Sent) -> Stage:
        """Give the labeler that rows are sent to."""
        return self.people if sent.stage == PEOPLE else self.stages[sent.stage]

    def unsent(self, book: Book) -> list[tuple[Entry, Sent]]:
        """Give what is still to be sent; nothing more to the machines of an earlier plan."""
        return [
            (entry, sent) for entry, sent in book.unsent() if sent.stage == PEOPLE or entry.plan == self.plan
        ]

    def rehearse(self, rows: Sequence[BatchRow], desk: Desk) -> None:
        """Let every labeler rehearse."""
        for stage in self.stages:
            stage.labeler.rehearse(rows, desk)

    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        """Send a batch to the first machine, or to all where they must agree; some rows to people."""
        machines, people = first_stop(batch, self.rule)
        sent = [Sent(stage, tuple(machines)) for stage in self.groups[0] if machines]
        sent += [Sent(PEOPLE, tuple(people))] if people else []
        first = Entry(0, self.plan, batch.round, batch.created_at, sent=tuple(sent))
        book = new_book(batch, desk.store, first)
        for entry, part in self.unsent(book):
            book = book.send(entry, part, self.at(part), desk)
        return book.ticket

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        """Hear the machines, send people what these leave open, and hear people."""
        return Collecting(self, since, desk, read_books(desk.store, tickets)).run()

    def refresh(self, rows: Sequence[BatchRow], tickets: Sequence[Ticket], desk: Desk) -> int:
        """Refresh what is with people."""
        theirs, receipts = self._with_people(tickets, desk)
        return self.people.labeler.refresh([row for row in rows if row.id in theirs], receipts, desk)

    def withdraw(
        self, ids: Sequence[int | str], tickets: Sequence[Ticket], desk: Desk
    ) -> Sequence[int | str]:
        """Take back what is with people; what waits for a machine stays."""
        theirs, receipts = self._with_people(tickets, desk)
        return self.people.labeler.withdraw([row for row in ids if row in theirs], receipts, desk)

    def finished(self, ticket: Ticket, desk: Desk) -> bool | None:
        """Ask people's labeler about all that it got, once no row waits for a machine."""
        if not all(book.settled for book in read_books(desk.store, [ticket])):
            return None
        receipts = self._with_people([ticket], desk)[1]
        said = [self.people.labeler.finished(receipt, desk) for receipt in receipts]
        return False if False in said else None if None in said else True

    def _with_people(self, tickets: Sequence[Ticket], desk: Desk) -> tuple[set[int | str], list[Ticket]]:
        """Give the rows that went to people, and the last labeler's tickets."""
        books = read_books(desk.store, tickets)
        found = [(sent, receipt) for book in books for sent, receipt in book.with_people()]
        mine = [(sent, receipt.ticket) for sent, receipt in found if receipt.labeler == self.people.name]
        return {row for sent, _ in mine for row in sent.ids}, [receipt for _, receipt in mine]


def _stage(place: int, part: object) -> Stage:
    where = f"labelers: number {place}"
    if not isinstance(part, Mapping) or not isinstance(part.get("name"), str):
        raise ConfigError(f"{where} has no name; allowed: {{name: ..., params: {{...}}}}")
    if strange := sorted(str(key) for key in part if key not in ("name", "params")):
        raise ConfigError(f"{where}: {unknown('key', strange[0], ('name', 'params'))}")
    if part["name"] == "route":
        raise ConfigError(f"{where} is a route itself; put its labelers into this one")
    if not isinstance(part.get("params") or {}, Mapping):
        raise ConfigError(f"{where}: params must be a mapping")
    try:
        return Stage(part["name"], registered.LABELERS.build(part["name"], part.get("params")))
    except ConfigError as error:
        raise type(error)(f"{where}: {error}") from error
