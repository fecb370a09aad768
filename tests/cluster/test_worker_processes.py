"""Worker processes: any number of them, killed at any moment, give the same rows."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lamplighter import cluster
from lamplighter.errors import ClusterError
from lamplighter.pool import Pool
from lamplighter.progress import Progress
from tests.cluster.conftest import fingerprint, in_process, make_job

pytestmark = [pytest.mark.xdist_group("cluster"), pytest.mark.fault]
ROW = 4 * 5 + 8


@pytest.mark.parametrize("workers", [4, 2, 1])
def test_any_number_of_workers_gives_the_same(processes: Any, shared_pool: Pool, workers: int) -> None:
    job, pids = make_job(shared_pool), set(processes.run(os.getpid).values())
    assert len(pids) == 4
    assert os.getpid() not in pids
    with only(processes, workers):
        found = cluster.scan_pool(processes, job, shared_pool.shards(300 * ROW))
    assert fingerprint(found) == fingerprint(in_process(job))


@contextmanager
def only(client: Any, workers: int) -> Iterator[None]:
    """Let only so many workers take tasks."""
    idle = list(client.nthreads())[workers:]

    async def pause(dask_worker: Any) -> None:
        dask_worker.status = type(dask_worker.status).paused

    async def resume(dask_worker: Any) -> None:
        dask_worker.status = type(dask_worker.status).running

    client.run(pause, workers=idle)
    try:
        yield
    finally:
        client.run(resume, workers=idle)


@pytest.mark.parametrize("killed", [1, 2])
def test_workers_killed_while_scoring_change_nothing(pair: Any, shared_pool: Pool, killed: int) -> None:
    job = make_job(shared_pool)
    shards = shared_pool.shards(100 * ROW)
    victims = list(pair.run(os.getpid).values())[:killed]

    def kill(progress: Progress) -> None:
        # With both dead, every copy of the job and every result so far is gone.
        while progress.shards >= 5 and victims:
            os.kill(victims.pop(), signal.SIGKILL)
            time.sleep(1)  # results that have finished, but are not merged, are now lost

    found = cluster.scan_pool(pair, job, shards, kill)
    assert not victims
    assert fingerprint(found) == fingerprint(in_process(job))


def die(shard: object) -> None:
    """Stand in for a shard that no worker survives."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_shard_that_kills_its_workers_is_given_up(pair: Any, shared_pool: Pool) -> None:
    pair.cluster.scheduler.allowed_failures = 0
    with pytest.raises(ClusterError, match="died again and again on the same shard"):
        list(cluster.map_shards(pair, die, shared_pool.shards()[:1]))
