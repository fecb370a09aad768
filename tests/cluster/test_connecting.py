"""Finding a cluster: allowed, reachable, encrypted, with nothing on the workers but the library."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import pytest

import lamplighter
from lamplighter import cluster, cluster_watch
from lamplighter.cluster_class import cluster_class
from lamplighter.config import ClusterConfig, TlsConfig
from lamplighter.errors import ClusterError, ConfigError, UntrustedType
from lamplighter.pool import Pool
from lamplighter.progress import Progress
from tests.cluster.conftest import fingerprint, in_process, make_job

pytestmark = pytest.mark.xdist_group("cluster")


def test_a_class_outside_the_allow_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("os.system", "subprocess.Popen", "daskish.Cluster", "LocalCluster"):
        with pytest.raises(UntrustedType, match="LAMPLIGHTER_TRUSTED_MODULES"):
            cluster_class(path)
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "collections")
    assert cluster_class("collections.OrderedDict").__name__ == "OrderedDict"


def test_an_unknown_class_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="did you mean 'LocalCluster'"):
        cluster_class("distributed.LocalClutser")
    with pytest.raises(ConfigError, match="'dask_jobqueue' cannot be imported"):
        cluster_class("dask_jobqueue.SLURMCluster")
    with pytest.raises(ConfigError, match="unknown class 'config'"):
        cluster_class("dask.config")


class RefusingCluster:
    """A cluster class of an operator whose cloud says no."""

    def __init__(self, region: str) -> None:
        raise PermissionError(f"no credentials for {region}")


def test_a_cluster_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    name = f"{__name__}.RefusingCluster"
    for params, why in (({"region": "x"}, "PermissionError: no credentials for x"), ({}, "TypeError")):
        config = ClusterConfig(name=name, params=params)
        with (
            pytest.raises(ClusterError, match=f"RefusingCluster could not be started: {why}"),
            cluster.connect(config),
        ):
            pass


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamplighter.cluster_start.CONNECT_TIMEOUT", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ClusterError, match=address), cluster.connect(ClusterConfig(address=address)):
        pass


def test_missing_tls_files_are_named() -> None:
    tls = TlsConfig(ca="/nowhere/ca.pem", cert="/nowhere/cert.pem", key="/nowhere/key.pem")
    config = ClusterConfig(address="tls://127.0.0.1:1", tls=tls)
    with pytest.raises(ConfigError, match=r"/nowhere/ca\.pem"), cluster.connect(config):
        pass


class Gone:
    """A client whose scheduler does not answer, or has no workers."""

    def __init__(self, answer: dict[str, int] | OSError) -> None:
        self.answer = answer

    def nthreads(self) -> dict[str, int]:
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def test_a_scan_without_workers_gives_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 11))
    # The module's own view of the clock: Dask's event loops in this process live by the true one.
    monkeypatch.setattr(cluster_watch, "time", SimpleNamespace(monotonic=lambda: float(next(now))))
    busy = cluster_watch.Health(Gone({"tcp://w": 1}))
    for _ in range(100):
        busy.check()
    idle = cluster_watch.Health(Gone({}))
    for _ in range(54):
        idle.check()
    with pytest.raises(ClusterError, match="no worker for 600 s"):
        idle.check()
    with pytest.raises(ClusterError, match="stopped answering: connection broken"):
        cluster_watch.Health(Gone(OSError("connection broken"))).check()


def test_the_local_cluster_listens_on_loopback_only(processes: Any) -> None:
    addresses = [processes.scheduler.address, *processes.nthreads()]
    assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)
    assert processes.cluster.scheduler.http_server is not None
    sockets = [s.getsockname()[0] for s in processes.cluster.scheduler.http_server._sockets.values()]
    assert sockets
    assert set(sockets) == {"127.0.0.1"}
    threads = set(processes.run(os.environ.get, "OPENBLAS_NUM_THREADS").values())
    assert threads == {"1"}
    assert set(processes.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()) == {None}


class Unhappy:
    """A client that cannot take its leave, as happens when its scheduler is gone."""

    def __init__(self, *target: object, **options: object) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True
        raise CancelledError


def test_a_scheduler_that_is_gone_does_not_hide_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamplighter.cluster_start._dask", SimpleNamespace(Client=Unhappy))
    config = ClusterConfig(address="tcp://127.0.0.1:1")
    with pytest.raises(ClusterError, match="the reason"), cluster.connect(config) as client:
        raise ClusterError("the reason")
    assert client.closed


def test_a_remote_cluster_needs_only_the_library(
    shared_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scheduler and worker under TLS in another folder; then the scheduler is killed under a scan."""
    monkeypatch.setattr(cluster_watch, "CHECKUP", 1.0)
    tls = write_tls(tmp_path)
    address = f"tls://127.0.0.1:{free_port()}"
    job, shards = make_job(shared_pool), shared_pool.shards(100 * 28)
    config = ClusterConfig(address=address, tls=tls)
    with remote_cluster(tmp_path, address, tls) as scheduler, cluster.connect(config) as client:
        client.wait_for_workers(1, timeout=120)
        for name in ("flows", "tasks", "tests"):
            assert set(client.run(find_spec, name).values()) == {None}
        assert fingerprint(cluster.scan_pool(client, job, shards)) == fingerprint(in_process(job))

        def kill(progress: Progress) -> None:
            scheduler.kill()

        with pytest.raises(ClusterError):
            cluster.scan_pool(client, job, shards, kill)


def write_tls(folder: Path) -> TlsConfig:
    security: Any = distributed.Security
    made = security.temporary()
    parts = {"ca": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    for name, text in parts.items():
        (folder / f"{name}.pem").write_text(text)
    return TlsConfig(**{name: str(folder / f"{name}.pem") for name in parts})


@contextmanager
def remote_cluster(folder: Path, address: str, tls: TlsConfig) -> Iterator[subprocess.Popen[bytes]]:
    """Start a scheduler and a worker that can import site-packages and the library, nothing else."""
    library = folder / "library"
    library.mkdir()
    (library / "lamplighter").symlink_to(Path(lamplighter.__file__).parent)
    # -S leaves out the .pth files through which a checkout is importable.
    path = f"{library}:{sysconfig.get_path('purelib')}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": path}
    files = ["--tls-ca-file", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key]
    started: list[subprocess.Popen[bytes]] = []

    def start(module: str, *args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-S", "-m", module, *args, *files]
        started.append(subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL))
        return started[-1]

    try:
        port = address.rpartition(":")[2]
        scheduler = start(
            *(
                "distributed.cli.dask_scheduler",
                "--host",
                "tls://127.0.0.1",
                "--port",
                port,
                "--no-dashboard",
            ),
            *("--dashboard-address", "127.0.0.1:0"),
        )
        start("distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard")
        yield scheduler
    finally:
        for process in started:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
