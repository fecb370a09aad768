"""What a labeler is, and what passes between it and a round."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from lamplighter.store.base import ObjectStore


class Status(StrEnum):
    """What an annotator did with a row."""

    LABELLED = "labelled"
    ABSTAINED = "abstained"  #: seen and skipped; the row is not asked again
    WITHDRAWN = "withdrawn"  #: an earlier answer of the same annotator no longer counts
    SUGGESTED = "suggested"  #: an automated answer that is no vote; the row waits for a person


@dataclass(frozen=True)
class Annotation:
    """One answer of one annotator about one row.

    Attributes
    ----------
    id
        Row id, int or str as in the pool.
    label
        One of the campaign's classes; None unless status is LABELLED or SUGGESTED.
    annotator
        Who answered.
    labeler
        Registered name of the back-end.
    created_at
        When it was answered, UTC; None when the back-end does not say.
    lead_time_s
        Seconds the annotator spent, if known.
    source
        The back-end's own stable name of this answer ("answers/a.jsonl:12"); an answer collected
        twice has equal fields, so it is stored once.
    confidence
        How sure the annotator was, 0 to 1; None where the back-end does not say.
    """

    id: int | str
    label: str | None
    annotator: str
    labeler: str
    created_at: datetime | None = None
    lead_time_s: float | None = None
    status: Status = Status.LABELLED
    source: str = ""
    confidence: float | None = None


@dataclass(frozen=True)
class BatchRow:
    """A row to be labelled; rows come in order of priority. People see nothing of its purpose.

    Attributes
    ----------
    purpose
        "holdout"; "seed" (cold start) or "batch": picked by the strategy; "gold": its label is known;
        "again": answered before, one more annotator is wanted.
    annotators
        How many people should have answered or skipped it in the end; None: as many as the labeler asks of
        every row.
    answered
        How many have by now; more than 0 only for "again". A machine's answer is none of these.
    """

    id: int | str
    purpose: str
    rank: int
    score: float | None = None
    predicted: str | None = None
    proba: tuple[float, ...] | None = None
    display: Mapping[str, Any] = field(default_factory=dict)
    annotators: int | None = None
    answered: int = 0


@dataclass(frozen=True)
class Batch:
    """What one round sends to a labeler. `id` is the same after any retry."""

    id: str
    round: int
    created_at: datetime
    classes: tuple[str, ...]
    rows: Sequence[BatchRow]


@dataclass(frozen=True)
class Ticket:
    """A labeler's receipt for one batch; `params` is JSON and all the labeler needs to collect."""

    batch: str
    round: int
    created_at: datetime
    rows: int
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Cursor:
    """How far collection has come.

    Attributes
    ----------
    round
        The round that asks.
    newest
        Time of the newest answer already stored.
    known
        All answers already stored: the table of `lamplighter.annotations`, or None for none.
    """

    round: int
    newest: datetime | None = None
    known: Any = None


@dataclass(frozen=True)
class Problem:
    """An answer that could not be read. It is reported; once put right, it is taken when it comes again."""

    where: str  #: file and line, or the back-end's id
    what: str


@dataclass(frozen=True)
class Collected:
    """What came back. May repeat annotations of an earlier collect: the round stores each once."""

    annotations: Sequence[Annotation] = ()
    problems: Sequence[Problem] = ()


@dataclass(frozen=True)
class Desk:
    """What a labeler may use: the campaign's store, its name, its classes, the pool's id kind."""

    store: ObjectStore
    campaign: str
    classes: tuple[str, ...]
    integer_ids: bool = True


class Labeler(ABC):
    """Anything that answers. Subclasses are frozen dataclasses without state of their own."""

    automated: ClassVar[bool] = False  #: whether its answers are a machine's

    @property
    def follows_up(self) -> bool:
        """Whether `refresh` and `withdraw` do anything."""
        return False

    @property
    def answers_per_row(self) -> int:
        """How many annotations one dispatched row is expected to bring."""
        return 1

    @property
    def audit_share(self) -> float:
        """Share of the rows, drawn at random, that people answer beside a machine."""
        return 0.0

    @property
    def answers_by_itself(self) -> bool:
        """Whether `lamplighter run` may start the next round at once."""
        return False

    def rehearse(self, rows: Sequence[BatchRow], desk: Desk) -> None:
        """Raise ConfigError where not one row such as these could be asked about; ask nobody."""
        return None

    @abstractmethod
    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        """Send a batch out. Idempotent on `batch.id`, also after an ambiguous failure."""

    @abstractmethod
    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        """Give what came back for these tickets. Repeatable; may repeat annotations."""

    def refresh(self, rows: Sequence[BatchRow], tickets: Sequence[Ticket], desk: Desk) -> int:
        """Show rows of these tickets that still wait as the newest model sees them; give how many.

        Only `predicted`, `proba` and `score` of the rows have changed. Repeatable; by default none.
        """
        return 0

    def withdraw(
        self, ids: Sequence[int | str], tickets: Sequence[Ticket], desk: Desk
    ) -> Sequence[int | str]:
        """Take back rows of these tickets that nobody has answered. Repeatable.

        Gives the ids that now wait nowhere under these tickets, also those taken back before; a row that
        was answered meanwhile stays. By default nothing can be taken back.
        """
        return ()

    def finished(self, ticket: Ticket, desk: Desk) -> bool | None:
        """Say whether all rows of a batch are answered; None where only collecting can tell."""
        return None
