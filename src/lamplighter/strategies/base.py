"""What a strategy is, and what it sees: a block of scored rows, then the shortlist."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from lamplighter import rng
from lamplighter.arrays import F32, F64, I32, I64, U64, RowIds
from lamplighter.errors import ConfigError


class Output(Enum):
    """What a strategy may ask of the learner and the pool, per row."""

    PROBA = "proba"  #: (n, C) float32 class probabilities
    LOGITS = "logits"  #: (n, C) float32 before the softmax
    COMMITTEE = "committee"  #: (n, M, C) float32 probabilities of M members
    EMBEDDING = "embedding"  #: (n, D) float32 features


@dataclass(frozen=True)
class Context:
    """What is known before the scan of a round.

    Attributes
    ----------
    seed, round
        Key all randomness.
    k
        Rows wanted in the batch.
    rows
        Rows in the pool's manifest.
    classes
        C class names, in the order of every probability column.
    labelled
        (l, D) float32 features of the labelled rows outside the holdout.
    labels
        (l,) int32 positions in `classes`.
    """

    seed: int
    round: int
    k: int
    rows: int
    classes: tuple[str, ...]
    labelled: F32 | None = None
    labels: I32 | None = None


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
class Shortlist:
    """The exact top rows of the pool, best first: by score, then keyed hash, then id.

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
    """

    ids: RowIds
    score: F32
    tie: U64
    file: I32
    row_group: I32
    row: I64
    outputs: Mapping[Output, F32] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def proba(self) -> F32:
        """(m, C) float32 probabilities."""
        return self.outputs[Output.PROBA]

    @property
    def embedding(self) -> F32:
        """(m, D) float32 features."""
        return self.outputs[Output.EMBEDDING]

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
        )


class Strategy(ABC):
    """Decides which rows are worth a label.

    Subclasses are frozen dataclasses; their fields are the parameters in the campaign file. `score`
    runs on the workers over the whole pool, `choose` runs once on the shortlist.
    """

    requires: ClassVar[frozenset[Output]] = frozenset({Output.PROBA})
    oversample: ClassVar[int] = 1  #: the shortlist holds oversample * k rows

    def prepare(self, context: Context) -> Self:
        """Give the strategy with what this round's scan needs; called once, on the driver."""
        return self

    @abstractmethod
    def score(self, block: Block) -> F32:
        """Score rows: (n,) float32, higher is more wanted, -inf is never picked.

        Row-wise by law: a row's score depends on the row, the model and the round alone.
        """

    def choose(self, shortlist: Shortlist, k: int, generator: np.random.Generator) -> I64:
        """Pick min(k, m) distinct positions of the shortlist, most wanted first."""
        return np.arange(min(k, len(shortlist)), dtype=np.int64)

    def explain(self, shortlist: Shortlist, picked: I64) -> dict[str, Any]:
        """Give columns to record beside each pick (inclusion probabilities, say): name -> (k,)."""
        return {}


def require(condition: bool, message: str | Callable[[], str]) -> None:
    """Raise ConfigError with `message` unless the condition holds; for `__post_init__`."""
    if not condition:
        raise ConfigError(message if isinstance(message, str) else message())
