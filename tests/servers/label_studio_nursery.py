"""Label Studio servers that come back within a second, for tests that kill them again and again.

Almost all of a start is spent on imports. Here a process does them once, and forks whenever a server
is wanted. What is killed is the same server as ever, with its threads and its connections.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PID, WANTED = "server.pid", "wanted"


def main() -> None:
    """Be the nursery: have a server whenever one is wanted. Runs in Label Studio's own environment."""
    home = Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"])
    server = __import__("label_studio.server", fromlist=["main"])
    server._setup_env()
    urls = __import__("django.urls", fromlist=["get_resolver"])
    _ = urls.get_resolver().url_patterns
    __import__("django.db", fromlist=["connections"]).connections.close_all()
    (home / WANTED).touch()
    while True:
        if (home / WANTED).exists():
            (home / WANTED).unlink()
            _serve(home, sys.argv[0])
        time.sleep(0.02)


def _serve(home: Path, program: str) -> None:
    pid = os.fork()
    if pid == 0:
        sys.argv[0] = str(Path(sys.executable).parent / "label-studio")
        runpy.run_path(sys.argv[0], run_name="__main__")
        os._exit(0)
    part = home / f"{PID}.part"
    part.write_text(str(pid))
    part.rename(home / PID)
    signal.signal(signal.SIGTERM, lambda *_: _stop(pid))
    os.waitpid(pid, 0)
    (home / PID).unlink()


def _stop(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
