"""What a strategy may know of a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np

from lamplighter import rng
from lamplighter.arrays import F32, F64, I32

if TYPE_CHECKING:
    from lamplighter.strategies.base import Shortlist

T = TypeVar("T")
R = TypeVar("R")


class MeanDirection(NamedTuple):
    """Where the rows of a pool point on average.

    Attributes
    ----------
    mean
        (D,) float64 mean of x / |x|; rows of zeros count as 0.
    rows
        How many rows that is the mean of: those that are finite.
    """

    mean: F64
    rows: int


class Survey(Protocol):
    """Extra passes over the pool, before the scan."""

    def sample(self, rows: int) -> F32:
        """Give the (min(rows, pool), D) features of a simple random sample, ordered by keyed hash."""

    def mean_direction(self) -> MeanDirection:
        """Give the mean of x / |x| over the finite rows of the pool. Free of any order."""


class Workers(Protocol):
    """Runs one function over many inputs."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Give function(item) of every item, in their order."""


@dataclass(frozen=True)
class Context:
    """What is known of a round, when a strategy is prepared and when it chooses.

    Attributes
    ----------
    seed, round
        Key all randomness.
    k
        Rows wanted in the batch.
    scanned
        Rows that the scan's lists were made for: more than k where the batch was cut since, by the
        holdout that the scan drew, or where it is a part of a larger one. None for k.
    rows
        Rows in the pool's manifest.
    classes
        C class names, in the order of every probability column.
    embedding
        Whether the features are one vector with a geometry of its own; False for columns of a table,
        each with its unit.
    begun
        Rows that are in the batch already, beside which k more are wanted; the shortlist is then without
        near-duplicates. None where it is whole.
    load
        Gives the features (l, D) float32 and labels (l,) int32 of the labelled rows; None for none.
    survey
        Passes over the pool; only when a strategy is prepared.
    workers
        Where `map` runs; None for here.
    """

    seed: int
    round: int
    k: int
    rows: int
    classes: tuple[str, ...]
    embedding: bool = True
    scanned: int | None = None
    begun: Shortlist | None = None
    load: Callable[[], tuple[F32, I32]] | None = None
    survey: Survey | None = None
    workers: Workers | None = None

    @cached_property
    def _labelled(self) -> tuple[F32, I32]:
        # Loaded when asked for: most strategies do not, and the labelled rows of a year are many.
        return self.load() if self.load else (np.empty((0, 0), np.float32), np.empty(0, np.int32))

    @property
    def labelled(self) -> F32:
        """(l, D) float32 features of the labelled rows outside the holdout; l may be 0."""
        return self._labelled[0]

    @property
    def labels(self) -> I32:
        """(l,) int32 positions in `classes`."""
        return self._labelled[1]

    def at_scan(self) -> Context:
        """Give the context that the lists were made with; what numbers them in `choose` asks this one."""
        return self if self.scanned is None else replace(self, k=self.scanned)

    def generator(self, purpose: str) -> np.random.Generator:
        """Give random numbers keyed by (seed, round, purpose)."""
        return rng.generator(self.seed, self.round, purpose)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Give function(item) of every item, in their order; on the workers, where there are any."""
        return self.workers(function, items) if self.workers else [function(item) for item in items]
