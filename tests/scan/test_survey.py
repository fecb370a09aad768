"""Passes before the scan: exact, and the same for any sharding."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from lamplighter import rng, scan
from lamplighter.arrays import F32, F64
from lamplighter.pool import Pool
from lamplighter.survey import PoolSurvey
from tests.scan.pools import MemoryPool, memory_pool


def survey(pool: MemoryPool, sizes: list[int]) -> PoolSurvey:
    """Survey a pool in memory, cut into shards of so many row groups."""
    shards = pool.shards(sizes)

    def run(job: scan.ScanJob) -> scan.ScanResult:
        return scan.merge([scan.scan_shard(job, shard) for shard in shards], job.lanes)

    def over(function: Any, *args: object) -> Any:
        return (function(shard, *args) for shard in reversed(shards))

    return PoolSurvey(cast(Pool, pool), 5, 2, run, over)


def cuts(pool: MemoryPool) -> list[list[int]]:
    return [[pool.groups], [1] * pool.groups, [1, pool.groups - 1]]


def plain_mean(x: F32) -> F64:
    wide = x[np.isfinite(x).all(axis=1)].astype(np.float64)
    norm = np.linalg.norm(wide, axis=1, keepdims=True)
    mean: F64 = (wide / np.where(norm > 0, norm, 1)).mean(axis=0)
    return mean


def spoilt() -> MemoryPool:
    """Make a pool with a row of zeros, one that is not finite, and a very long and a very short one."""
    x = np.random.default_rng(3).normal(loc=0.5, size=(300, 3)).astype(np.float32)
    x[5] = 0
    x[17, 1] = np.nan
    x[40] *= np.float32(1e30)
    x[41] *= np.float32(1e-30)
    return MemoryPool(pa.array(np.random.default_rng(4).permutation(300)), x)


@pytest.mark.parametrize("pool", [memory_pool(400), spoilt()], ids=["plain", "spoilt"])
def test_mean_direction_is_exact_and_free_of_order(pool: MemoryPool) -> None:
    found = [survey(pool, sizes).mean_direction() for sizes in cuts(pool)]
    assert all(one.mean.tobytes() == found[0].mean.tobytes() for one in found)
    assert found[0].mean == pytest.approx(plain_mean(pool.features), abs=2e-7)
    assert {one.rows for one in found} == {int(np.isfinite(pool.features).all(axis=1).sum())}


def test_a_direction_is_the_same_in_any_block() -> None:
    draws = np.random.default_rng(8)
    x = draws.normal(size=(700, 40)).astype(np.float32)
    x[::7] *= np.float32(1e25)
    x[3::7] *= np.float32(1e-25)
    ids = pa.array(range(700))
    sizes = (1, 7, 350, 700)
    means = [survey(MemoryPool(ids, x, group_rows=700, block_rows=n), [1]).mean_direction() for n in sizes]
    assert len({one.mean.tobytes() for one in means}) == 1
    assert means[0].mean == pytest.approx(plain_mean(x), abs=2e-7)


def test_a_pool_without_finite_rows_points_nowhere() -> None:
    pool = MemoryPool(pa.array([1, 2]), np.full((2, 3), np.inf, np.float32))
    found = survey(pool, [pool.groups]).mean_direction()
    assert (found.mean.tolist(), found.rows) == ([0, 0, 0], 0)


def test_the_mean_of_one_direction_is_that_direction() -> None:
    x = np.tile(np.array([[3, -4, 0]], np.float32), (20_000, 1))
    pool = MemoryPool(pa.array(range(20_000)), x, group_rows=20_000, block_rows=20_000)
    assert survey(pool, [1]).mean_direction().mean == pytest.approx([0.6, -0.8, 0], abs=1e-7)


def test_the_sample_is_the_rows_with_the_largest_draws() -> None:
    pool = memory_pool(400)
    draws = rng.row_uniform(pool.ids, rng.key(5, 2, "survey"))
    expected = pool.features[np.argsort(-draws)[:50]]
    for sizes in cuts(pool):
        assert survey(pool, sizes).sample(50).tobytes() == expected.tobytes()
    assert len(survey(pool, [pool.groups]).sample(10_000)) == 400
