"""Ctrl-C ends a command soon, also when something hangs on the way out."""

from __future__ import annotations

import signal
import subprocess
import sys

from lamplighter.cli.interrupts import INTERRUPTED

HANGING = """
import time
from lamplighter.cli import interrupts

interrupts.SECONDS = 0.2
interrupts.end_soon_when_interrupted()
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    {afterwards}
"""


def interrupted(afterwards: str) -> tuple[int, str]:
    """Give exit code and standard error of a process that was interrupted once."""
    command = [sys.executable, "-c", HANGING.format(afterwards=afterwards)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    return process.returncode, said


def test_what_hangs_is_left_after_some_seconds() -> None:
    assert interrupted("time.sleep(600)") == (1, INTERRUPTED)


def test_what_ends_by_itself_is_let_be() -> None:
    assert interrupted("raise SystemExit(3)") == (3, "")
