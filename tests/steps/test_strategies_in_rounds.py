"""Every strategy in rounds of a real campaign: whole batches, its findings on record, no row asked twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter import tables
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.reporting import publish_report
from lamplighter.rounds import RoundRecord
from lamplighter.status import status
from lamplighter.steps import run_round
from lamplighter.strategies import STRATEGIES
from tests.campaigns import write_campaign, write_pool

PARAMS: dict[str, dict[str, Any]] = {"rare_class": {"rare": ["plum"]}}


def played(folder: Path, rounds: int, **changes: Any) -> tuple[Driver, list[RoundRecord]]:
    """Play rounds of the small campaign."""
    write_pool(folder)
    driver = Driver(load(write_campaign(folder, **changes))).open()
    done = [run_round(driver) for _ in range(rounds)]
    return driver, [record for record in done if isinstance(record, RoundRecord)]


def ids(driver: Driver, record: RoundRecord) -> list[int]:
    """Give the rows of the batch, the holdout apart."""
    assert record.select is not None
    table = tables.from_parquet(driver.ledger.read(record.select.batch))
    rows = zip(table.column("id").to_pylist(), table.column("purpose").to_pylist(), strict=True)
    return [row for row, purpose in rows if purpose != "holdout"]


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_a_round_with(tmp_path: Path, name: str) -> None:
    strategy = {"name": name, "params": PARAMS.get(name, {})}
    driver, records = played(tmp_path, 3, strategy=strategy, committee=3)
    batches = [ids(driver, record) for record in records]
    assert [len(batch) for batch in batches] == [20, 20, 20]
    assert len({row for batch in batches for row in batch}) == 60
    assert [record.score.strategy for record in records if record.score] == ["representative", name, name]


def test_what_a_strategy_found_out_is_on_record_in_status_and_report(tmp_path: Path) -> None:
    driver, records = played(tmp_path, 2, strategy="k_center")
    assert records[-1].select is not None
    facts = records[-1].select.facts
    assert facts["k_center_certificate"] >= 1  # type: ignore[operator]  # a number, by its name
    assert status(driver)["rounds"][-1]["batch"] == facts
    publish_report(driver)
    html = driver.store.get("reports/000002.html").decode()
    assert "About the batch: k center" in html


def test_the_committee_is_stored_with_the_round_and_only_for_who_reads_it(tmp_path: Path) -> None:
    _, records = played(tmp_path / "reads", 2, strategy="consensus_kl", committee=3)
    assert len(records[-1].train.committee) == 3
    _, records = played(tmp_path / "does-not", 2, strategy="margin", committee=3)
    assert records[-1].train.committee == ()


@pytest.mark.parametrize("name", ["badge", "cluster_margin", "k_center", "mmr", "class_margin"])
def test_a_batch_larger_than_the_pool_takes_what_is_left(tmp_path: Path, name: str) -> None:
    driver, records = played(tmp_path, 2, strategy=name, batch_size=400)
    assert len(ids(driver, records[1])) == 600 - 80 - 400
    assert records[1].select is not None
    assert any("the pool had" in notice for notice in records[1].select.notices)
