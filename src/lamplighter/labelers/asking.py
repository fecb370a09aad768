"""What labelers share that answer by themselves: a function, a service, a language model.

Dispatch keeps the batch's rows in the store and asks nobody. The collect of a later round asks about
every row that no page of answers holds, chunk by chunk, newest batch first, and keeps each chunk's
answers at once; whatever dies when, only chunks without a page are asked again, and about the very
same rows. A chunk whose answer was under way when the driver died is repeated; nobody can do better
than to repeat it under the same idempotency key, which http and llm do.

A chunk that fails stays outstanding for the next collect and is reported. After `PATIENCE` outages in
a row the rest is not tried any more. When of the newest batch not one row was answered, collecting
fails, so that a dead service does not use up rounds. So it does when the money is used up and not one
row was answered.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import ClassVar

from lamplighter.errors import LabelerError, LabelerRefused, unknown
from lamplighter.labelers.base import (
    Annotation,
    Batch,
    Collected,
    Cursor,
    Desk,
    Labeler,
    Problem,
    Status,
    Ticket,
)
from lamplighter.labelers.questions import Ask, Work
from lamplighter.labelers.session import Session
from lamplighter.labelers.shelf import Answer, Page, Row, Shelf, first_answers

#: In a ticket's params: its rows without an answer need none any more; those with one are given.
CLOSED = "closed"
_SHORTEST_SECRET = 4  # blotting out shorter values would garble ordinary text


class Unheard(LabelerError):
    """A round would be used up for nothing: no row, or none of the newest batch, was answered.

    Whoever runs the round should see to it.

    Attributes
    ----------
    why
        What happened, without what is to be done.
    found
        What there is all the same: answers about earlier batches, and problems.
    """

    def __init__(self, said: str, why: str = "", found: Collected | None = None) -> None:
        super().__init__(said)
        self.why = why or said
        self.found = found or Collected()


class UnheardForGood(Unheard, LabelerRefused):
    """It would be no other way if the rows were asked about again soon."""


class Automated(Labeler):
    """A labeler that is asked when answers are collected. Subclasses say how.

    Attributes
    ----------
    name
        Registered name.
    batch_rows
        Rows that are asked about together, and kept on one page.
    show_prediction
        Whether rows are sent with the model's guess.
    """

    automated: ClassVar[bool] = True
    name: ClassVar[str]
    batch_rows: int
    show_prediction: bool

    @property
    def answers_by_itself(self) -> bool:
        """Without people there is nothing to wait for."""
        return True

    @property
    def questions_at_once(self) -> int:
        """How many questions may be under way."""
        return 1

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must be in no message and no file."""
        return ()

    @property
    @abstractmethod
    def answers_as(self) -> str:
        """Who answered: the annotator's name."""

    @abstractmethod
    def asking(self, work: Work) -> AbstractContextManager[Ask]:
        """Open what asks; it raises Unanswered, or LabelerError where no question can succeed."""

    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        """Keep the batch's rows; raises LabelerError if that batch had other rows before."""
        key = Shelf(desk.store, self.name).put_batch(batch)
        return Ticket(batch.id, batch.round, batch.created_at, len(batch.rows), {"key": key})

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        """Ask about the rows of earlier rounds that have no answer yet, and give all answers.

        Raises
        ------
        Unheard
            No row of the newest batch was answered, or no row at all since the money is used up.
        LabelerRefused
            No row can be, as things stand.
        """
        due = [ticket for ticket in tickets if since.round > ticket.round]
        shelf = Shelf(desk.store, self.name)
        before = shelf.pages(due)
        session = Session(self, Work(desk, shelf, before), since.round)
        wanted = [ticket for ticket in due if CLOSED not in ticket.params]
        session.ask_about(wanted)
        pages = sorted([*before, *session.pages], key=lambda page: page.key)
        read = list(first_answers(pages))
        heard = [(page, said) for page, said in read if page.answered.round == since.round]
        found = Collected(
            [_annotation(page, said, self.name) for page, said in read],
            [*_no_classes(heard, desk.classes), *session.problems],
        )
        if session.spent and not heard:
            raise _spent(session, found)
        if wanted and session.failures:
            newest = max(wanted, key=lambda ticket: ticket.round)
            if not any(page.answered.batch == newest.batch for page in pages):
                kind = Unheard if session.passes else UnheardForGood
                raise self._unheard(kind, newest, session.failures[0], found)
        return found

    def _unheard(self, kind: type[Unheard], newest: Ticket, failure: Problem, found: Collected) -> Unheard:
        why = (
            f"labeler '{self.name}' answered none of the {newest.rows} rows of batch '{newest.batch}': "
            f"{failure.where}: {failure.what}"
        )
        # One failure speaks for the whole batch.
        rest = [p for p in found.problems if not p.where.startswith(f"batch {newest.batch},")]
        found = replace(found, problems=rest)
        return kind(f"{why}; put it right and run again, nothing is lost", why, found)

    def scrubbed(self, text: str) -> str:
        """Give a text without the labeler's secrets."""
        for secret in sorted((s for s in self.secrets if len(s) >= _SHORTEST_SECRET), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def shown(self, row: Row) -> Row:
        """Give a row as it is sent."""
        return row if self.show_prediction else {"id": row["id"], "display": row["display"]}


def _spent(session: Session, found: Collected) -> UnheardForGood:
    why = session.problems[-1]
    said = f"{why.where}: {why.what}"
    found = replace(found, problems=[problem for problem in found.problems if problem != why])
    return UnheardForGood(f"{said}; raise the cap and run again, nothing is lost", said, found)


def _annotation(page: Page, answer: Answer, labeler: str) -> Annotation:
    return Annotation(
        id=answer.id,
        label=answer.label,
        annotator=page.answered.annotator,
        labeler=labeler,
        created_at=page.answered.answered_at,
        lead_time_s=page.answered.seconds,
        status=Status.ABSTAINED if answer.label is None else Status.LABELLED,
        source=page.key,
        confidence=answer.confidence,
    )


def _no_classes(heard: Sequence[tuple[Page, Answer]], classes: Sequence[str]) -> Iterator[Problem]:
    """Report what is no class, in the round that heard it: the row is not asked again."""
    for page, answer in heard:
        if answer.said is not None:
            what = f"{unknown('class', answer.said, classes)}; the row is taken as abstained"
            yield Problem(f"{page.key}, row {answer.id!r}", what)
