"""A scan over a cluster of threads: the same result, progress, errors as they were raised."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pyarrow as pa
import pytest

from lamplighter import cluster
from lamplighter.arrays import RowIds
from lamplighter.errors import ClusterError, EmptyPool, PoolError
from lamplighter.pool import Pool, Shard, find_ids, take_manifest
from lamplighter.progress import Progress
from lamplighter.strategies import STRATEGIES
from lamplighter.testing.pools import write_pool
from tests.cluster.conftest import fingerprint, in_process, make_job, make_pool

pytestmark = pytest.mark.xdist_group("cluster")
ROW = 4 * 5 + 8


@pytest.mark.parametrize("shard_rows", [100, 700, 10**9])
@pytest.mark.parametrize("fan_in", [2, 3, 100])
def test_any_shard_size_and_fan_in_give_the_same(
    threads: Any, shared_pool: Pool, shard_rows: int, fan_in: int
) -> None:
    job = make_job(shared_pool)
    shards = shared_pool.shards(shard_rows * ROW)
    found = cluster.scan_pool(threads, job, shards, fan_in=fan_in)
    assert fingerprint(found) == fingerprint(in_process(job))


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_every_strategy_gives_the_same(threads: Any, shared_pool: Pool, name: str) -> None:
    job = make_job(shared_pool, name)
    assert fingerprint(cluster.scan_pool(threads, job, shared_pool.shards(500 * ROW))) == fingerprint(
        in_process(job)
    )


def test_text_ids_and_excluded_rows(threads: Any, tmp_path: Path) -> None:
    pool = make_pool(tmp_path, text=True)
    first = in_process(make_job(pool))
    job = make_job(pool, exclude=first.shortlist.ids)
    second = cluster.scan_pool(threads, job, pool.shards(500 * ROW))
    assert fingerprint(second) == fingerprint(in_process(job))
    assert not set(second.shortlist.ids.to_pylist()) & set(first.shortlist.ids.to_pylist())


def test_progress_counts_shards_and_rows_up_to_all(threads: Any, shared_pool: Pool) -> None:
    seen: list[Progress] = []
    shards = shared_pool.shards(1000 * ROW)
    cluster.scan_pool(threads, make_job(shared_pool), shards, seen.append)
    assert [p.shards for p in seen] == list(range(1, len(shards) + 1))
    assert [p.rows for p in seen] == sorted(p.rows for p in seen)
    assert seen[-1] == Progress("scoring", 6000, 6000, len(shards), len(shards))


def found_ids(shard: Shard, pool: Pool, ids: RowIds) -> list[int]:
    """Give those of the ids that lie in the shard."""
    found: list[int] = find_ids(shard, pool, ids).ids.to_pylist()
    return found


def test_nothing_is_left_on_the_cluster(threads: Any, shared_pool: Pool) -> None:
    cluster.scan_pool(threads, make_job(shared_pool), shared_pool.shards(500 * ROW))
    list(cluster.map_shards(threads, found_ids, shared_pool.shards(), shared_pool, pa.array([1, 2])))
    threads.sync(_settle, threads)
    assert not threads.cluster.scheduler.tasks


async def _settle(client: Any) -> None:
    for _ in range(200):
        if not client.cluster.scheduler.tasks:
            return
        await asyncio.sleep(0.05)


def test_no_shards_is_said(threads: Any, shared_pool: Pool) -> None:
    with pytest.raises(EmptyPool, match="no shards"):
        cluster.scan_pool(threads, make_job(shared_pool), ())


def test_a_file_deleted_under_the_scan_is_named(threads: Any, pool: Pool) -> None:
    victim = Path(pool.config.url) / pool.manifest.files[2].path

    def delete(progress: Progress) -> None:
        victim.unlink(missing_ok=True)

    with pytest.raises(PoolError, match=pool.manifest.files[2].path):
        cluster.scan_pool(threads, make_job(pool), pool.shards(100 * ROW), delete)


def test_an_interrupt_in_the_listener_cancels_the_rest(threads: Any, shared_pool: Pool) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.scan_pool(threads, make_job(shared_pool), shared_pool.shards(100 * ROW), interrupt)
    threads.sync(_settle, threads)
    assert not threads.cluster.scheduler.tasks


def test_map_shards_gives_every_result_once(threads: Any, shared_pool: Pool) -> None:
    wanted = in_process(make_job(shared_pool)).shortlist.ids
    seen: list[Progress] = []
    shards = shared_pool.shards(500 * ROW)
    parts = cluster.map_shards(threads, found_ids, shards, shared_pool, wanted, progress=seen.append)
    found = [i for part in parts for i in part]
    assert sorted(found) == sorted(wanted.to_pylist())
    assert (seen[-1].what, seen[-1].rows) == ("reading", 6000)
    assert list(cluster.map_shards(threads, found_ids, (), shared_pool, wanted)) == []


def lacking(shard: object) -> None:
    """Stand in for code that a worker does not have."""
    raise ModuleNotFoundError("No module named 'extra_strategy'")


def test_a_worker_that_lacks_a_module_is_explained(threads: Any, shared_pool: Pool) -> None:
    with pytest.raises(ClusterError, match="lacks a module: No module named 'extra_strategy'"):
        list(cluster.map_shards(threads, lacking, shared_pool.shards()))


def failing(shard: object) -> None:
    """Stand in for a bug."""
    raise ZeroDivisionError("in the worker")


def test_a_bug_keeps_its_type_and_the_workers_traceback(threads: Any, shared_pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError, match="in the worker") as raised:
        list(cluster.map_shards(threads, failing, shared_pool.shards()))
    assert "failing" in [entry.name for entry in raised.traceback]


def test_cancelled_work_is_a_clear_error(threads: Any, shared_pool: Pool) -> None:
    future: Any = distributed.Future

    def cancel(progress: Progress) -> None:
        threads.cancel([future(key, threads) for key in list(threads.futures)], force=True)

    with pytest.raises(ClusterError, match="lost the work"):
        cluster.scan_pool(threads, make_job(shared_pool), shared_pool.shards(100 * ROW), cancel)


def test_a_large_job_travels_without_a_warning(threads: Any, shared_pool: Pool) -> None:
    exclude = pa.array(np.arange(10**6, 10**6 + 1_500_000))
    job = make_job(shared_pool, exclude=exclude)
    assert len(cluster.scan_pool(threads, job, shared_pool.shards()).shortlist) == 100


def test_rows_left_out_reach_the_drivers_log(
    processes: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    x[7] = np.nan
    config = write_pool(tmp_path / "nan", np.arange(300), x)
    pool = Pool(config, take_manifest(config))
    with caplog.at_level(logging.INFO, "lamplighter"):
        cluster.forward_logs(processes)
        result = cluster.scan_pool(processes, make_job(pool), pool.shards())
        processes.run(len, [])  # behind the log in the same stream
    assert result.left_out == 1
    assert "part-00000.parquet: 1 of 300 rows left out" in caplog.text
