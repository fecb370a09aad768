"""What limits a batch: the budget and what waits, the holdout's rows among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import CampaignChanged, ConfigError
from lamplighter.rounds import RoundRecord
from lamplighter.steps import run_round
from lamplighter.stopping.base import Stop
from tests.campaigns import write_campaign, write_pool


def driver_of(folder: Path, **changes: Any) -> Driver:
    if not (folder / "pool").exists():
        write_pool(folder)
    return Driver(load(write_campaign(folder, **changes))).open()


def rounds(driver: Driver, n: int) -> list[RoundRecord]:
    done = [run_round(driver) for _ in range(n)]
    assert all(isinstance(d, RoundRecord) for d in done), done
    return [d for d in done if isinstance(d, RoundRecord)]


def sent(done: list[RoundRecord]) -> list[tuple[int, int]]:
    return [(d.select.holdout_rows, d.select.rows) for d in done if d.select]


def simulated(**params: Any) -> dict[str, Any]:
    return {"name": "simulated", "params": {"labels": "truth.parquet", **params}}


def test_the_budget_counts_the_holdout(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, budget={"labels": 90})
    first, last = rounds(driver, 2)
    assert sent([first]) == [(80, 10)]
    assert last.stop is not None
    assert last.collect.annotations_total == 90


def test_a_holdout_larger_than_the_budget_is_cut_and_follows_when_there_is_more(tmp_path: Path) -> None:
    first, stopped = rounds(driver_of(tmp_path, budget={"labels": 50}), 2)
    assert sent([first, stopped]) == [(50, 0)]
    assert first.select is not None
    assert "holdout cut from 80 to 50 rows by budget" in first.select.notices[0]
    assert sent(rounds(driver_of(tmp_path, budget={"labels": 200}), 1)) == [(30, 20)]


def test_nothing_wanted_is_not_nothing_left(tmp_path: Path) -> None:
    told = {"labeler": simulated(delay_rounds=3), "max_outstanding": 100, "budget": {}}
    done = rounds(driver_of(tmp_path, **told), 6)
    assert sent(done) == [(80, 20), (0, 0), (0, 0), (0, 0), (0, 20), (0, 20)]


@pytest.mark.parametrize("budget", [{"labels": 250}, {"cost": 10, "cost_per_label": 0.04}])
def test_a_rest_of_the_budget_that_pays_for_no_row_ends_it(tmp_path: Path, budget: dict[str, Any]) -> None:
    driver = driver_of(tmp_path, labeler=simulated(annotators=3), budget=budget)
    done = rounds(driver, 2)
    assert sent(done) == [(80, 3)]
    assert done[-1].collect.annotations_total == 249
    assert done[-1].stop is not None
    assert done[-1].stop.rule == "budget"
    assert isinstance(run_round(driver), Stop)


def test_a_holdout_as_large_as_the_pool_is_refused_and_can_be_mended(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holdout is 600 rows and the pool has 600"):
        run_round(driver_of(tmp_path, evaluation={"holdout": 600}))
    rounds(driver_of(tmp_path, evaluation={"holdout": 60}), 1)
    with pytest.raises(CampaignChanged, match="holdout"):
        driver_of(tmp_path, evaluation={"holdout": 70})
