"""Extra passes over the pool, for strategies that must know all of it before they score a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamplighter import cluster
from lamplighter.arrays import F32, F64, I64, Bools
from lamplighter.progress import tell
from lamplighter.scan import ScanJob, ScanResult, scan_here
from lamplighter.strategies.base import Block, Lane, MeanDirection, Output, Strategy
from lamplighter.strategies.geometry import LARGE, SMALL, row_products
from lamplighter.threads import one_blas_thread

if TYPE_CHECKING:
    from lamplighter.pool import Pool, Shard

#: Coordinates of a direction are rounded to multiples of 1 / GRID and added up as integers, so that a
#: sum over the pool has the same bits in any order. 2**31 rows fit.
GRID = 2.0**32
#: The most rows added up at a time: their sum is exact in float64, in any order.
CHUNK = 2**14
#: And the most numbers of those rows: they and their copies stay near the core.
_CELLS = 2**18

Over = Callable[..., Iterable[Any]]


@dataclass(frozen=True)
class PoolSurvey:
    """Passes over a pool.

    Attributes
    ----------
    pool
        What is read.
    seed, round
        Key the random sample.
    scan
        Runs a scan over all shards.
    over_shards
        Gives function(shard, *args) of every shard, in any order.
    """

    pool: Pool
    seed: int
    round: int
    scan: Callable[[ScanJob], ScanResult]
    over_shards: Over

    @classmethod
    def on(cls, client: Any, pool: Pool, seed: int, round_number: int) -> PoolSurvey:
        """Survey on a Dask cluster."""
        shards = pool.shards()

        def scan(job: ScanJob) -> ScanResult:
            return cluster.scan_pool(client, job, shards, tell)

        def over_shards(function: Callable[..., Any], *args: object) -> Iterator[Any]:
            return cluster.map_shards(client, function, shards, *args, progress=tell, what="surveying")

        return cls(pool, seed, round_number, scan, over_shards)

    @classmethod
    def here(cls, pool: Pool, seed: int, round_number: int) -> PoolSurvey:
        """Survey in this process."""

        def over_shards(function: Callable[..., Any], *args: object) -> Iterator[Any]:
            return (function(shard, *args) for shard in pool.shards())

        return cls(pool, seed, round_number, scan_here, over_shards)

    def sample(self, rows: int) -> F32:
        """Give the features of a simple random sample: (min(rows, pool), D) float32, by keyed hash."""
        carry = frozenset({Output.EMBEDDING})
        job = ScanJob(self.pool, None, _Sampling(), (Lane(rows),), self.seed, self.round, carry=carry)
        found: F32 = self.scan(job).shortlist.embedding
        return found

    def mean_direction(self) -> MeanDirection:
        """Give the mean of x / |x| over the finite rows, and how many they are; rows of zeros count as 0."""
        parts = list(self.over_shards(direction_sum, self.pool))
        total = np.sum([part.total for part in parts], axis=0, dtype=np.int64)
        rows = sum(part.rows for part in parts)
        return MeanDirection(total / GRID / max(rows, 1), rows)


@dataclass(frozen=True)
class _Sampling(Strategy):
    """A simple random sample, with features."""

    requires = frozenset({Output.EMBEDDING})

    def score(self, block: Block) -> F32:
        return block.uniform("survey").astype(np.float32)


@dataclass(frozen=True, eq=False)
class DirectionSum:
    """Sum of the directions of some rows: (D,) int64 in units of 1 / GRID, and how many rows."""

    total: I64
    rows: int


def direction_sum(shard: Shard, pool: Pool) -> DirectionSum:
    """Add up x / |x| over the finite rows of a shard."""
    rows, adding = 0, _Adding(pool.manifest.dim)
    with one_blas_thread():  # each of a worker's cores has a shard of its own
        for block in pool.vectors(shard, reuse=True):
            rows += adding.add(block)
    return DirectionSum(adding.total, rows)


class _Adding:
    """A sum of directions, and room for those of a few rows, which stay in cache."""

    def __init__(self, dim: int) -> None:
        self.total = np.zeros(dim, np.int64)
        self.rows = min(max(_CELLS // dim, 1), CHUNK)
        self.units = np.empty((self.rows, dim), np.float32)
        self.wide = np.empty((self.rows, dim), np.float64)
        self.ones = np.ones(self.rows)

    def add(self, x: F32) -> int:
        """Add the directions of (n, D) rows; give how many of them are finite."""
        return sum(self._add(x[start : start + self.rows]) for start in range(0, len(x), self.rows))

    def _add(self, x: F32) -> int:
        units, wide = self.units[: len(x)], self.wide[: len(x)]
        with np.errstate(all="ignore"):  # the rows that overflow are done again
            squares = row_products(x, x)
            np.multiply(x, (np.float32(GRID) / np.sqrt(squares))[:, None], out=units)
            np.rint(units, out=units)
        spoilt = np.flatnonzero(~((squares > SMALL) & (squares < LARGE)))
        finite = 0
        if len(spoilt):
            units[spoilt], finite = _one_by_one(x[spoilt])
        np.copyto(wide, units)
        # A sum as a product takes a third of the time; of whole numbers below 2**53, it has no order.
        self.total += (self.ones[: len(x)] @ wide).astype(np.int64)
        return len(x) - len(spoilt) + finite


def _one_by_one(x: F32) -> tuple[F64, int]:
    """Give whole units of the directions of rows whose squares leave float32, and how many are finite."""
    finite: Bools = np.logical_and.reduce(np.isfinite(x), axis=1)
    rows = np.where(finite[:, None], x, 0).astype(np.float64)
    norm = np.sqrt(row_products(rows, rows))[:, None]
    units: F64 = np.rint(rows * (GRID / np.where(norm > 0, norm, 1)))
    return units, int(np.count_nonzero(finite))
