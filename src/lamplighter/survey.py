"""Extra passes over the pool, for strategies that must know all of it before they score a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamplighter import cluster
from lamplighter.arrays import F32, F64, I64
from lamplighter.progress import tell
from lamplighter.scan import ScanJob, ScanResult
from lamplighter.strategies.base import Block, Lane, Output, Strategy

if TYPE_CHECKING:
    from lamplighter.pool import Pool, Shard

#: Coordinates of a direction are rounded to multiples of 1 / GRID and added up as integers, so that a
#: sum over the pool has the same bits in any order. 2**31 rows fit.
GRID = 2.0**32
#: Rows added up at a time: their sum is exact in float64.
CHUNK = 2**14

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

    def sample(self, rows: int) -> F32:
        """Give the features of a simple random sample: (min(rows, pool), D) float32, by keyed hash."""
        job = ScanJob(self.pool, None, _Sampling(), (Lane(rows),), self.seed, self.round)
        found: F32 = self.scan(job).shortlist.embedding
        return found

    def mean_direction(self) -> F64:
        """Give the mean of x / |x| over the rows that are finite: (D,) float64; rows of zeros count as 0."""
        parts = list(self.over_shards(direction_sum, self.pool))
        total = np.sum([part.total for part in parts], axis=0, dtype=np.int64)
        mean: F64 = total / GRID / max(sum(part.rows for part in parts), 1)
        return mean


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
    total, rows = np.zeros(pool.manifest.dim, np.int64), 0
    for block in pool.read(shard, features=True, reuse=True):
        x = block.features
        for start in range(0, len(block), CHUNK):
            part = _on_grid(x[start : start + CHUNK]) if x is not None else None
            if part is not None:
                total += part.sum(axis=0, dtype=np.float64).astype(np.int64)
                rows += len(part)
    return DirectionSum(total, rows)


def _on_grid(x: F32) -> F32:
    """Give x / |x| of the finite rows in whole units of 1 / GRID: (n, D) float32."""
    x = x[np.isfinite(x).all(axis=1)]
    # Divided by the largest first: squares of large numbers overflow.
    largest = np.abs(x).max(axis=1, initial=0, keepdims=True)
    np.divide(x, largest, out=x, where=largest > 0)
    norm = np.sqrt(np.square(x).sum(axis=1, keepdims=True))
    units = np.rint(x * (np.float32(GRID) / np.where(norm > 0, norm, np.float32(1))))
    return units.astype(np.float32, copy=False)
