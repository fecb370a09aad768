"""Another interpreter in another folder, where nothing but what is installed can be imported."""

from __future__ import annotations

import atexit
import pickle
import subprocess
import sys
import tempfile
from functools import cache

from lamplighter.strategies.base import Block, Strategy
from lamplighter.testing.contract import hold

#: Answers one pickled pair, our own, after the other: a byte that says whether it worked, a length, the rest.
_CHILD = """
import pickle, sys, traceback
while True:
    try:
        strategy, block = pickle.load(sys.stdin.buffer)
        said = b"y", b"".join(lane.score.tobytes() for lane in strategy.rank(block))
    except EOFError:
        break
    except Exception:
        said = b"n", traceback.format_exc().encode()
    sys.stdout.buffer.write(said[0] + len(said[1]).to_bytes(8, "big") + said[1])
    sys.stdout.buffer.flush()
    if said[0] == b"n":
        break
"""


def scores_elsewhere(strategy: Strategy, block: Block) -> bytes:
    """Give the scores of a block, lane after lane, as the other interpreter finds them.

    It is started when first asked and serves this process to its end: starting one for every strategy
    would take most of the suite's time.
    """
    child = _child()
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the other interpreter was started without pipes")
    child.stdin.write(pickle.dumps((strategy, block)))
    child.stdin.flush()
    worked, size = child.stdout.read(1), int.from_bytes(child.stdout.read(8), "big")
    said = child.stdout.read(size)
    if worked != b"y":
        _child.cache_clear()
    hold(worked == b"y", f"the other interpreter failed: {said.decode(errors='replace')}")
    return said


@cache
def _child() -> subprocess.Popen[bytes]:
    elsewhere = tempfile.TemporaryDirectory()
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=elsewhere.name
    )

    def end() -> None:
        child.communicate()  # closes its input: it ends
        elsewhere.cleanup()

    atexit.register(end)
    return child
