"""What an automated labeler is asked, and what it may reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lamplighter.labelers.base import Desk, Problem
from lamplighter.labelers.shelf import Answer, Page, Row, Shelf, Usage


@dataclass(frozen=True)
class Question:
    """Rows to be asked about together. `place` is the first one's in its batch."""

    batch: str
    campaign: str
    classes: tuple[str, ...]
    place: int
    rows: tuple[Row, ...]

    @property
    def where(self) -> str:
        """Name the rows, for messages."""
        first, last = self.rows[0]["id"], self.rows[-1]["id"]
        more = f" to {last!r} ({len(self.rows)} rows)" if len(self.rows) > 1 else ""
        return f"batch {self.batch}, row {first!r}{more}"


@dataclass(frozen=True)
class Reply:
    """Answers to a question, perhaps not about all of its rows.

    Attributes
    ----------
    answers
        In the order of the rows.
    seconds
        That they took.
    usage
        What was paid, where it is metered.
    failures
        Why rows have no answer.
    outage
        Whether the failures are the service's rather than the rows'.
    passes
        Whether one of the failures may be over when the rows are asked about again soon.
    stopped
        Why nothing more may be asked.
    spent
        Whether that is because the money is used up.
    """

    answers: tuple[Answer, ...]
    seconds: float = 0.0
    usage: Usage | None = None
    failures: tuple[Problem, ...] = ()
    outage: bool = False
    passes: bool = False
    stopped: str | None = None
    spent: bool = False


class Unanswered(Exception):
    """A question has no answer in this collect.

    Attributes
    ----------
    outage
        Whether it is for no fault of the question.
    passes
        Whether the same question may be answered soon; an outage passes, unless told otherwise.
    lost
        Tries that may have been worked on, and paid for, all the same.
    """

    def __init__(self, why: str, *, outage: bool = False, passes: bool | None = None, lost: int = 0) -> None:
        super().__init__(why)
        self.outage = outage
        self.passes = outage if passes is None else passes
        self.lost = lost


Ask: TypeAlias = Callable[[Question], Reply]


@dataclass(frozen=True)
class Work:
    """What an asking labeler may use: the desk, its shelf, and all that was answered before."""

    desk: Desk
    shelf: Shelf
    pages: Sequence[Page]
