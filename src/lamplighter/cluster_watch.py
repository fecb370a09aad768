"""Watch work on a Dask cluster: how far it is, and whether it can still finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lamplighter.errors import ClusterError, LamplighterError
from lamplighter.progress import Progress

if TYPE_CHECKING:
    from lamplighter.pool import Shard

Listener = Callable[[Progress], None]

#: Seconds without any worker after which a scan gives up; a cloud may take minutes to start one.
PATIENCE = 600.0
#: Seconds between two looks.
CHECKUP = 10.0


class Health:
    """Looks after the cluster while nothing finishes."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.looked = self.alive = time.monotonic()

    def check(self) -> None:
        """Raise ClusterError if the scheduler is gone, or all workers are for too long."""
        now = time.monotonic()
        if now - self.looked < CHECKUP:
            return
        self.looked = now
        if self._workers():
            self.alive = now
        elif now - self.alive > PATIENCE:
            raise ClusterError(
                f"the Dask cluster has had no worker for {PATIENCE:.0f} s; start workers, or look in the "
                "scheduler's log for why none joins. Nothing is lost in the ledger; run again"
            )

    def _workers(self) -> int:
        try:
            return len(self.client.nthreads())
        except (OSError, RuntimeError) as error:
            raise ClusterError(
                f"the Dask scheduler stopped answering: {error}. Nothing is lost in the ledger; run again"
            ) from error


class Tally:
    """Counts finished shards and tells the listener."""

    def __init__(self, what: str, shards: Sequence[Shard], listener: Listener | None) -> None:
        self.now = Progress(what, 0, sum(shard.rows for shard in shards), 0, len(shards))
        self.listener = listener

    def finished(self, shard: Shard) -> None:
        """Count a shard."""
        self.now = replace(self.now, rows=self.now.rows + shard.rows, shards=self.now.shards + 1)
        if self.listener:
            self.listener(self.now)


def require_success(future: Any, killed: type[BaseException]) -> None:
    """Raise what went wrong with a future that has ended.

    Parameters
    ----------
    future
        Of Dask.
    killed
        Dask's error for a task that outlives no worker.

    Raises
    ------
    LamplighterError
        As the worker raised it, or ClusterError for what is the cluster's.
    """
    if future.status == "finished":
        return
    if future.status != "error":
        raise ClusterError(
            f"the Dask cluster lost the work ({future.key} is {future.status}): the scheduler was restarted, "
            "or the connection to it broke. Nothing is lost in the ledger; run again"
        )
    error = future.exception()
    if isinstance(error, killed):
        raise ClusterError(
            f"workers died again and again on the same shard, most likely for want of memory: {error} Give "
            "each worker more memory or fewer threads, or make the pool's row groups smaller (lamplighter "
            "pool compact)"
        ) from error
    if isinstance(error, ImportError) and not isinstance(error, LamplighterError):
        raise ClusterError(
            f"a worker lacks a module: {error}. Scheduler and workers need the same version of lamplighter "
            "as this process, and the packages of any strategy added to it"
        ) from error
    future.result()  # raises it, with the worker's traceback
