"""Prompts and examples that cannot work are told by `check`, and before a batch goes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter.checking import check
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError
from lamplighter.labelers.base import BatchRow
from lamplighter.labelers.llm import Llm
from lamplighter.steps import run_round
from tests.campaigns import write_campaign, write_pool
from tests.labelers.memory import MemoryStore, desk_of

MODEL: dict[str, Any] = {"model": "tiny", "base_url": "http://127.0.0.1:9"}
WRONG = pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"examples": "nofile.jsonl"}, "there is no file nofile.jsonl"),
        ({"prompt": "{{ row.nope }}"}, r"cannot be written for row .*'nope'; row has text"),
        ({"instructions": "{{ predicted }}"}, "'predicted' is undefined"),
    ],
)


def driver_of(folder: Path, params: dict[str, Any], *, routed: bool) -> Driver:
    write_pool(folder, rows=300)
    model = {"name": "llm", "params": {**MODEL, **params}}
    route = {"name": "route", "params": {"labelers": [model, {"name": "files"}], "confidence": None}}
    path = write_campaign(folder, labeler=route if routed else model, evaluation={"holdout": 40})
    return Driver(load(path)).open()


@WRONG
@pytest.mark.parametrize("routed", [False, True])
def test_check_and_dispatch_tell(tmp_path: Path, params: dict[str, Any], message: str, routed: bool) -> None:
    driver = driver_of(tmp_path, params, routed=routed)
    with pytest.raises(ConfigError, match=message):
        check(driver)
    with pytest.raises(ConfigError, match=message):
        run_round(driver)
    assert driver.store.list("labelers/") == []


@pytest.mark.parametrize("routed", [False, True])
def test_what_works_passes(tmp_path: Path, routed: bool) -> None:
    driver = driver_of(tmp_path, {"prompt": "{{ row.text }}"}, routed=routed)
    check(driver)
    run_round(driver)
    check(driver)


def test_a_guess_is_shown_once_there_is_a_model(tmp_path: Path) -> None:
    """The first rows go out without one."""
    params = {"prompt": "{{ proba and proba[0] }} {{ predicted }}", "show_prediction": True}
    driver = driver_of(tmp_path, params, routed=False)
    check(driver)
    run_round(driver)
    check(driver)


def test_one_odd_row_is_no_matter_of_the_settings() -> None:
    labeler = Llm("tiny", prompt="{{ row.text.upper() }}")
    odd, usual = (BatchRow(n, "batch", n, display={"text": text}) for n, text in enumerate((None, "x")))
    labeler.rehearse([odd, usual], desk_of(MemoryStore()))
    with pytest.raises(ConfigError, match="cannot be written for row 0"):
        labeler.rehearse([odd], desk_of(MemoryStore()))
