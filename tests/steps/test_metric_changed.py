"""A campaign whose metric is changed between rounds: numbers are compared with their like alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.reporting import gather, publish_report
from lamplighter.rounds import Metrics, RoundRecord, facts
from lamplighter.status import status
from lamplighter.steps import run_round
from lamplighter.store.log import record_key
from tests.campaigns import write_campaign, write_pool

BEFORE, NOW = "accuracy", "log_loss"


def driver_of(folder: Path, metric: str, **changes: Any) -> Driver:
    evaluation = {"holdout": 80, "metric": metric}
    return Driver(load(write_campaign(folder, evaluation=evaluation, **changes))).open()


def measured(driver: Driver, metric: str) -> list[float]:
    """Give what the metrics documents of the rounds with a model say."""
    stored = [r.evaluate.metrics for r in driver.ledger.history().records]
    documents = [Metrics.model_validate_json(driver.ledger.read(a)) for a in stored if a]
    return [document.estimates[metric].value for document in documents]


def shown(driver: Driver) -> list[float]:
    found = [facts(r).metric for r in driver.history().records]
    return [metric.value for metric in found if metric]


def alter_evaluate(folder: Path, number: int, **changes: Any) -> None:
    """Write a committed round anew, as another version may have written it; None takes a key out."""
    path = folder / "store" / record_key(number)
    record = json.loads(path.read_text())
    altered = {**record["evaluate"], **changes}
    record["evaluate"] = {name: value for name, value in altered.items() if value is not None}
    path.write_text(json.dumps(record))


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Three rounds, the last two with a model: one of each metric."""
    write_pool(tmp_path)
    for metric in (BEFORE, BEFORE, NOW):
        assert isinstance(run_round(driver_of(tmp_path, metric)), RoundRecord)
    return tmp_path


def test_earlier_rounds_are_given_in_the_metric_of_today(changed: Path) -> None:
    for metric in (NOW, BEFORE):
        driver = driver_of(changed, metric)
        assert len(measured(driver, metric)) == 2
        assert shown(driver) == measured(driver, metric)
        assert [row["value"] for row in status(driver)["rounds"]] == [None, *measured(driver, metric)]


def test_what_was_committed_stays_as_it_was(changed: Path) -> None:
    before = (changed / "store" / record_key(2)).read_bytes()
    driver = driver_of(changed, NOW)
    shown(driver)
    assert driver.ledger.history().records[1].evaluate.metric_name == BEFORE
    assert (changed / "store" / record_key(2)).read_bytes() == before


def test_rounds_of_before_the_name_was_kept(changed: Path) -> None:
    for number in (2, 3):
        alter_evaluate(changed, number, metric_name=None)
    driver = driver_of(changed, NOW)
    assert driver.ledger.history().records[2].evaluate.metric_name is None
    assert shown(driver) == measured(driver, NOW)


def test_a_metric_that_a_round_did_not_measure_is_none(changed: Path) -> None:
    driver = driver_of(changed, NOW)
    artifact = driver.ledger.history().records[1].evaluate.metrics
    assert artifact is not None
    document = Metrics.model_validate_json(driver.ledger.read(artifact))
    less = {name: value for name, value in document.estimates.items() if name != NOW}
    poorer = document.model_copy(update={"estimates": less}).model_dump_json().encode()
    stored = driver.ledger.write(2, "metrics", "json", poorer)
    alter_evaluate(changed, 2, metrics=stored.model_dump())
    again = driver_of(changed, NOW)
    assert [row["value"] is None for row in status(again)["rounds"]] == [True, True, False]


def test_rules_see_one_metric(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[float]] = []

    def decide(history: Any, rules: object) -> None:
        seen.append([f.metric.value for f in history if f.metric])

    monkeypatch.setattr("lamplighter.steps.evaluate.decide", decide)
    driver = driver_of(changed, NOW)
    run_round(driver)
    assert seen == [measured(driver, NOW)]


def test_the_report_and_its_control_show_one_metric(changed: Path) -> None:
    driver = driver_of(changed, NOW, control="store")
    data = gather(driver)
    assert data.control_curve is not None
    for curve in (data.curve, data.control_curve):
        assert [point.value for point in curve.points] == measured(driver, NOW)
    publish_report(driver, 2)
    page = (changed / "store" / "reports" / "000002.html").read_text()
    assert 'log loss <span class="quiet">(the campaign' in page
