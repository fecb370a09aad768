"""One collect of a route: hears the machines, decides row by row, sends on, and hears people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import labelers as registered
from lamplighter import tables
from lamplighter.errors import KeyExists, LabelerError
from lamplighter.labelers.asking import CLOSED, Unheard
from lamplighter.labelers.base import Annotation, Collected, Cursor, Desk, Problem, Status, Ticket
from lamplighter.labelers.route.book import PEOPLE, Book, Entry, Sent
from lamplighter.labelers.route.rule import suggestions

if TYPE_CHECKING:
    from lamplighter.labelers.route.labeler import Route

#: A machine's answers by row.
Heard: TypeAlias = Mapping[int | str, Annotation]
_MOMENT = timedelta(microseconds=1)  # what the table of annotations can tell apart


@dataclass
class Collecting:
    """One collect. `books` are the batches', in the order of their tickets."""

    route: Route
    since: Cursor
    desk: Desk
    books: list[Book]
    problems: list[Problem] = field(default_factory=list)
    failed: set[tuple[str, int, int]] = field(default_factory=set)  #: sendings that failed just now

    def run(self) -> Collected:
        """Take every row as far as it gets."""
        self._leave_out_the_lost()
        for group in self.route.groups:
            self._send()
            heard = {stage: self._hear(stage, group) for stage in group}
            self.books = [self._decided(book, group, heard) for book in self.books]
        self._send()
        people = self._hear_people()
        decided = [said for book in self.books for said in book.annotations]
        return Collected(
            [*decided, *people.annotations, *self._overruled(decided, people)],
            [*self.problems, *people.problems],
        )

    def _leave_out_the_lost(self) -> None:
        """Tell of batches whose decisions somebody has deleted; the others go on."""
        lost = [book.ticket for book in self.books if not book.entries]
        self.books = [book for book in self.books if book.entries]
        what = "what was decided about it is gone from labelers/route/ in the store; put it back"
        self.problems += [Problem(f"batch {ticket.batch}", what) for ticket in lost]

    # Machines

    def _hear(self, stage: int, group: Sequence[int]) -> Heard:
        """Ask a machine about rows that wait for it; nobody is held up by one that is out of order."""
        name, machine = self.route.stages[stage]
        tickets = list(self._tickets_at(stage, group))
        if all(CLOSED in ticket.params for ticket in tickets):
            return {}
        try:
            found = machine.collect(tickets, self.since, self.desk)
        except Unheard as silent:
            found = silent.found
            self.problems.append(Problem(f"labeler '{name}'", f"{silent.why}; {self._moving_on}"))
        except LabelerError as error:
            self.problems.append(Problem(f"labeler '{name}'", str(error)))
            return {}
        self.problems += found.problems
        # A row may have been asked about in two batches.
        return {said.id: said for said in sorted(found.annotations, key=_when)}

    @property
    def _moving_on(self) -> str:
        """Say what becomes of rows that a machine does not answer."""
        tries = self.route.rule.tries
        rounds = "in this round" if tries == 1 else f"in {tries} rounds"
        return f"rows that it does not answer {rounds} move on to the next labeler"

    def _tickets_at(self, stage: int, group: Sequence[int]) -> Iterator[Ticket]:
        """Give all receipts of a machine, since it may count what all of them cost; some are closed."""
        name = self.route.stages[stage].name
        for book in self.books:
            for sent, receipt in book.sendings():
                if (sent.stage, receipt.labeler) == (stage, name):
                    ticket = receipt.ticket
                    waits = any(book.places[row].stage in group for row in sent.ids)
                    yield ticket if waits else replace(ticket, params={**ticket.params, CLOSED: True})

    def _decided(self, book: Book, group: Sequence[int], heard: Mapping[int, Heard]) -> Book:
        """Decide all that can be; whoever else decides meanwhile has decided."""
        while (entry := self._decision(book, group, heard)) is not None:
            try:
                book = book.with_entry(entry)
            except KeyExists:
                book = book.reread()
        return book

    def _decision(self, book: Book, group: Sequence[int], heard: Mapping[int, Heard]) -> Entry | None:
        same = book.entries[0].plan == self.route.plan
        waiting = [row for row, p in book.places.items() if (p.stage in group if same else p.stage >= 0)]
        audited = self.route.rule.audited(book.ticket.batch, waiting, self.desk)
        annotations: list[Annotation] = []
        onward: list[int | str] = []
        looked_at: list[int | str] = []
        for row in waiting:
            answers = [heard[stage].get(row) for stage in group] if same else []
            if None in answers and not self._given_up(book, row):
                continue
            taken = self.route.rule.taken(answers)
            if taken is None:
                annotations += suggestions(answers)
                onward.append(row)
            else:
                annotations.append(taken)
                looked_at += [row] if row in audited else []
        sent = self._sent(group if same else self.route.groups[-1], onward, looked_at)
        if not annotations and not sent:
            return None
        number, now = len(book.entries), datetime.now(UTC)
        return Entry(number, self.route.plan, self.since.round, now, tuple(annotations), sent)

    def _given_up(self, book: Book, row: int | str) -> bool:
        return self.since.round - book.places[row].since + 1 >= self.route.rule.tries

    def _sent(
        self, group: Sequence[int], onward: list[int | str], looked_at: list[int | str]
    ) -> tuple[Sent, ...]:
        """Say who gets rows that move on from a group of machines."""
        following = self.route.after(group)
        people = looked_at if following else [*looked_at, *onward]
        sent = [Sent(stage, tuple(onward)) for stage in following if onward]
        return (*sent, Sent(PEOPLE, tuple(people))) if people else tuple(sent)

    # Sending on

    def _send(self) -> None:
        self.books = [self._sent_on(book) for book in self.books]

    def _sent_on(self, book: Book) -> Book:
        """Send what is decided; what fails is left for the next collect, which sends the same."""
        for entry, sent in self.route.unsent(book):
            mark, to = (book.ticket.batch, entry.number, sent.stage), self.route.at(sent)
            if mark in self.failed:
                continue
            try:
                book = book.send(entry, sent, to, self.desk)
            except LabelerError as error:
                self.failed.add(mark)
                what = f"{len(sent.ids)} rows could not be sent to '{to.name}': {error}"
                self.problems.append(Problem(f"batch {book.ticket.batch}", f"{what}; it is tried again"))
        return book

    # People

    def _hear_people(self) -> Collected:
        name, people = self.route.people
        tickets = []
        for book in self.books:
            for _, receipt in book.with_people():
                if receipt.labeler == name:
                    tickets.append(receipt.ticket)
                else:
                    what = f"people got it through '{receipt.labeler}', which is no longer the last labeler"
                    self.problems.append(Problem(f"batch {receipt.ticket.batch}", what))
        return people.collect(tickets, self.since, self.desk)

    def _overruled(self, decided: Sequence[Annotation], people: Collected) -> Iterator[Annotation]:
        """Take back the automated labels of rows that a person has labelled: the person's counts."""
        taken = [said for said in decided if said.status is Status.LABELLED]
        labelled = {said.id for said in people.annotations if said.status is Status.LABELLED}
        labelled |= self._labelled_before([said.id for said in taken])
        for said in taken:
            if said.id in labelled:
                # Always the same moment, so that a repeat is not stored again.
                after = said.created_at and said.created_at + _MOMENT
                yield replace(said, label=None, confidence=None, status=Status.WITHDRAWN, created_at=after)

    def _labelled_before(self, ids: list[int | str]) -> set[int | str]:
        """Give the rows that a person has labelled, by what is stored."""
        if self.since.known is None or not ids:
            return set()
        known = tables.about(self.since.known, ids)
        known = known.filter(pc.equal(known.column("status"), str(Status.LABELLED)))
        by_people = pa.array(~registered.by_machine(known))
        return set(known.filter(by_people).column("id").to_pylist())


def _when(said: Annotation) -> datetime:
    return said.created_at or datetime.min.replace(tzinfo=UTC)
