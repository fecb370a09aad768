"""What a campaign file puts around a strategy: mixtures, quotas, rare classes, through whole rounds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import tables
from lamplighter.checking import check
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError, UnknownName
from lamplighter.explaining import explain
from lamplighter.rounds import Next, RoundRecord, Step
from lamplighter.steps import perform, run_round
from lamplighter.strategies.distinct import Distinct
from tests.campaigns import write_campaign, write_pool

RANDOM = {"strategy": "random", "share": 0.25}


def driver_of(folder: Path, **changes: Any) -> Driver:
    if not (folder / "pool").exists():
        write_pool(folder)
    return Driver(load(write_campaign(folder, **changes))).open()


def one_round(driver: Driver) -> RoundRecord:
    done = run_round(driver)
    assert isinstance(done, RoundRecord)
    return done


def rows_of(driver: Driver, record: RoundRecord) -> list[dict[str, Any]]:
    assert record.select is not None
    table = tables.from_parquet(driver.ledger.read(record.select.batch))
    return [row for row in table.to_pylist() if row["purpose"] != "holdout"]


def second_round(driver: Driver) -> tuple[RoundRecord, list[dict[str, Any]]]:
    one_round(driver)
    record = one_round(driver)
    return record, rows_of(driver, record)


def run_up_to(driver: Driver, step: Step) -> None:
    while isinstance(upcoming := driver.plan(), Next) and upcoming.step is not step:
        perform(driver, upcoming.step)


def test_a_mixture_says_whose_each_row_is(tmp_path: Path) -> None:
    mix = [RANDOM, {"strategy": {"name": "power_margin", "params": {"beta": 2}}, "share": 0.25}]
    driver = driver_of(tmp_path, mix=mix)
    first = one_round(driver)
    record = one_round(driver)
    rows = rows_of(driver, record)
    assert "picked_by" not in rows_of(driver, first)[0]
    chance = next(row["id"] for row in rows if row["picked_by"] == "random")
    assert "picked by strategy 'random'" in explain(driver, str(chance))["verdict"]
    assert Counter(row["picked_by"] for row in rows) == {"margin": 10, "random": 5, "power_margin": 5}
    assert {row["picked_by"] for row in rows[:4]} == {"margin", "random", "power_margin"}
    assert all((row["power_weight"] is None) == (row["picked_by"] != "power_margin") for row in rows)
    assert record.select is not None
    assert record.select.facts["random.rows"] == 5
    assert record.score is not None
    assert (record.score.strategy, record.select.notices) == ("margin", ())


def test_a_quota_is_kept_and_recorded(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, balance={"rare": ["plum"], "share": 0.6})
    record, rows = second_round(driver)
    assert record.select is not None
    assert sum(row["predicted"] == "plum" for row in rows) >= 12
    assert record.select.facts["rare_rows_asked"] == 12
    assert record.select.facts["rare_rows"] == sum(row["predicted"] == "plum" for row in rows)
    assert record.select.notices == ()


def without(folder: Path, fruit: str) -> None:
    """Write a pool and take all rows of one class out of it."""
    write_pool(folder)
    truth = pq.read_table(folder / "truth.parquet")
    gone = {row["id"] for row in truth.to_pylist() if row["label"] == fruit}
    for path in (folder / "pool").iterdir():
        table = pq.read_table(path)
        kept = pa.array([i not in gone for i in table.column("id").to_pylist()])
        pq.write_table(table.filter(kept), path)


@pytest.mark.parametrize("mix", [[], [RANDOM]], ids=["plain", "mixed"])
def test_a_quota_of_a_class_never_seen_is_filled_from_the_rest(
    tmp_path: Path, mix: list[dict[str, Any]]
) -> None:
    without(tmp_path, "plum")
    driver = driver_of(tmp_path, balance={"rare": ["plum"], "share": 0.5}, mix=mix)
    record, rows = second_round(driver)
    assert record.select is not None
    assert len({row["id"] for row in rows}) == 20
    assert record.select.notices[:2] == (
        "balance asked for 10 rows predicted as plum; the pool had 0",
        "no label of plum yet, so the model gives no row a probability of it",
    )


def test_rare_rows_of_a_class_never_seen_are_said_to_be_random(tmp_path: Path) -> None:
    without(tmp_path, "plum")
    driver = driver_of(tmp_path, strategy={"name": "rare_class", "params": {"rare": ["plum"]}})
    record, rows = second_round(driver)
    assert record.select is not None
    assert len(rows) == 20
    assert "no label of plum yet" in record.select.notices[0]
    assert "20 of 20 rows are random" in record.select.notices[1]


def test_margins_of_every_class(tmp_path: Path) -> None:
    record, rows = second_round(driver_of(tmp_path, strategy="class_margin", batch_size=21))
    assert Counter(row["predicted"] for row in rows) == {"apple": 7, "pear": 7, "plum": 7}
    assert record.select is not None
    assert record.select.facts["classes_in_batch"] == 3


@pytest.mark.parametrize(
    "around", [{"mix": [RANDOM]}, {"balance": {"rare": ["plum"], "share": 0.9}}], ids=["mix", "balance"]
)
def test_a_batch_larger_than_the_pool_takes_all_once(tmp_path: Path, around: dict[str, Any]) -> None:
    driver = driver_of(tmp_path, batch_size=100, **around)
    one_round(driver)
    driver = driver_of(tmp_path, batch_size=5000, **around)
    record = one_round(driver)
    assert record.select is not None
    assert record.select.rows == len({row["id"] for row in rows_of(driver, record)}) == 420
    assert "5000 rows were wanted, the pool had 420 left" in record.select.notices


def copies(folder: Path, dims: int) -> dict[int, int]:
    """Write a pool in which every vector stands four times; give the vector's number of every id."""
    write_pool(folder)
    draws = np.random.default_rng(0)
    which = draws.permutation(np.repeat(np.arange(150), 4))
    x = draws.normal(size=(150, dims)).astype(np.float32)[which]
    for path in (folder / "pool").iterdir():
        path.unlink()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), dims)
    columns = {f"x{i}": pa.array(x[:, i]) for i in range(dims)}
    shown = pa.array(["nothing"] * 600)
    table = pa.table({"id": np.arange(1000, 1600), "embedding": vectors, "text": shown, **columns})
    pq.write_table(table, folder / "pool" / "copies.parquet", row_group_size=100)
    return dict(zip(range(1000, 1600), which.tolist(), strict=True))


