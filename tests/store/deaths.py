"""Kills itself at every moment of a local write, and looks at what is left. Run as a program.

In a process of its own: it forks, which is safe only where no other thread runs.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from lamplighter.errors import KeyMissing
from lamplighter.store import LocalStore

OLD, NEW = b"old" * 10_000, b"new" * 20_000
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  #: no disk is waited for, a kill spares it
KEY = "rounds/000001/record.json"


def die_at(moment: int, act: Callable[[], None]) -> bool:
    """Fork, act, and be killed before the n-th call into C; say whether it came so far."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(frame: FrameType, event: str, argument: object) -> None:
            nonlocal seen
            seen += event == "c_call"
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        act()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def content(store: LocalStore) -> bytes | None:
    """Give the object, None if it is not there."""
    try:
        return store.get(KEY)
    except KeyMissing:
        return None


def check_every_moment(verb: str, old: bytes | None) -> tuple[int, list[bytes | None]]:
    """Try all moments of one write; give their number and what was left, in order of time."""
    left: list[bytes | None] = []
    while True:
        with tempfile.TemporaryDirectory(dir=MEMORY) as home:
            store = LocalStore(home)
            if old is not None:
                store.put(KEY, old)
            write = partial(getattr(store, verb), KEY, NEW)
            if not die_at(len(left) + 1, write):
                assert content(store) == NEW
                return len(left), left
            left.append(content(store))
            assert list(store.list()) == ([KEY] if left[-1] is not None else [])
            assert all(path.name.endswith(".tmp") for path in Path(home).rglob(".*"))
            write()  # what died is not in the way of the next
            assert content(store) == NEW


def main() -> None:
    """Check put over nothing and over an object, and create."""
    for verb, old in (("put", None), ("put", OLD), ("create", None)):
        moments, left = check_every_moment(verb, old)
        turn = left.index(NEW)
        assert moments > 20, moments
        assert left == [old] * turn + [NEW] * (moments - turn), "a half-written object was seen"
        sys.stdout.write(f"{verb} {turn} of {moments}\n")


if __name__ == "__main__":
    main()
