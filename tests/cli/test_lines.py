"""What the terminal shows of the log: warnings and rounds, above a bar that is up, no tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from lamplighter.cli.bars import progress_bar
from lamplighter.cli.lines import ROUNDS, TRACEBACK, Lines
from lamplighter.progress import Progress, tell

log = logging.getLogger("tests.lines")


@pytest.fixture
def loggers() -> Iterator[None]:
    """Loggers that write lines, and nothing else: other tests may have left handlers at the root."""
    handler, writing = Lines(), (log, logging.getLogger(ROUNDS))
    for logger in writing:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    yield
    for logger in writing:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


@pytest.fixture
def terminal(loggers: None, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Gives what was written to stderr, which was put in place after the handlers."""
    return lambda: capsys.readouterr().err


def test_of_what_is_no_warning_only_rounds_are_shown(terminal: Callable[[], str]) -> None:
    log.info("letters, round 1: collect done")
    logging.getLogger(ROUNDS).info("round 1: no model yet")
    log.warning("answer left for the next collect")
    assert terminal() == "round 1: no model yet\nwarning: answer left for the next collect\n"


def test_what_prefect_says_of_a_failure_is_left_to_the_command(terminal: Callable[[], str]) -> None:
    log.error("Finished in state Failed('no')")
    log.error("Encountered exception during execution: ValueError('no')")
    assert not terminal()


def test_a_traceback_is_shown_where_it_is_asked_for(
    terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("will be tried again")
        assert terminal() == "error: will be tried again\n"
        monkeypatch.setenv(TRACEBACK, "1")
        log.exception("will be tried again")
    assert "ValueError: no" in terminal()


def test_a_bar_shows_the_work_under_way_alone_and_its_rows_once_measured(
    terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich, a terminal
    with progress_bar(quiet=False):
        tell(Progress.of("letters, round 2: train"))
        tell(Progress("scoring", 1000, 2500, 1, 3))
        terminal()
    last = terminal()  # drawn once more when it ends
    assert "scoring" in last
    assert "1,000 of 2,500 rows" in last
    assert "train" not in last
