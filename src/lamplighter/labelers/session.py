"""One collect of an automated labeler: asks what is open, and keeps each answer at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lamplighter.labelers.base import Problem, Ticket
from lamplighter.labelers.questions import Ask, Question, Reply, Unanswered, Work
from lamplighter.labelers.shelf import Answer, Answered, Page

if TYPE_CHECKING:
    from lamplighter.labelers.asking import Automated

PATIENCE = 3  #: outages in a row after which the rest is left for the next collect
LONGEST_SAID = 200


@dataclass
class Session:
    """One collect's asking."""

    labeler: Automated
    work: Work
    round: int
    pages: list[Page] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)
    stopped: str | None = None
    spent: bool = False  #: whether it was stopped because the money is used up
    outages: int = 0  #: since the last answer
    passes: bool = False  #: whether one of the failures may be over soon
    left: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask_about(self, due: Sequence[Ticket]) -> None:
        """Ask about all rows without an answer, newest batch first."""
        answered: dict[str, set[int | str]] = {}
        for page in self.work.pages:
            answered.setdefault(page.answered.batch, set()).update(a.id for a in page.answered.answers)
        rest = [t for t in due if len(answered.get(t.batch, ())) < t.rows]
        if not rest:
            return
        with self.labeler.asking(self.work) as ask:
            # A batch's rows are read when its turn comes: memory holds one batch, however many are open.
            for ticket in sorted(rest, key=lambda ticket: ticket.round, reverse=True):
                self._ask_all(ask, list(self._questions(ticket, answered.get(ticket.batch, set()))))

    def _questions(self, ticket: Ticket, answered: set[int | str]) -> Iterator[Question]:
        desk, size = self.work.desk, self.labeler.batch_rows
        rows = list(enumerate(self.work.shelf.rows(ticket)))
        open_rows = [(place, self.labeler.shown(row)) for place, row in rows if row["id"] not in answered]
        for first in range(0, len(open_rows), size):
            chunk = open_rows[first : first + size]
            together = tuple(row for _, row in chunk)
            yield Question(ticket.batch, desk.campaign, desk.classes, chunk[0][0], together)

    def _ask_all(self, ask: Ask, questions: Sequence[Question]) -> None:
        if self.labeler.questions_at_once == 1:
            for question in questions:
                self._ask(ask, question)
            return
        with ThreadPoolExecutor(self.labeler.questions_at_once) as pool:
            for _ in pool.map(lambda question: self._ask(ask, question), questions):
                pass

    def _ask(self, ask: Ask, question: Question) -> None:
        if self.stopped is not None:
            with self.lock:
                self.left += len(question.rows)
            return
        try:
            reply = ask(question)
        except Unanswered as why:
            failures = (Problem(question.where, str(why)),)
            reply = Reply((), failures=failures, outage=why.outage, passes=why.passes)
        except BaseException:
            self.stopped = "failed"  # the others need not start
            raise
        self._take(question, reply)

    def _take(self, question: Question, reply: Reply) -> None:
        page = self._keep(question, reply) if reply.answers else None
        with self.lock:
            self.pages += [page] if page else []
            self.failures += [Problem(f.where, self.labeler.scrubbed(f.what)) for f in reply.failures]
            self.passes |= reply.passes
            self.outages = 0 if page else self.outages + reply.outage
            if reply.stopped:
                self.stopped, self.spent = reply.stopped, reply.spent
                self.left += len(question.rows) - len(reply.answers) - len(reply.failures)
            elif self.outages >= PATIENCE:
                self.stopped = f"it failed {PATIENCE} times in a row"

    def _keep(self, question: Question, reply: Reply) -> Page:
        answers = tuple(self._clean(answer) for answer in reply.answers)
        answered = Answered(
            batch=question.batch,
            annotator=self.labeler.answers_as,
            round=self.round,
            answered_at=datetime.now(UTC),
            seconds=round(reply.seconds / len(answers), 6),
            answers=answers,
            usage=reply.usage,
        )
        return self.work.shelf.keep(question.place, answered)

    def _clean(self, answer: Answer) -> Answer:
        if answer.said is None:
            return answer
        # JSON can hold half of a surrogate pair, which no file can.
        text = answer.said.encode("utf-8", "replace").decode()
        said = self.labeler.scrubbed(text)[:LONGEST_SAID]
        return Answer(answer.id, answer.label, answer.confidence, said)

    @property
    def problems(self) -> list[Problem]:
        """What went wrong, in an order that does not hang on which thread was first."""
        found = sorted(self.failures, key=lambda failure: failure.where)
        if self.left and self.stopped:
            what = f"{self.left} rows were not asked about: {self.stopped}; they have no answer yet"
            found.append(Problem(f"labeler '{self.labeler.name}'", what))
        return found
