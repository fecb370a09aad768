"""A campaign file that is edited between rounds, or in the middle of one; two drivers step by step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lamplighter import tables
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import RoundConflict
from lamplighter.rounds import Next, RoundRecord, Step
from lamplighter.steps import perform, run_round
from tests.campaigns import write_campaign, write_pool


def driver_of(folder: Path, **changes: Any) -> Driver:
    if not (folder / "pool").exists():
        write_pool(folder)
    return Driver(load(write_campaign(folder, **changes))).open()


def one_round(driver: Driver) -> RoundRecord:
    done = run_round(driver)
    assert isinstance(done, RoundRecord)
    return done


def run_up_to(driver: Driver, step: Step) -> None:
    while isinstance(upcoming := driver.plan(), Next) and upcoming.step is not step:
        perform(driver, upcoming.step)


def test_a_batch_is_chosen_as_the_pool_was_scored(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    one_round(driver)
    run_up_to(driver, Step.SELECT)
    record = one_round(driver_of(tmp_path, strategy="entropy", batch_size=250))
    assert record.score is not None
    assert record.select is not None
    rows = tables.from_parquet(driver.ledger.read(record.select.batch)).to_pylist()
    assert record.score.strategy == "margin"
    assert {row["strategy"] for row in rows} == {"margin"}
    assert (record.select.rows, record.select.notices) == (20, ())
    after = one_round(driver_of(tmp_path, strategy="entropy", batch_size=25))
    assert after.select is not None
    assert after.score is not None
    assert (after.score.strategy, after.select.rows) == ("entropy", 25)


def test_a_budget_raised_in_the_middle_asks_for_no_more_than_was_scored(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, budget={"labels": 105})
    one_round(driver)
    run_up_to(driver, Step.SELECT)
    record = one_round(driver_of(tmp_path, budget={"labels": 500}))
    assert record.select is not None
    assert (record.select.rows, record.select.wanted) == (5, 5)


def test_answers_still_come_from_the_labeler_before(tmp_path: Path) -> None:
    first = one_round(driver_of(tmp_path, labeler="files"))
    assert first.dispatch is not None
    assert first.dispatch.labeler == "files"
    truth = pq.read_table(tmp_path / "truth.parquet").to_pylist()
    inbox = tmp_path / "store" / "labeling" / "in"
    inbox.mkdir(parents=True)
    (inbox / "late.jsonl").write_text("".join(json.dumps(row) + "\n" for row in truth))
    second = one_round(driver_of(tmp_path))
    assert second.collect.new_annotations == 600
    third = one_round(driver_of(tmp_path, labeler="files"))
    assert third.collect.outstanding == 0


def test_a_labeler_before_that_is_gone_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUTH", str(tmp_path / "truth.parquet"))
    one_round(driver_of(tmp_path, labeler={"name": "simulated", "params": {"labels": "${TRUTH}"}}))
    monkeypatch.setenv("TRUTH", str(tmp_path / "gone-for-good.parquet"))
    record = one_round(driver_of(tmp_path, labeler="files"))
    assert record.collect.outstanding == 100
    assert record.collect.problem_count == 1
    assert "labeler 'simulated' of earlier rounds" in record.collect.problems[0]
    assert "gone-for-good" not in record.collect.problems[0]


def test_a_commit_whose_answer_was_lost_is_tried_again(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    run_up_to(driver, Step.COMMIT)
    assert perform(driver, Step.COMMIT) == perform(driver, Step.COMMIT)


def test_a_step_of_a_round_that_somebody_else_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = driver_of(tmp_path)
    run_up_to(driver, Step.COMMIT)
    with monkeypatch.context() as patch:
        patch.setattr("lamplighter.steps.commit.writer_token", lambda: "another-driver")
        perform(replace(driver), Step.COMMIT)
    for step in (Step.COMMIT, Step.DISPATCH):
        with pytest.raises(RoundConflict, match="turn of step 'collect' of round 2"):
            perform(driver, step)
