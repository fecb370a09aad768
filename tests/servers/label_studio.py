"""Real Label Studio servers on this machine, on SQLite and on PostgreSQL.

A start takes about 10 s of CPU, from a prepared database (`label_studio_template`). Those of the fixtures
are shared by all processes of one test session; tests that kill theirs start one of their own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import postgres
from tests.servers.guard import Order, Running, hold
from tests.servers.label_studio_template import (
    ADMIN,
    HOME,
    PROGRAM,
    Person,
    environment,
    installed_version,
    prepare,
)

#: A busy port makes it take the next one: only its log says where it listens.
LISTENS = re.compile(r"^Starting development server at (http://127\.0\.0\.1:\d+)/", re.MULTILINE)


class Refused(Exception):
    """The server answered with an error.

    Attributes
    ----------
    status
        The HTTP status.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:500]}")
        self.status = status


class LabelStudio:
    """A running server as seen by one of the processes that hold it, and what people do there.

    Attributes
    ----------
    url
        Where it answers, "http://127.0.0.1:8181"; the same after a restart.
    database
        "sqlite" or "postgresql".
    """

    program: Sequence[str] = (str(PROGRAM),)

    def __init__(self, folder: Path, store: Running | None = None) -> None:
        self.folder, self._store = folder, store
        self.database = "sqlite" if store is None else "postgresql"
        self.running = hold(folder, lambda: self._order(_free_port()), is_healthy)
        self.url = _address(self.running) or ""

    @property
    def token(self) -> str:
        """The administrator's legacy token."""
        return ADMIN.token

    @property
    def log(self) -> str:
        """What the server wrote, since its last start."""
        return self.running.log()

    def kill(self) -> None:
        """Kill it in the middle of whatever it does; only for a server that nobody shares."""
        os.kill(self.running.pid, signal.SIGKILL)
        self.running.end()

    def start(self) -> None:
        """Start it again after `kill`, on the same port and the same data."""
        port = int(self.url.rpartition(":")[2])
        self.running = hold(self.folder, lambda: self._order(port), self._is_back)

    def let_go(self) -> None:
        """Hold it no longer: it stops, unless another process holds it."""
        self.running.let_go()

    def _is_back(self, running: Running) -> bool:
        if _address(running) not in {None, self.url}:
            raise RuntimeError(f"{self.url} was taken by somebody else while the server was down")
        return is_healthy(running)

    def _order(self, port: int) -> Order:
        data = self.folder / "data"
        prepare(data, self._store)
        where = ["--internal-host", "127.0.0.1", "--port", str(port)]
        return Order(
            command=[*self.program, "start", "--no-browser", *where],
            env=environment(data, self._store),
            cwd=str(data),
            stop=[signal.SIGTERM],
        )

    def request(
        self, path: str, body: object = None, method: str | None = None, *, by: Person | str | None = ADMIN
    ) -> Any:
        """Ask the API and give its JSON: GET, or POST where there is a body; raises Refused.

        `by` may also be a whole Authorization, or nobody.
        """
        allowed = f"Token {by.token}" if isinstance(by, Person) else by
        headers = {"Content-Type": "application/json"} | ({"Authorization": allowed} if allowed else {})
        data = None if body is None else json.dumps(body).encode()
        ask = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(ask, timeout=120) as answer:  # noqa: S310 - our own address
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode(errors="replace")) from None
        return json.loads(text) if text else None

    def personal_token(self, person: Person = ADMIN) -> str:
        """Give somebody's new personal access token; it ends the one given before."""
        kept = self.folder / f"{person.email}.token"
        if kept.exists():  # a second one beside the first is refused
            self.revoke(kept.read_text(), person)
        token: str = self.request("/api/token/", {}, by=person)["token"]
        kept.write_text(token)
        return token

    def revoke(self, token: str, person: Person = ADMIN) -> None:
        """End a personal access token; access that it gave lasts for up to 300 s."""
        try:
            self.request("/api/token/blacklist/", {"refresh": token}, by=person)
        except Refused as refused:
            if refused.status != 404:  # it has ended before
                raise

    def new_project(self, title: str, label_config: str, **settings: object) -> int:
        """Make a project and give its id."""
        made = self.request("/api/projects", {"title": title, "label_config": label_config, **settings})
        return int(made["id"])

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """Give a project's tasks in the order of their ids, annotations and predictions included."""
        page = self.request(f"/api/tasks/?project={project}&page_size=100000&fields=all")
        return sorted(page["tasks"], key=lambda task: int(task["id"]))

    def annotate(self, task: int, choice: str, by: Person = ADMIN, lead_time: float = 2.5) -> int:
        """Answer a task as somebody; give the annotation's id."""
        project = self.request(f"/api/tasks/{task}?fields=task_only")["project"]
        result = [{**self._control(project), "type": "choices", "value": {"choices": [choice]}}]
        return self._submit(task, {"result": result, "lead_time": lead_time}, by)

    def skip(self, task: int, by: Person = ADMIN, lead_time: float = 1.5) -> int:
        """Skip a task as somebody; give the id of the annotation that says so."""
        return self._submit(task, {"result": [], "was_cancelled": True, "lead_time": lead_time}, by)

    def change(self, annotation: int, choice: str, by: Person = ADMIN) -> None:
        """Edit an answer."""
        before = self.request(f"/api/annotations/{annotation}")["result"]
        result = [{**item, "value": {"choices": [choice]}} for item in before]
        self.request(f"/api/annotations/{annotation}", {"result": result}, "PATCH", by=by)

    def delete(self, annotation: int, by: Person = ADMIN) -> None:
        """Delete an answer."""
        self.request(f"/api/annotations/{annotation}", method="DELETE", by=by)

    def _submit(self, task: int, body: dict[str, object], by: Person) -> int:
        return int(self.request(f"/api/tasks/{task}/annotations/", body, by=by)["id"])

    def _control(self, project: int) -> dict[str, str]:
        parsed = self.request(f"/api/projects/{project}")["parsed_label_config"]
        name = next(name for name, control in parsed.items() if control["type"] == "Choices")
        return {"from_name": name, "to_name": parsed[name]["to_name"][0]}


