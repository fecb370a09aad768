"""From the shell to a command and back to an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.console import Console

from lamplighter.cli.app import app
from lamplighter.cli.interrupts import INTERRUPTED, end_soon_when_interrupted
from lamplighter.cli.lines import TRACEBACK, start_lines
from lamplighter.errors import ConfigError, LamplighterError, MissingExtra
from lamplighter.redaction import Redactor

DONE, FAILED, USAGE = 0, 1, 2
BY_SIGNAL = 130  #: what typer makes of a Ctrl-C
errors = Console(stderr=True, soft_wrap=True, highlight=False)


def main() -> None:
    """Run the command line and leave with its exit code."""
    end_soon_when_interrupted()
    # A script's main module is imported again by every process that Dask starts.
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; give 0 done, 1 failed, 2 bad usage or configuration, 3 nothing to do."""
    start_lines()
    try:
        app(list(arguments))
    except SystemExit as ended:
        if ended.code == BY_SIGNAL:
            return _interrupted()
        return ended.code if isinstance(ended.code, int) else DONE
    except KeyboardInterrupt:
        return _interrupted()
    except LamplighterError as error:
        _say(error)
        return USAGE if isinstance(error, (ConfigError, MissingExtra)) else FAILED
    except Exception as error:  # whatever it is, the shell gets a line and an exit code
        _say(error)
        if os.environ.get(TRACEBACK):
            raise
        errors.print(f"this was not foreseen; {TRACEBACK}=1 shows where it happened", style="dim")
        return FAILED
    return DONE


def _interrupted() -> int:
    errors.print(INTERRUPTED, end="")
    return FAILED


def _say(error: Exception) -> None:
    # Commands blot out their campaign's secrets; this is for errors from before it was read.
    errors.print(f"[bold red]error:[/] {type(error).__name__}: ", end="")
    errors.print(Redactor(set()).redact(str(error)), markup=False)
