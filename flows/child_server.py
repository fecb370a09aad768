"""Servers of one's own that outlive the command that started them, each known by a pid in its folder."""

# No `from __future__ import annotations` here, as in all flow modules.
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

STOP_S = 10


def is_running(folder: Path, program: str) -> bool:
    """Say whether the server whose pid lies in `folder` runs, and is `program`."""
    try:
        return _is_ours(int(_kept(folder).read_text()), program)
    except (FileNotFoundError, ValueError):
        return False


def keep_pid(folder: Path, pid: int) -> None:
    """Remember a server that was started in a session of its own."""
    _kept(folder).write_text(str(pid))
    command = Path(f"/proc/{pid}/cmdline")
    deadline = time.monotonic() + STOP_S
    # For a moment after its start a process has no command yet, and would not be taken for ours.
    while command.exists() and not command.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.01)


def stop_earlier(folder: Path, program: str) -> bool:
    """Stop the server whose pid lies in `folder`, if it is `program`; say whether there was one."""
    kept = _kept(folder)
    try:
        pid = int(kept.read_text())
        if not _is_ours(pid, program):
            raise ProcessLookupError
        os.killpg(pid, signal.SIGTERM)
        _wait_gone(pid)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        kept.unlink(missing_ok=True)
        return False
    kept.unlink(missing_ok=True)
    return True


def free_port(wanted: int = 0) -> int:
    """Give a free port on loopback: the wanted one, if it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
        port: int = probe.getsockname()[1]
        return port


def _kept(folder: Path) -> Path:
    return folder / "server.pid"


def _is_ours(pid: int, program: str) -> bool:
    # A pid may have gone to another process since; only a server of ours counts.
    command = Path(f"/proc/{pid}/cmdline")
    try:
        os.kill(pid, 0)
        return not Path("/proc/self").exists() or program.encode() in command.read_bytes()
    except (ProcessLookupError, FileNotFoundError):
        return False


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
