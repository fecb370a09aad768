"""A replay picks what the campaign itself would have picked."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import tables
from lamplighter.backtest.picking import LabelledRows, Moment, StrategyPicker, split
from lamplighter.backtest.replay import Replay, replay
from lamplighter.config import Campaign, load
from lamplighter.driver import Driver
from lamplighter.rounds import RoundRecord
from lamplighter.steps.perform import run_round
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Output
from tests.campaigns import CLASSES, points, write_campaign, write_pool

ROUNDS = 5


def rows(count: int = 600, seed: int = 5, first_id: int = 1000) -> LabelledRows:
    """Give the rows of the small campaign."""
    x, names = points(count, seed)
    label = np.array([CLASSES.index(name) for name in names], np.int32)
    return LabelledRows(pa.array(np.arange(first_id, first_id + count)), x, label)


def campaign(folder: Path, **changes: Any) -> Campaign:
    """Write a campaign that is measured on a test set, so that every row of the pool may be asked."""
    write_pool(folder)
    x, names = points(200, seed=6)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])
    table = pa.table({"id": np.arange(200), "embedding": vectors, "label": names})
    pq.write_table(table, folder / "test.parquet")
    parts: dict[str, Any] = {"evaluation": {"test_set": "test.parquet"}, "budget": {"rounds": ROUNDS}}
    return load(write_campaign(folder, **(parts | changes)))


class Watched(StrategyPicker):
    """Notes what it picks."""

    def pick(self, moment: Moment) -> Any:
        """Pick, and note the ids."""
        picked = super().pick(moment)
        NOTED.append(moment.pool.ids.take(pa.array(picked[0])).to_pylist())
        return picked


NOTED: list[list[int]] = []


#: Stops long before it is done, so that where it starts from shows.
WARM = {"name": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 3}, "warm_start": True}


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("margin", {}),
        ("power_margin", {}),
        ("random", {}),
        ("vote_entropy", {"committee": 3}),
        ("margin", {"learner": WARM}),
    ],
)
def test_a_replay_picks_what_the_campaign_picks(tmp_path: Path, name: str, params: dict[str, Any]) -> None:
    if name not in STRATEGIES.names():
        pytest.fail(f"{name} is not registered")
    real = campaign(tmp_path, strategy=name, **params)
    driver = Driver(real).open()
    batches = []
    for _ in range(ROUNDS):
        record = run_round(driver)
        if isinstance(record, RoundRecord) and record.select:
            batch = tables.from_parquet(driver.ledger.read(record.select.batch))
            batches.append(batch.column("id").to_pylist())
    NOTED.clear()
    strategy = driver.strategy
    task = Replay(real, Watched(driver.cold_start), rows(), rows(200, 6, 0), real.seed, 20 * ROUNDS)
    replay(task, name, Watched(strategy))
    assert NOTED[: len(batches)] == batches


def test_split_is_disjoint_complete_and_keyed() -> None:
    whole = rows(100)
    pool, test = split(whole, 0.3, seed=4)
    assert len(test) == 30
    assert sorted([*pool.ids.to_pylist(), *test.ids.to_pylist()]) == whole.ids.to_pylist()
    assert split(whole, 0.3, seed=4)[1].ids.to_pylist() == test.ids.to_pylist()
    assert split(whole, 0.3, seed=5)[1].ids.to_pylist() != test.ids.to_pylist()
    assert [len(part) for part in split(whole.take(np.arange(2)), 0.001, 1)] == [1, 1]


def test_a_run_ends_with_the_labels_or_with_the_pool(tmp_path: Path) -> None:
    real = campaign(tmp_path)
    driver = Driver(real)
    pool, test = split(rows(90), 0.5, seed=1)
    for labels, last in ((40, 40), (1000, len(pool))):
        run = replay(
            Replay(real, StrategyPicker(driver.cold_start), pool, test, 3, labels),
            "margin",
            StrategyPicker(driver.strategy),
            seed=7,
        )
        assert (run.seed, run.strategy, run.points[-1].labels) == (7, "margin", last)
        assert [point.labels for point in run.points] == sorted({point.labels for point in run.points})
        assert all(0 <= point.metrics["accuracy"] <= 1 for point in run.points)
        assert set(run.points[0].recall) == set(CLASSES)
        assert set(run.points[0].seconds) == {"train", "score", "select"}


def test_runs_of_one_seed_start_alike_whatever_the_strategy(tmp_path: Path) -> None:
    real = campaign(tmp_path)
    pool, test = split(rows(300), 0.3, seed=1)
    cold = StrategyPicker(Driver(real).cold_start)
    first = []
    for name in ("margin", "random"):
        run = replay(Replay(real, cold, pool, test, 3, 60), name, StrategyPicker(STRATEGIES.build(name)))
        first.append(run.points[0].model_dump(exclude={"seconds"}))
    assert first[0] == first[1]


class InOrder(StrategyPicker):
    """Picks rows in the order of the pool."""

    def pick(self, moment: Moment) -> Any:
        """Pick."""
        return np.flatnonzero(~moment.asked)[: moment.k], ()


def test_before_there_is_a_model_the_one_class_known_is_measured(tmp_path: Path) -> None:
    real = campaign(tmp_path)
    pool, test = rows(100), rows(80, 6, 0)
    pool = replace(pool, label=np.where(np.arange(100) < 50, 1, pool.label).astype(np.int32))
    picker = InOrder(STRATEGIES.build("random"))
    run = replay(Replay(real, picker, pool, test, 3, 100), "in order", picker)
    assert [(p.labels, p.model) for p in run.points] == [
        (20, False),
        (40, False),
        (60, True),
        (80, True),
        (100, True),
    ]
    share = float((test.label == 1).mean())
    first, second = run.points[:2]
    assert (first.metrics, first.recall) == (second.metrics, second.recall)
    assert first.recall == {name: float(c == 1) for c, name in enumerate(CLASSES)}
    assert first.metrics["accuracy"] == share
    assert first.metrics["balanced_accuracy"] == pytest.approx(1 / len(CLASSES))
    assert first.metrics["macro_f1"] == pytest.approx(2 * share / (1 + share) / len(CLASSES))
    assert first.metrics["log_loss"] == pytest.approx(-(1 - share) * np.log(np.finfo(np.float32).eps))
    assert set(first.seconds) >= {"train"}


def test_a_committee_is_fitted_only_for_who_reads_one() -> None:
    assert not StrategyPicker(STRATEGIES.build("margin")).needs_committee
    asks = StrategyPicker(STRATEGIES.build("vote_entropy"))
    assert asks.needs_committee
    assert Output.COMMITTEE in asks.strategy.requires


class Waiting(StrategyPicker):
    """Waits, while it is timed, for a thread that is busy with something else."""

    def pick(self, moment: Moment) -> Any:
        """Pick, and wait."""
        with moment.timed("select"):
            other = Thread(target=burn)
            other.start()
            other.join()
        chosen = np.flatnonzero(~moment.asked)[: moment.k]
        return chosen, ()


BURNT_S = 0.3


def burn() -> None:
    """Use up CPU time of this thread."""
    started = time.thread_time()
    while time.thread_time() - started < BURNT_S:
        pass


def test_the_time_of_other_threads_does_not_count(tmp_path: Path) -> None:
    real = campaign(tmp_path)
    waiting = Waiting(STRATEGIES.build("random"))
    run = replay(Replay(real, waiting, rows(60), rows(20, 6, 0), 3, 40), "waiting", waiting)
    assert run.points[0].seconds["select"] < BURNT_S
