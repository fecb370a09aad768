"""Ctrl-C: what runs is told to end, and has some seconds to."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

SECONDS = 10.0
INTERRUPTED = "interrupted; run the same command again to go on\n"


def end_soon_when_interrupted() -> None:
    """Have Ctrl-C end the process after some seconds, whatever still waits.

    A terminal interrupts the Prefect server that was started for the run as well, and the run's last
    words to it would be tried again for minutes. Nothing is lost: every step is checkpointed.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one is for what hangs now
    last = threading.Timer(SECONDS, _leave)
    last.daemon = True
    last.start()
    signal.default_int_handler(number, frame)


def _leave() -> None:
    sys.stderr.write(INTERRUPTED)
    sys.stderr.flush()
    os._exit(1)