@contextmanager
def label_studio_running(
    folder: Path, database: str = "sqlite", kind: type[LabelStudio] = LabelStudio
) -> Iterator[LabelStudio]:
    """Start a server with its data under `folder`, or join the one that runs there.

    Parameters
    ----------
    database
        "sqlite" or "postgresql".
    kind
        What to see it as: a subclass starts in a way of its own.
    """
    if installed_version() is None:
        pytest.skip(f"Label Studio is not installed in {HOME.name}; run `make {HOME.name}/done`")
    if database == "postgresql" and postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with ExitStack() as held:
        store = postgres.running_under(folder / "postgresql") if database == "postgresql" else None
        if store is not None:
            held.callback(store.let_go)
        server = kind(folder, store)
        held.callback(server.let_go)
        yield server


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """A running Label Studio on SQLite, one for all test processes of the session."""
    with label_studio_running(_shared(tmp_path_factory) / "label-studio") as server:
        yield server


@pytest.fixture(scope="session")
def label_studio_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """A running Label Studio on PostgreSQL, one for all test processes of the session."""
    with label_studio_running(_shared(tmp_path_factory) / "label-studio-pg", "postgresql") as server:
        yield server


def _shared(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _address(running: Running) -> str | None:
    with (running.folder / "log").open(errors="replace") as log:
        found = LISTENS.search(log.read(100_000))  # what comes after is one line per request
    return found[1] if found else None


def is_healthy(running: Running) -> bool:
    """Say whether a server that was started answers."""
    url = _address(running)
    if url is None:
        return False
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - ours
            return bool(json.loads(answer.read())["status"] == "UP")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
