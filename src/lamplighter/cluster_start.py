"""Finds or starts the Dask cluster that a campaign names."""

from __future__ import annotations

import logging
import os
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import dask
import distributed

from lamplighter.cluster_class import cluster_class
from lamplighter.errors import ClusterError, ConfigError, LamplighterError

if TYPE_CHECKING:
    from lamplighter.config import ClusterConfig

#: Its functions carry no types.
_dask: Any = distributed

#: Seconds to reach a scheduler.
CONNECT_TIMEOUT = 30.0

#: Dask counts on the cores, and the last bits of a product depend on the number of threads.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@contextmanager
def connect(config: ClusterConfig | None = None) -> Iterator[Any]:
    """Give a client of the cluster that a campaign names, for as long as the block lasts.

    Parameters
    ----------
    config
        An address (with TLS files), or a Dask cluster class with parameters; None for worker processes
        on this machine, one for each core, reachable on loopback only.

    Raises
    ------
    ClusterError
        The cluster could not be reached or started.
    UntrustedType, ConfigError
        The cluster class is not on the allow-list, or there is none of that name.
    """
    with ExitStack() as stack:
        if config is not None and config.address:
            client = _client(config.address, config)
        else:
            client = _client(stack.enter_context(_start(config)), None)
        stack.callback(_close, client)
        yield client


def _close(client: Any) -> None:
    # A scheduler that is gone cannot be told; that must not hide why it is gone.
    with suppress(CancelledError, OSError):
        client.close()


def _client(target: Any, config: ClusterConfig | None) -> Any:
    security = _security(config)
    try:
        return _dask.Client(target, security=security, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {target}: {error}. Is it running, reachable from here, and are "
            "the address and the TLS files in `cluster` right?"
        ) from error


def _security(config: ClusterConfig | None) -> Any:
    if config is None or config.tls is None:
        return None
    tls = config.tls
    for path in (tls.ca, tls.cert, tls.key):
        if not os.path.isfile(path):
            raise ConfigError(f"cluster.tls names {path}, which is no file; give PEM files of this machine")
    return _dask.Security(
        tls_ca_file=tls.ca, tls_client_cert=tls.cert, tls_client_key=tls.key, require_encryption=True
    )


def _start(config: ClusterConfig | None) -> Any:
    name = config.name if config else None
    params = dict(config.params) if config else {}
    workers = config.workers if config else None
    try:
        if name is None:
            return _start_local(workers, params)
        cluster = cluster_class(name)(**params)
        if workers is not None:
            cluster.scale(workers)
    except LamplighterError:
        raise
    except Exception as error:
        raise ClusterError(
            f"cluster {name or 'on this machine'} could not be started: {type(error).__name__}: {error}. "
            "Check cluster.params, and the credentials it needs"
        ) from error
    return cluster


def _start_local(workers: int | None, params: dict[str, Any]) -> Any:
    options = {
        "n_workers": workers or len(os.sched_getaffinity(0)),
        "threads_per_worker": 1,
        "processes": True,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "worker_dashboard_address": "127.0.0.1:0",
        "memory_limit": "auto",
        "env": dict.fromkeys(ONE_THREAD, "1"),
        # Errors of tasks are raised here; a worker slow to end at the close is no news.
        "silence_logs": logging.ERROR,
    }
    if not params.get("processes", True):  # inside this process: no socket, no environment of its own
        del options["host"], options["env"]
    # In place of Dask's own: it has the allocator give memory back at once, and the page faults of
    # taking it again are near half of a scan.
    before_spawning = {"distributed.nanny.pre-spawn-environ": dict.fromkeys(ONE_THREAD, "1")}
    with dask.config.set(before_spawning):
        return _dask.LocalCluster(**(options | params))