@pytest.mark.parametrize("dims", [4, 20], ids=["few dimensions", "many dimensions"])
def test_no_copy_of_a_picked_or_labelled_row_is_asked_about(tmp_path: Path, dims: int) -> None:
    vector = copies(tmp_path, dims)
    driver = driver_of(tmp_path, evaluation={"holdout": 20}, mix=[RANDOM])
    seen = list[int]()
    for _ in range(3):
        record = one_round(driver)
        seen += [vector[row["id"]] for row in rows_of(driver, record)]
        assert record.select is not None
        assert int(record.select.facts["near_duplicates_skipped"]) > 0
        assert not any("near-duplicates" in told for told in record.select.notices)
    assert len(set(seen)) == len(seen) == 60


def test_copies_of_all_that_is_left_are_asked_about_and_it_is_said(tmp_path: Path) -> None:
    copies(tmp_path, 20)
    driver = driver_of(tmp_path, evaluation={"holdout": 20}, batch_size=200)
    record = one_round(driver)
    assert record.select is not None
    assert record.select.rows == 200
    assert "rows are near-duplicates of others or of labelled rows" in record.select.notices[-1]


@pytest.mark.parametrize(
    ("changes", "skips"),
    [
        ({}, True),
        ({"near_duplicates": False}, False),
        ({"near_duplicates": {"distance": 0.3}}, True),
        ({"strategy": "random"}, False),
        ({"strategy": "random", "near_duplicates": True}, True),
        ({"strategy": "random", "mix": [{"strategy": "margin", "share": 0.5}]}, True),
        ({"pool": {"url": "pool", "features": ["x0", "x1"]}}, False),
        ({"pool": {"url": "pool", "features": ["x0", "x1"]}, "near_duplicates": True}, True),
    ],
)
def test_where_near_duplicates_are_skipped(tmp_path: Path, changes: dict[str, Any], skips: bool) -> None:
    copies(tmp_path, 4)
    strategy, cold = (driver := driver_of(tmp_path, **changes)).strategy, driver.cold_start
    assert isinstance(strategy, Distinct) == skips
    assert isinstance(cold, Distinct) == (skips or changes.get("strategy") == "random")
    if isinstance(strategy, Distinct):
        assert strategy.distance == driver.campaign.near_duplicates.distance


