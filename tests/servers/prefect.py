"""A real Prefect server on this machine, shared by all processes of one test session, and workers.

A start takes 10 to 45 seconds, most of it imports and migrations. The database is PostgreSQL where
that is installed, as in CI, and SQLite elsewhere.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from tests.servers import postgres
from tests.servers.guard import Order, Running, guarded, hold

PREFECT = [sys.executable, "-m", "prefect"]
POOL = "lamplighter"  #: the work pool of deployments/prefect.yaml
ROOT = Path(__file__).resolve().parents[2]
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # V2 asks a tracker on the internet
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_CLI_PROMPT": "false",
    "NO_COLOR": "1",
}


@dataclass(frozen=True)
class PrefectServer:
    """A running server as seen by one of the processes that hold it.

    Attributes
    ----------
    url
        Where the UI answers: "http://127.0.0.1:4321".
    home
        A PREFECT_HOME for clients; not the server's own.
    """

    url: str
    home: Path
    running: Running

    @property
    def api_url(self) -> str:
        """What PREFECT_API_URL has to be."""
        return f"{self.url}/api"

    @property
    def database(self) -> str:
        """The kind of database behind it: "sqlite" or "postgresql"."""
        return self.running.facts["database"]

    @property
    def env(self) -> dict[str, str]:
        """What a client's environment needs."""
        return {
            **QUIET,
            "PREFECT_API_URL": self.api_url,
            "PREFECT_HOME": str(self.home),
            "PREFECT_PROFILES_PATH": str(self.home / "profiles.toml"),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        }

    @property
    def environ(self) -> dict[str, str]:
        """This process's environment, its own Prefect settings replaced by those of `env`."""
        return {**_plain_environ(), **self.env}

    def request(self, path: str, body: object = None, method: str | None = None) -> Any:
        """Ask the API and give its JSON: GET, or POST where there is a body; raises HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        ask = urllib.request.Request(  # noqa: S310 - always our own http address
            f"{self.api_url}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(ask, timeout=30) as answer:  # noqa: S310 - as above
            text = answer.read()
        return json.loads(text) if text else None

    def run(self, *arguments: str) -> str:
        """Run Python with such arguments in the repository, as this server's client; gives what it said."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**self.environ, "LAMPLIGHTER_HOME": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self, name: str) -> dict[str, Any]:
        """Deploy all as a user does, for the pool of process workers; gives one, named FLOW/DEPLOYMENT."""
        tool = ["-m", "prefect", "--no-prompt"]
        self.run(*tool, "work-pool", "create", POOL, "--type", "process", "--overwrite")
        self.run(*tool, "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
        found: dict[str, Any] = self.request(f"/deployments/name/{name}")
        return found

    @contextmanager
    def in_process(self) -> Iterator[None]:
        """Let flows that run in this process report to the server."""
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings  # noqa: PLC0415 - takes seconds

        with temporary_settings({PREFECT_API_URL: self.api_url, PREFECT_HOME: self.home}):
            yield


@contextmanager
def prefect_running(folder: Path, database: str | None = None) -> Iterator[PrefectServer]:
    """Start a server under `folder`, or join the one that runs there.

    Parameters
    ----------
    database
        "sqlite" or "postgresql"; by default the latter where it is installed.
    """
    kind = database or ("postgresql" if postgres.programs() else "sqlite")
    with ExitStack() as held:
        store = postgres.running_under(folder / "postgresql") if kind == "postgresql" else None
        if store is not None:
            held.callback(store.let_go)
        running = hold(folder, lambda: _server(folder, store), _is_healthy)
        held.callback(running.let_go)
        home = Path(tempfile.mkdtemp(prefix="client-", dir=folder))
        yield PrefectServer(running.facts["url"], home, running)


@contextmanager
def worker_running(
    server: PrefectServer, pool: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[Running]:
    """Start a worker for the process pool `pool`, made where it is missing, and wait until it polls."""
    name = f"worker-{uuid.uuid4().hex[:8]}"
    order = Order(
        command=[*PREFECT, "worker", "start", "--type", "process", "--pool", pool, "--name", name],
        env={**server.environ, "PREFECT_WORKER_QUERY_SECONDS": "1", **(env or {})},
        cwd=str(cwd),
    )

    def polls(running: Running) -> bool:
        return any(w["name"] == name for w in _workers(server, pool))

    with guarded(order, polls) as running:
        yield running


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A running Prefect server, one for all test processes of the session."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with prefect_running(shared / "prefect-server") as server:
        yield server


@pytest.fixture
def prefect_api(prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrefectServer]:
    """The same server, with this process and those that it starts pointed at it."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    for name, value in prefect_server.env.items():
        monkeypatch.setenv(name, value)
    with prefect_server.in_process():
        yield prefect_server


def _server(folder: Path, store: Running | None) -> Order:
    home, port = Path(tempfile.mkdtemp(prefix="home-", dir=folder)), _free_port()
    env = {
        **_plain_environ(),
        **QUIET,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
    }
    if store is not None:
        env["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = postgres.new_database(store)
    return Order(
        command=[*PREFECT, "server", "start"],
        env=env,
        facts={"url": f"http://127.0.0.1:{port}", "database": "postgresql" if store else "sqlite"},
        cwd=str(home),
        remove=[str(home)],
    )


def _is_healthy(running: Running) -> bool:
    try:
        with urllib.request.urlopen(running.facts["url"] + "/api/health", timeout=2) as answer:  # noqa: S310 - our own
            return bool(answer.read() == b"true")
    except (URLError, ConnectionError, TimeoutError):
        return False


def _workers(server: PrefectServer, pool: str) -> list[dict[str, Any]]:
    try:
        workers: list[dict[str, Any]] = server.request(f"/work_pools/{pool}/workers/filter", {})
    except URLError:  # the pool is not there yet
        return []
    return workers


def _plain_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
