"""A Prefect server of one's own on loopback, for the demo."""

# No `from __future__ import annotations` here, as in all flow modules.
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from lamplighter.errors import LamplighterError

STARTUP_S = 180
STOP_S = 10


def configured_server() -> str | None:
    """Give the UI address of the server that the environment names, if it does."""
    api = os.environ.get("PREFECT_API_URL")
    return api.removesuffix("/").removesuffix("/api") if api else None


@dataclass(frozen=True)
class LocalServer:
    """A running server: its process and its port. Its pid is kept in the folder, to stop it later."""

    folder: Path
    pid: int
    port: int

    @property
    def ui(self) -> str:
        """Address of its pages."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Start a server with its state in `folder`, wait until it answers, and make it ours."""
        folder.mkdir(parents=True, exist_ok=True)
        stop_earlier(folder)
        port = _free_port()
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "prefect",
                    "server",
                    "start",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    str(port),
                ],
                env=_environment(folder, port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        server = cls(folder, process.pid, port)
        (folder / "server.pid").write_text(str(process.pid))
        server._wait(process)
        os.environ["PREFECT_API_URL"] = f"{server.ui}/api"
        return server

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + STARTUP_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self.ui}/api/health", timeout=2).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.3)
        self.stop()
        raise LamplighterError(f"the Prefect server did not start; see {self.folder / 'server.log'}")

    def stop(self) -> None:
        """Stop it."""
        stop_earlier(self.folder)


def stop_earlier(folder: Path) -> bool:
    """Stop the server whose pid lies in `folder`; say whether there was one."""
    kept = folder / "server.pid"
    try:
        pid = int(kept.read_text())
        command = Path(f"/proc/{pid}/cmdline")
        # A pid may have gone to another process since; only a server of ours is stopped.
        if command.exists() and b"prefect" not in command.read_bytes():
            raise ProcessLookupError
        os.killpg(pid, signal.SIGTERM)
        _wait_gone(pid)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        kept.unlink(missing_ok=True)
        return False
    kept.unlink(missing_ok=True)
    return True


def _wait_gone(pid: int) -> None:
    deadline = time.monotonic() + STOP_S
    while time.monotonic() < deadline:
        with suppress(ChildProcessError):  # not started by this process
            os.waitpid(pid, os.WNOHANG)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(folder: Path, port: int) -> dict[str, str]:
    return os.environ | {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        # Without it the pages would ask port 4200 for their data.
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
    }


if __name__ == "__main__":
    sys.exit(0 if stop_earlier(Path("demo/prefect").resolve()) else "no demo server is running")
