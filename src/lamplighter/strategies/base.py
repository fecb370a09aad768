"""What a strategy is, and what it sees: a block of scored rows, then the shortlist."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self

import numpy as np
import pyarrow as pa

from lamplighter import rng
from lamplighter.arrays import F32, F64, I32, I64, U64, RowIds
from lamplighter.errors import ConfigError
from lamplighter.strategies.context import Context, MeanDirection, Survey, Workers

__all__ = [
    "Block",
    "Choice",
    "Context",
    "Lane",
    "MeanDirection",
    "Output",
    "Ranked",
    "Shortlist",
    "Strategy",
    "Survey",
    "Workers",
    "require",
]


class Output(Enum):
    """What a strategy may ask of the learner and the pool, per row."""

    PROBA = "proba"  #: (n, C) float32 class probabilities
    LOGITS = "logits"  #: (n, C) float32 before the softmax
    COMMITTEE = "committee"  #: (n, M, C) float32 probabilities of M members
    DIVERGENCE = "divergence"  #: (n, M) float32 KL(p_m || q) of each member from the mean of all, in nats
    EMBEDDING = "embedding"  #: (n, D) float32 features
    LAST_LAYER = "last_layer"  #: (n, H) float32 what enters the model's last layer, without the bias


@dataclass(frozen=True)
class Block:
    """Scored rows on a worker. Arrays are read-only by contract: a strategy never writes to them.

    `proba` is (n, C) in class-major memory: reductions over classes run along contiguous rows.
    """

    ids: RowIds
    outputs: Mapping[Output, F32]
    seed: int
    round: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def proba(self) -> F32:
        """(n, C) float32 probabilities."""
        return self.outputs[Output.PROBA]

    @property
    def embedding(self) -> F32:
        """(n, D) float32 features."""
        return self.outputs[Output.EMBEDDING]

    def uniform(self, purpose: str) -> F64:
        """Draw one number in (0, 1) per row, keyed by (seed, round, purpose, row id)."""
        return rng.row_uniform(self.ids, rng.key(self.seed, self.round, purpose))


@dataclass(frozen=True)
class Lane:
    """One list that a scan keeps: the exact best `rows` of each of `groups` groups."""

    rows: int
    groups: int = 1


@dataclass(frozen=True)
class Ranked:
    """A block's rows as one lane sees them: (n,) scores, -inf for never, and (n,) groups, if it has any."""

    score: F32
    group: I32 | None = None


@dataclass(frozen=True)
class Shortlist:
    """The exact top rows of the pool, best first: by lane, score, then keyed hash, then id.

    Attributes
    ----------
    ids
        (m,) row ids.
    score
        (m,) float32, higher is more wanted.
    tie
        (m,) uint64 keyed hash of the id; among equal scores the smaller comes first.
    file, row_group, row
        (m,) where each row lies: position of its file in the manifest, row group, row within it.
    outputs
        What the strategy requires, rows along axis 0.
    lane
        (m,) number of the list that a row is on: 0 where the strategy has one. A lane of g groups takes
        g numbers. A row is on several lists if it won on several, once on each.
    """

    ids: RowIds
    score: F32
    tie: U64
    file: I32
    row_group: I32
    row: I64
    outputs: Mapping[Output, F32] = field(default_factory=dict)
    lane: I32 = field(default_factory=lambda: np.empty(0, np.int32))

    def __post_init__(self) -> None:
        if not len(self.lane):
            object.__setattr__(self, "lane", np.zeros(len(self.ids), np.int32))

    def __len__(self) -> int:
        return len(self.ids)

    def on(self, lane: int) -> I64:
        """Give the positions of the rows on one list, best first."""
        return np.flatnonzero(self.lane == lane)

    @property
    def proba(self) -> F32:
        """(m, C) float32 probabilities."""
        return self.outputs[Output.PROBA]

    @property
    def embedding(self) -> F32:
        """(m, D) float32 features."""
        return self.outputs[Output.EMBEDDING]

    def row_numbers(self) -> I64:
        """Number the rows: (m,) int64, the same for a row wherever it is listed."""
        return np.asarray(self.ids.dictionary_encode().indices.to_numpy(zero_copy_only=False), np.int64)

    def take(self, positions: I64) -> Shortlist:
        """Give the rows at `positions`, in that order."""
        return Shortlist(
            ids=self.ids.take(pa.array(positions)),
            score=self.score[positions],
            tie=self.tie[positions],
            file=self.file[positions],
            row_group=self.row_group[positions],
            row=self.row[positions],
            outputs={name: np.take(array, positions, axis=0) for name, array in self.outputs.items()},
            lane=self.lane[positions],
        )