def test_columns_of_a_table_are_compared_where_the_campaign_says_so(tmp_path: Path) -> None:
    vector = copies(tmp_path, 4)
    pool = {"url": "pool", "features": ["x0", "x1", "x2", "x3"]}
    driver = driver_of(tmp_path, pool=pool, near_duplicates=True)
    seen = [vector[row["id"]] for _ in range(2) for row in rows_of(driver, one_round(driver))]
    assert len(set(seen)) == len(seen) == 40


def test_what_is_around_a_strategy_is_frozen_with_the_scan(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, mix=[RANDOM])
    one_round(driver)
    run_up_to(driver, Step.SELECT)
    edited = driver_of(tmp_path, mix=[], balance={"rare": ["plum"], "share": 0.9})
    record = one_round(edited)
    assert {row["picked_by"] for row in rows_of(edited, record)} == {"margin", "random"}
    record = one_round(edited)
    assert record.select is not None
    assert record.select.facts["rare_rows_asked"] == 18
    assert "picked_by" not in rows_of(edited, record)[0]


def test_what_check_says_of_a_mixture(tmp_path: Path) -> None:
    small = {"strategy": "random", "share": 0.01}
    driver = driver_of(tmp_path, mix=[RANDOM, small], balance={"rare": ["plum"], "share": 0.3})
    assert check(driver)["round"]["strategy"] == "representative"
    one_round(driver)
    told = check(driver)
    assert told["round"]["strategy"] == "margin, 0.25 by random, 0.01 by random, 0.3 of plum"
    assert "a share of 0.01 by random is no row of a batch of 20; raise either" in told["warnings"]
    assert not any("0.25" in line for line in told["warnings"])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"mix": [{"strategy": "randm", "share": 0.1}]}, UnknownName, "did you mean 'random'"),
        (
            {"mix": [{"strategy": "vote_entropy", "share": 0.1}]},
            ConfigError,
            "'vote_entropy' needs a committee",
        ),
        ({"strategy": {"name": "rare_class", "params": {"rare": ["plumb"]}}}, ConfigError, "mean 'plum'"),
        (
            {"mix": [{"strategy": {"name": "rare_class", "params": {"rare": ["aple"]}}, "share": 0.1}]},
            ConfigError,
            "mean 'apple'",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        driver_of(tmp_path, **changes)


def test_a_learner_with_class_weights_finds_more_of_a_rare_class(tmp_path: Path) -> None:
    """The parameters of the learner reach it in every round: weights move the border to the rare class."""
    write_pool(tmp_path)
    truth = pq.read_table(tmp_path / "truth.parquet").to_pylist()
    plums = [row["id"] for row in truth if row["label"] == "plum"][10:]
    for path in (tmp_path / "pool").iterdir():
        table = pq.read_table(path)
        pq.write_table(table.filter(pa.array([i not in plums for i in table.column("id").to_pylist()])), path)
    found = {}
    for weight in (None, "balanced"):
        name = "sklearn.linear_model.LogisticRegression"
        learner = {"name": name, "params": {"class_weight": weight, "C": 0.01}, "calibrate": False}
        driver = driver_of(tmp_path, learner=learner, store=str(weight), strategy="random", batch_size=150)
        rows = second_round(driver)[1]
        found[weight] = sum(row["proba"][2] for row in rows)
    assert found["balanced"] > 2 * found[None]
