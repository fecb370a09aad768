"""Runs a scan over a Dask cluster; this file and `cluster_start` are the only ones that know Dask.

Only functions of this package travel, by reference, so that scheduler and workers need nothing but the
package. What all shards share travels once, as a task that gives it: when a worker dies with the only
copy, the scheduler has it made again. Results are merged on the workers; the driver sees one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import dask
import distributed

from lamplighter import scan
from lamplighter.cluster_start import connect
from lamplighter.cluster_watch import Health, Listener, Tally, require_success
from lamplighter.errors import EmptyPool
from lamplighter.threads import one_thread

if TYPE_CHECKING:
    from lamplighter.pool import Shard
    from lamplighter.scan import ScanJob, ScanResult
    from lamplighter.strategies.base import Lane

__all__ = ["connect", "forward_logs", "map_each", "map_items", "map_shards", "scan_pool"]

T = TypeVar("T")
R = TypeVar("R")
#: Its functions carry no types.
_dask: Any = distributed

#: Seconds between two looks at what has finished.
TICK = 0.05


def scan_pool(
    client: Any,
    job: ScanJob,
    shards: Sequence[Shard],
    progress: Listener | None = None,
    *,
    fan_in: int = 8,
) -> ScanResult:
    """Scan all shards and merge what they give, on the workers.

    Parameters
    ----------
    client
        From `connect`.
    job
        Sent to the workers once.
    shards
        At least one.
    progress
        Called as shards finish, from this thread.
    fan_in
        Results merged at a time.

    Returns
    -------
    The same for any sharding, number of workers and order of events, also when workers die.

    Raises
    ------
    LamplighterError
        As a worker raised it.
    ClusterError
        The cluster lost the work: workers died on the same shard again and again, or all are gone.
    """
    if not shards:
        raise EmptyPool("the pool has no shards; there is nothing to scan")
    sent = _send(client, job)
    scans = client.map(scan.scan_shard, [sent] * len(shards), shards, pure=False)
    tree = _merge_tree(client, scans, job.lanes, fan_in)
    root, told = tree[-1], Tally("scoring", shards, progress)
    with _releasing([sent, *scans, *tree]):
        shard_of = {future.key: shard for future, shard in zip(scans, shards, strict=True)}
        for future in _finished(client, [*scans, root]):
            if future.key in shard_of:
                told.finished(shard_of[future.key])
                future.release()  # its merge still holds it, on the worker
        return scan.merge([root.result()], job.lanes, [file.path for file in job.pool.manifest.files])


def _merge_tree(client: Any, level: Sequence[Any], lanes: Sequence[Lane], fan_in: int) -> list[Any]:
    """Submit all merges; the last one is the root."""
    tree: list[Any] = []
    while not tree or len(level) > 1:
        groups = [level[i : i + fan_in] for i in range(0, len(level), fan_in)]
        # Before further scans, so that few results wait in memory.
        level = [client.submit(scan.join, group, lanes, pure=False, priority=1) for group in groups]
        tree.extend(level)
    return tree


def map_shards(
    client: Any,
    function: Callable[..., T],
    shards: Sequence[Shard],
    *args: object,
    progress: Listener | None = None,
    what: str = "reading",
) -> Iterator[T]:
    """Call function(shard, *args) for every shard and give what it returns, in order of completion.

    Parameters
    ----------
    client
        From `connect`.
    function
        Importable on the workers: a function of this package. Its results should be small.
    shards
        May be none.
    args
        The same for all shards; sent once.
    progress, what
        Called as shards finish, with the work's name as a present participle.

    Raises
    ------
    LamplighterError
        As a worker raised it.
    ClusterError
        The cluster lost the work.
    """
    told = Tally(what, shards, progress)
    results: Iterator[tuple[int, T]] = map_each(client, function, shards, *args)
    for at, result in results:
        told.finished(shards[at])
        yield result


def map_each(
    client: Any, function: Callable[..., R], items: Sequence[T], *args: object
) -> Iterator[tuple[int, R]]:
    """Call function(item, *args) for every item; give positions and results, in order of completion.

    Earlier items are begun first. Results should be small, and `args` are sent once, as for `map_shards`;
    the errors are the same, too.
    """
    sent = [_send(client, value) for value in args]
    futures = client.map(function, items, *([value] * len(items) for value in sent), pure=False)
    at = {future.key: position for position, future in enumerate(futures)}
    with _releasing([*sent, *futures]):
        for future in _finished(client, futures):
            result: R = future.result()
            future.release()
            yield at[future.key], result


def map_items(client: Any, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Give function(item) of every item, in their order; an item need fit a worker, not all of them one.

    Calls are kept to one thread of BLAS and OpenMP: the same bits on every machine.

    Raises
    ------
    LamplighterError
        As a worker raised it.
    ClusterError
        The cluster lost the work.
    """
    sent = [_send(client, item) for item in items]
    with _releasing(sent):
        found: dict[int, R] = dict(map_each(client, _with_one_thread, sent, function))
    return [found[at] for at in range(len(items))]


def _with_one_thread(item: T, function: Callable[[T], R]) -> R:
    with one_thread():
        return function(item)


def forward_logs(client: Any, logger_name: str = "lamplighter") -> None:
    """Have what workers log under `logger_name` handled here, at this level, as long as the client lasts."""
    if client.scheduler.address.startswith("inproc"):
        return  # workers in this process log here already; forwarded, each record would come round for ever
    level = logging.getLogger(logger_name).getEffectiveLevel()
    client.register_plugin(_LogLevel(logger_name, level), name=f"log-level-{logger_name}")
    client.forward_logging(logger_name, level=level)


class _LogLevel(distributed.WorkerPlugin):
    """Sets the level of a logger on every worker, also on those that come later."""

    def __init__(self, logger_name: str, level: int) -> None:
        self.logger_name, self.level = logger_name, level

    def setup(self, worker: Any) -> None:
        """Called by Dask when a worker starts."""
        logging.getLogger(self.logger_name).setLevel(self.level)


def _send(client: Any, value: object) -> Any:
    """Send a value as a task: the scheduler keeps its source, where scattered data dies with its worker."""
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10 GB"}):
        return client.submit(_give, value, pure=False)


def _give(value: T) -> T:
    return value


@contextmanager
def _releasing(futures: Sequence[Any]) -> Iterator[None]:
    """Let go of all futures when the block ends: what nobody wants any more is not computed.

    Not `Client.cancel`: the scheduler stumbles over keys that were released before.
    """
    try:
        yield
    finally:
        for future in futures:
            future.release()


def _finished(client: Any, futures: Sequence[Any]) -> Iterator[Any]:
    """Give futures as they finish; raise the first error, or ClusterError if nothing can finish."""
    # The loop must be named: without it Dask looks for a default client, and there is none.
    waiting, health = _dask.as_completed(futures, loop=client.loop), Health(client)
    while not waiting.is_empty():
        batch = waiting.next_batch(block=False)
        for future in batch:
            if future.status in ("lost", "pending"):
                waiting.add(future)  # its worker died meanwhile: it is made again
                continue
            require_success(future, distributed.KilledWorker)
            yield future
        if not batch:
            time.sleep(TICK)
            health.check()
