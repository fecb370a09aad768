"""A Prefect server of one's own on loopback, for the demo."""

# No `from __future__ import annotations` here, as in all flow modules.
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from flows.child_server import free_port, keep_pid, stop_earlier
from lamplighter.errors import LamplighterError

STARTUP_S = 180
PROGRAM = "prefect"


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
        stop_earlier(folder, PROGRAM)
        port = free_port()
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
        keep_pid(folder, process.pid)
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
        stop_earlier(self.folder, PROGRAM)


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
    sys.exit(0 if stop_earlier(Path("demo/prefect").resolve(), PROGRAM) else "no demo server is running")
