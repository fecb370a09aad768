"""Many processes create one key at the same moment. Run as a program: URL NUMBER.

In a process of its own: it forks, which is safe only where no other thread runs.
"""

from __future__ import annotations

import os
import sys

from lamplighter.errors import KeyExists
from lamplighter.store import open_store


def main(url: str, number: int) -> None:
    """Print which racer won; there must be one."""
    store = open_store(url)
    waiting, start = os.pipe()
    racers = [_racer(url, waiting, start, i) for i in range(number)]
    os.close(waiting)
    os.close(start)  # the last end of the pipe: now all of them read its end, and go
    won = [i for i, pid in enumerate(racers) if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0]
    assert len(won) == 1, won
    assert store.get("contested") == b"racer %d" % won[0]
    sys.stdout.write(f"racer {won[0]} won\n")


def _racer(url: str, waiting: int, start: int, name: int) -> int:
    child = os.fork()
    if child == 0:
        code = 2
        try:
            os.close(start)
            store = open_store(url)
            store.list()  # its client is there, the race is about the write alone
            os.read(waiting, 1)
            store.create("contested", b"racer %d" % name)
            code = 0
        except KeyExists:
            code = 1
        finally:
            os._exit(code)
    return child


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
