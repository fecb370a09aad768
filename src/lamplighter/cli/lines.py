"""Log records as calm lines on stderr: rounds and warnings, no traceback of what the command says itself."""

from __future__ import annotations

import copy
import logging
import os
import sys
from typing import TextIO

TRACEBACK = "LAMPLIGHTER_TRACEBACK"  #: environment variable that asks for tracebacks
#: The lines that follow a campaign; other records below a warning are for the run's own log.
ROUNDS = "lamplighter.rounds"
#: What the command says itself when it ends, and what a busy machine brings about.
_SAID_ELSEWHERE = (
    "Encountered exception during execution",
    "Finished in state",
    "Worker process still alive",
)


class Lines(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is at the time: a bar that is up puts the lines above itself."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.addFilter(_worth_a_line)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; its traceback only where it is asked for."""
        self.stream = sys.stderr
        shown = copy.copy(record)
        if not os.environ.get(TRACEBACK):
            shown.exc_info, shown.exc_text = None, None
        super().emit(shown)

    def format(self, record: logging.LogRecord) -> str:
        """Give the bare message, with its level from a warning on."""
        text = super().format(record)
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


def _worth_a_line(record: logging.LogRecord) -> bool:
    if record.levelno < logging.WARNING:
        return record.name == ROUNDS
    return not record.getMessage().startswith(_SAID_ELSEWHERE)


def start_lines() -> None:
    """Show log records as lines, unless the process has set up its logging; before Prefect is imported."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[Lines()])
    # Dask has a handler of its own.
    logging.getLogger("distributed.nanny").addFilter(_worth_a_line)
