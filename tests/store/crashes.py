"""Kills a driver at every store call of its rounds, lets another go on, and compares. Run as a program.

In a process of its own: it forks, which is safe only where no other thread runs.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Literal

from lamplighter.store import LocalStore
from lamplighter.store.log import RoundLog
from lamplighter.testing.faults import Counting, CrashAt
from tests.store.deaths import MEMORY
from tests.store.records import drive

ROUNDS = 1


def content(store: LocalStore) -> dict[str, bytes]:
    """Give all there is."""
    return {key: store.get(key) for key in store.list()}


def die(store: LocalStore, call: int, when: Literal["before", "after"]) -> None:
    """Drive in a child that is killed at one store call."""
    child = os.fork()
    if child == 0:
        drive(RoundLog(CrashAt(store, call, when)), ROUNDS)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def main() -> None:
    """Try every call, before and after."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as home:
        counting = Counting(LocalStore(str(Path(home, "undisturbed"))))
        drive(RoundLog(counting), ROUNDS)
        expected = content(LocalStore(counting.url))
        for call in range(1, len(counting.calls) + 1):
            for when in ("before", "after"):
                store = LocalStore(str(Path(home, f"{call}-{when}")))
                die(store, call, "before" if when == "before" else "after")
                if call == 1:
                    assert content(store) == {}
                drive(RoundLog(store), ROUNDS)
                assert content(store) == expected, (call, when)
        sys.stdout.write(f"{len(counting.calls)} calls\n")


if __name__ == "__main__":
    main()