@dataclass(frozen=True)
class Choice:
    """The batch.

    Attributes
    ----------
    positions
        (<= k,) int64 distinct positions in the shortlist, most wanted first; no row twice.
    columns
        What to record beside each pick (inclusion probabilities, say): name -> one value a pick.
    facts
        Numbers about the whole batch (a certificate, say), for the record of the round; JSON-ready.
    notices
        What could not be done as it was asked, in sentences.
    """

    positions: I64
    columns: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, float | int | str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class Strategy(ABC):
    """Decides which rows are worth a label.

    Subclasses are frozen dataclasses; their fields are the parameters in the campaign file. A subclass
    sets `requires` and `oversample` as plain class attributes, without an annotation, which would make
    them fields; or as properties, where they depend on a parameter.

    `prepare` runs on the driver before the scan, `score` on the workers over the whole pool. `choose`
    runs later, maybe in another process, and on a strategy that is not prepared: what it needs is in
    the shortlist or the context.
    """

    @property
    def requires(self) -> frozenset[Output]:
        """What it reads of every row."""
        return frozenset({Output.PROBA})

    @property
    def carries(self) -> frozenset[Output]:
        """What `choose` reads of the shortlist's rows: nothing by default, if it is the default itself."""
        return frozenset() if type(self).choose is Strategy.choose else self.requires

    @property
    def oversample(self) -> int:
        """The shortlist holds so many rows for each row of the batch."""
        return 1

    @property
    def needs_committee(self) -> bool:
        """Whether it reads what only a committee gives."""
        return bool(self.requires & {Output.COMMITTEE, Output.DIVERGENCE})

    @property
    def embedding_only(self) -> bool:
        """Whether features that are columns of a table, each with its unit, mean nothing to it."""
        return False

    def check(self, classes: tuple[str, ...]) -> None:
        """Raise UnknownClass if a parameter names a class that the campaign does not have."""
        return None

    def prepare(self, context: Context) -> Self:
        """Give the strategy with what this round's scan needs; called once."""
        return self

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Give the lists that the scan keeps for a batch of context.k.

        The same before and after `prepare`; of the context, only its numbers and classes count.
        """
        return (Lane(self.oversample * context.k),)

    @abstractmethod
    def score(self, block: Block) -> F32:
        """Score rows: (n,) float32, higher is more wanted, -inf is never picked.

        Row-wise by law: a row's score depends on the row, the model and the round alone.
        """

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        """Rank rows for every lane; row-wise, like `score`, of which it is made where there is one lane."""
        return (Ranked(self.score(block)),)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(context.k, rows) distinct rows of the shortlist, most wanted first."""
        return Choice(np.arange(min(context.k, len(shortlist)), dtype=np.int64))

    def retold(self, shortlist: Shortlist, choice: Choice, context: Context) -> Choice:
        """Give a batch that was made in several choices with counts and notices that hold for all of it.

        Its facts and notices are those of the first choice; by default they stay.
        """
        return choice


def require(condition: bool, message: str | Callable[[], str]) -> None:
    """Raise ConfigError with `message` unless the condition holds; for `__post_init__`."""
    if not condition:
        raise ConfigError(message if isinstance(message, str) else message())
