"""Runs a server until nobody holds its leash any more.

The leash is a FIFO. Whoever holds it open for writing keeps the server alive; when the last holder
lets go or dies, by whatever signal, the kernel tells the guard, and the guard stops the server. So
several test processes share one server without counting each other, and none outlives the tests.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Order:
    """A command to run.

    Attributes
    ----------
    facts
        What the holders want to know of it: its address, say.
    stop
        Signals to send in turn until it ends, `grace` seconds apart; SIGKILL to all of it comes last.
    remove
        Folders to delete once it has ended.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    facts: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "."
    stop: Sequence[int] = (signal.SIGTERM, signal.SIGTERM)
    grace: float = 4.0
    remove: Sequence[str] = ()


class Running:
    """A guarded command as one of its holders sees it."""

    def __init__(self, folder: Path, leash: int) -> None:
        self.folder = folder
        self._leash = leash
        self.facts: dict[str, str] = json.loads((folder / "order.json").read_text())["facts"]

    @property
    def pid(self) -> int:
        """The process id of the command itself."""
        return int((self.folder / "pid").read_text())

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself or by order."""
        return (self.folder / "exit").exists()

    def log(self) -> str:
        """What it wrote to stdout and stderr."""
        return (self.folder / "log").read_text(errors="replace")

    def let_go(self) -> None:
        """Hold it no longer: it stops, unless another process holds it."""
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1

    def end(self, patience: float = 30.0) -> None:
        """Let go, and wait until it has ended."""
        self.let_go()
        _until(lambda: self.ended, patience, lambda: f"{self.folder} did not end: {self.log()[-2000:]}")


def hold(folder: Path, launch: Callable[[], Order], ready: Callable[[Running], bool]) -> Running:
    """Give the command that runs under `folder`, started by `launch` if it does not run yet.

    Parameters
    ----------
    folder
        Where its files lie; processes that name the same folder share one command.
    ready
        Asked again and again after a start, until it says yes.

    Raises
    ------
    RuntimeError
        It ended or was not ready in time, twice (once may be a port that somebody took).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        running = _join(folder)
        if running is None:
            try:
                running = _start(folder, launch(), ready)
            except RuntimeError:
                running = _start(folder, launch(), ready)
            (folder / "current").write_text(running.folder.name)
    return running


@contextmanager
def guarded(order: Order, ready: Callable[[Running], bool] = lambda running: True) -> Iterator[Running]:
    """Run a command for as long as the context lasts, or this process lives."""
    with tempfile.TemporaryDirectory(prefix="guarded-", ignore_cleanup_errors=True) as folder:
        running = hold(Path(folder), lambda: order, ready)
        try:
            yield running
        finally:
            running.end()


def _join(folder: Path) -> Running | None:
    with suppress(FileNotFoundError, OSError):
        run = folder / (folder / "current").read_text()
        if (run / "exit").exists():
            return None
        # Without a reader this raises ENXIO: the guard has gone, and the server with it.
        return Running(run, os.open(run / "leash", os.O_WRONLY | os.O_NONBLOCK))
    return None


def _start(folder: Path, order: Order, ready: Callable[[Running], bool]) -> Running:
    run = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    (run / "order.json").write_text(json.dumps(asdict(order)))
    (run / "log").touch()
    os.mkfifo(run / "leash")
    # The guard leaves at once for the background: no child of ours remains to be waited for.
    subprocess.run([sys.executable, __file__, str(run)], check=True, stdin=subprocess.DEVNULL)
    running = Running(run, os.open(run / "leash", os.O_WRONLY))
    _until((run / "pid").exists, 30.0, lambda: f"no guard for {order.command}")
    try:
        _until(lambda: running.ended or ready(running), 120.0, lambda: f"{order.command} is not ready")
        if running.ended:
            raise RuntimeError(f"{order.command} ended at once")
    except RuntimeError as error:
        running.let_go()
        raise RuntimeError(f"{error}: {running.log()[-3000:]}") from error
    return running


def _until(condition: Callable[[], bool], patience: float, complaint: Callable[[], str]) -> None:
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(complaint())
        time.sleep(0.1)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _guard(run: Path) -> None:
    """Be the guard of one run: start, wait until the leash is free or the command ends, stop."""
    order = Order(**json.loads((run / "order.json").read_text()))
    leash = os.open(run / "leash", os.O_RDONLY)
    with open(run / "log", "ab") as log:
        child = subprocess.Popen(
            order.command, env=dict(order.env), cwd=order.cwd, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    _write(run / "pid", str(child.pid))
    while child.poll() is None and _is_held(leash, run):
        pass
    os.close(leash)  # nobody can join any more
    _stop(child, order)
    for folder in order.remove:
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(FileNotFoundError):  # whoever asked may have left, and removed the folder
        _write(run / "exit", str(child.returncode))


def _is_held(leash: int, run: Path) -> bool:
    if not select.select([leash], [], [], 0.2)[0]:
        return True
    with _locked(run.parent):  # nobody joins while we look again
        if not select.select([leash], [], [], 0)[0]:
            return True
        current = run.parent / "current"
        if current.exists() and current.read_text() == run.name:
            current.unlink()
        return False


def _stop(child: subprocess.Popen[bytes], order: Order) -> None:
    family = _family(child.pid)
    for number in order.stop:
        if child.poll() is None:
            child.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                child.wait(order.grace)
    for pid in {*family, *_family(child.pid)}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    child.wait()


def _family(pid: int) -> set[int]:
    """Give a process and all that descend from it, also those in a session of their own (Linux)."""
    parents = dict(_parents())
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family & parents.keys()


def _parents() -> Iterator[tuple[int, int]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state_and_parent = stat.read_text(errors="replace").rpartition(") ")[2].split()
            yield int(stat.parent.name), int(state_and_parent[1])


def is_alive(pid: int) -> bool:
    """Whether a process is there and no mere zombie."""
    try:
        os.kill(pid, 0)
        return " Z " not in Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text)
    part.rename(path)  # whoever sees the file sees all of it


if __name__ == "__main__":
    if os.fork() == 0:
        os.setsid()
        _guard(Path(sys.argv[1]))
