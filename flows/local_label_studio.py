"""A Label Studio of one's own on loopback, for tries: its data and its administrator are kept in a folder."""

# No `from __future__ import annotations` here, as in all flow modules.
import json
import os
import re
import secrets
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from flows.child_server import free_port, is_running, keep_pid, stop_earlier
from lamplighter.errors import LamplighterError, MissingExtra

PROGRAM = "label-studio"
COMMAND = Path(__file__).resolve().parents[1] / ".venv-labelstudio" / "bin" / "label-studio"
PORT = 8181
STARTUP_S = 600  # the first start makes the database: a minute, ten on a busy machine
EMAIL = "admin@example.com"
#: A busy port makes it take the next one: only its log says where it listens.
LISTENS = re.compile(r"^Starting development server at (http://127\.0\.0\.1:\d+)/", re.MULTILINE)


@dataclass(frozen=True)
class LocalLabelStudio:
    """A running server.

    Attributes
    ----------
    folder
        Its data, its log, and in `access.json` what one logs in with; readable by the owner alone.
    url
        Where it answers; the same after a restart, if nobody took the port.
    """

    folder: Path
    url: str
    password: str = field(repr=False)
    token: str = field(repr=False)

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Use the server that runs in `folder`, or start one there and wait until it answers.

        Raises MissingExtra where Label Studio is not installed, LamplighterError if it does not start.
        """
        access = _access(folder)
        if not is_running(folder, PROGRAM):
            _launch(folder, access)
        address = _wait(folder)
        _keep(folder, access | {"url": address})
        return cls(folder, address, access["password"], access["token"])

    def projects(self) -> list[dict[str, Any]]:
        """Give what it says of its projects, the newest first."""
        asked = httpx.get(
            f"{self.url}/api/projects",
            params={"page_size": 100, "include": "id,title,task_number,finished_task_number"},
            headers={"Authorization": f"Token {self.token}"},
            timeout=30,
        )
        found: list[dict[str, Any]] = asked.raise_for_status().json()["results"]
        return sorted(found, key=lambda project: -int(project["id"]))


def stop(folder: Path) -> bool:
    """Stop the server that runs in `folder`; say whether there was one."""
    return stop_earlier(folder, PROGRAM)


def _access(folder: Path) -> dict[str, str]:
    """Give what the administrator logs in with: as kept, or new."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    try:
        kept: dict[str, str] = json.loads((folder / "access.json").read_text())
    except FileNotFoundError:
        kept = {"email": EMAIL, "password": secrets.token_urlsafe(12), "token": secrets.token_hex(20)}
        _keep(folder, kept)
    return kept


def _keep(folder: Path, access: dict[str, str]) -> None:
    file = folder / "access.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(access, indent=1) + "\n")


def _launch(folder: Path, access: dict[str, str]) -> None:
    command = COMMAND.resolve()
    if not command.exists():
        raise MissingExtra(
            f"Label Studio is not installed: no {command}; run `make labelstudio` in the checkout"
        )
    port = free_port(int(access.get("url", f":{PORT}").rpartition(":")[2]))
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(COMMAND), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)],
            env=_environment(folder, access),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    keep_pid(folder, process.pid)


def _wait(folder: Path) -> str:
    deadline = time.monotonic() + STARTUP_S
    while time.monotonic() < deadline and is_running(folder, PROGRAM):
        address = _address(folder)
        if address and _is_healthy(address):
            return address
        time.sleep(0.3)
    stop(folder)
    raise LamplighterError(f"Label Studio did not start; see {folder / 'server.log'}")


def _address(folder: Path) -> str | None:
    with (folder / "server.log").open(errors="replace") as log:
        found = LISTENS.search(log.read(100_000))  # what comes after is one line per request
    return found[1] if found else None


def _is_healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _environment(folder: Path, access: dict[str, str]) -> dict[str, str]:
    # Nothing else: it takes its settings also from USERNAME, HOST, PORT or DEBUG, whoever set them.
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_USERNAME": access["email"],
        "LABEL_STUDIO_PASSWORD": access["password"],
        "LABEL_STUDIO_USER_TOKEN": access["token"],
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "SSRF_PROTECTION_ENABLED": "false",  # else it sends no webhooks to this machine
        # Each page makes the server ask a host of its makers for advertisements, and no switch stops that.
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
