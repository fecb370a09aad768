"""A pool in memory, and a plain model and oracle for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa

from lamplighter import rng, scan
from lamplighter.arrays import F32, I64, Bools, RowIds
from lamplighter.learner.scoring import Kernel, Scored, Scorer
from lamplighter.pool import Pool, PoolBlock, Shard
from lamplighter.scan import ScanJob, ScanResult
from lamplighter.strategies.base import Lane, Output, Strategy

SEED, ROUND = 11, 4
DIM, CLASSES = 3, 4


@dataclass(frozen=True)
class Column(Strategy):
    """Scores by the first feature: lets a test choose every score."""

    requires = frozenset({Output.EMBEDDING})
    carries = requires

    def score(self, block: Any) -> F32:
        return np.ascontiguousarray(block.embedding[:, 0])


@dataclass(frozen=True)
class MemoryPool:
    """Blocks of rows in memory; a shard is a list of row groups, as in a real pool."""

    ids: RowIds
    features: F32
    group_rows: int = 50
    block_rows: int = 20
    reads: list[bool] = field(default_factory=list, compare=False)

    @property
    def manifest(self) -> Any:
        kind = "int64" if pa.types.is_integer(self.ids.type) else "string"
        files = [SimpleNamespace(path="only.parquet")]
        return SimpleNamespace(id_kind=kind, files=files, dim=self.features.shape[1])

    @property
    def groups(self) -> int:
        return -(-len(self.ids) // self.group_rows)

    def shards(self, sizes: Sequence[int]) -> list[Shard]:
        """Cut the row groups into shards of so many groups."""
        bounds = np.cumsum([0, *sizes])
        assert bounds[-1] == self.groups
        return [self.shard(range(a, b)) for a, b in pairwise(bounds)]

    def shard(self, groups: Sequence[int]) -> Shard:
        rows = sum(min(self.group_rows, len(self.ids) - g * self.group_rows) for g in groups)
        return Shard(0, tuple(groups), rows)

    def read(self, shard: Shard, features: bool = True, *, reuse: bool = False) -> Iterator[PoolBlock]:
        self.reads.append(features)
        for group in shard.row_groups:
            first = group * self.group_rows
            last = min(first + self.group_rows, len(self.ids))
            for start in range(first, last, self.block_rows):
                stop = min(start + self.block_rows, last)
                x = self.features[start:stop].copy() if features else None
                ids = self.ids.slice(start, stop - start)
                yield PoolBlock(ids, x, 0, group, start - first, extra=None)
                if reuse and x is not None:
                    x[:] = -7  # whoever still looks at it is found out

    def vectors(self, shard: Shard, *, reuse: bool = False) -> Iterator[F32]:
        yield from (block.features for block in self.read(shard, reuse=reuse) if block.features is not None)


@dataclass(frozen=True, eq=False)
class Softmax(Scorer):
    """Probabilities are the softmax of the first C features, or of zeros where there are fewer."""

    def kernel(self, *wanted: Any) -> Kernel:
        return cast(Kernel, None)  # `tiles` needs none

    def tiles(
        self, x: F32, wanted: frozenset[Output], kernel: Kernel | None = None
    ) -> Iterator[tuple[int, int, Scored]]:
        buffer = np.empty((self.width, self.tile), np.float32)
        for start in range(0, len(x), self.tile):
            rows = x[start : start + self.tile]
            valid: Bools = np.logical_and.reduce(np.isfinite(rows), axis=1)
            z = np.zeros((len(rows), self.width), np.float32)
            z[:, : self.features] = np.where(valid[:, None], rows, 0)
            e = np.exp(z - z.max(axis=1, keepdims=True))
            proba = buffer[:, : len(rows)].T  # reused for the next tile, as a real scorer's is
            proba[:] = np.where(valid[:, None], e / e.sum(axis=1, keepdims=True), 0)
            outputs = {Output.PROBA: proba, Output.LOGITS: z, Output.EMBEDDING: rows}
            outputs[Output.LAST_LAYER] = np.tanh(np.where(valid[:, None], rows, 0))
            committee = np.stack([proba, proba[:, ::-1]], axis=1)
            outputs[Output.COMMITTEE] = committee
            outputs[Output.DIVERGENCE] = np.square(committee - committee.mean(axis=1)[:, None]).sum(axis=2)
            yield start, start + len(rows), Scored({name: outputs[name] for name in wanted}, valid)


def softmax() -> Softmax:
    return Softmax(tile=16, features=DIM, width=CLASSES)


def int_ids(n: int, seed: int = 0) -> RowIds:
    return pa.array(np.random.default_rng(seed).permutation(10 * n)[:n].astype(np.int64))


def text_ids(n: int, seed: int = 0) -> RowIds:
    return pa.array([f"row-{i}" for i in int_ids(n, seed).to_pylist()], pa.large_string())


def memory_pool(n: int = 400, *, text: bool = False, seed: int = 0, levels: int = 0) -> MemoryPool:
    """Make a pool; `levels` > 0 draws the features from so few values that scores tie."""
    draws = np.random.default_rng(seed)
    x = draws.integers(0, levels, (n, DIM)) if levels else draws.normal(size=(n, DIM))
    return MemoryPool((text_ids if text else int_ids)(n, seed), x.astype(np.float32))


def job(pool: MemoryPool, strategy: Strategy | None = None, **changes: Any) -> ScanJob:
    """Make a job over a pool in memory."""
    changes = {"scorer": None, "m": 25, "seed": SEED, "round": ROUND} | changes
    lanes = (Lane(m),) if (m := changes.pop("m", None)) is not None else changes.pop("lanes")
    return ScanJob(pool=cast(Pool, pool), strategy=strategy or Column(), lanes=lanes, **changes)


def oracle(pool: MemoryPool, score: F32, m: int, out: Sequence[object] = ()) -> I64:
    """Give the rows of the shortlist by one lexsort over the whole pool; `out` are ids left out."""
    ties = rng.row_hash(pool.ids, rng.key(SEED, ROUND, "tie"))
    text = np.array(pool.ids.to_pylist())
    order = np.lexsort((text, ties, -score.astype(np.float64)))
    banned = set(out)
    keep = [i for i in order if score[i] > -np.inf and pool.ids[int(i)].as_py() not in banned]
    return np.array(keep[:m], dtype=np.int64)


def whole(task: ScanJob, sizes: list[int] | None = None) -> ScanResult:
    """Scan the pool in shards of so many row groups, and merge."""
    pool: Any = task.pool
    shards = pool.shards(sizes or [pool.groups])
    return scan.merge([scan.scan_shard(task, s) for s in shards], task.lanes)


def cuts(groups: int, seed: int) -> list[int]:
    """Cut so many row groups at random places."""
    draws = np.random.default_rng(seed)
    inner = np.sort(draws.choice(np.arange(1, groups), size=draws.integers(0, groups), replace=False))
    return [int(n) for n in np.diff([0, *inner, groups])]
