"""Runs over the cluster: the same again, and only what is missing; and what they leave in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import cluster, progress
from lamplighter.backtest.labelled import LabelSource
from lamplighter.backtest.picking import split
from lamplighter.backtest.planning import Request, make_plan, run_seed
from lamplighter.backtest.publishing import publish
from lamplighter.backtest.running import Backtest, backtest
from lamplighter.backtest.runs import Run
from lamplighter.config import ClusterConfig, load
from lamplighter.driver import Driver
from lamplighter.errors import LabelError
from lamplighter.store import open_store
from lamplighter.testing.faults import Counting
from tests.backtest.asking import SHORT, driver_of, relabel, request
from tests.campaigns import write_campaign


def results(runs: Any) -> list[dict[str, Any]]:
    """Give runs without what differs from one time to the next."""
    return [run.model_dump(exclude={"points": {"__all__": {"seconds"}}}) for run in runs]


def test_every_run_once_and_the_same_again(folder: Path) -> None:
    found = backtest(driver_of(folder), request(folder))
    assert [(run.strategy, run.seed) for run in found.runs] == [
        (name, seed) for name in ("margin", "random") for seed in range(2)
    ]
    assert [point.labels for point in found.runs[0].points] == [20, 40, 60]
    assert found.new == 4
    again = backtest(driver_of(folder), request(folder))
    assert again.new == 0
    assert list(again.runs) == list(found.runs)
    elsewhere = backtest(driver_of(folder, store="elsewhere"), request(folder))
    assert results(elsewhere.runs) == results(found.runs)
    assert elsewhere.plan.folder == found.plan.folder


def test_runs_of_a_seed_start_alike_and_seeds_do_not(folder: Path) -> None:
    found = backtest(driver_of(folder), request(folder))
    first = {(run.strategy, run.seed): run.points[0].metrics for run in found.runs}
    assert first["margin", 0] == first["random", 0]
    assert first["margin", 1] == first["random", 1]
    assert first["margin", 0] != first["margin", 1]


def test_more_seeds_and_strategies_make_the_new_runs_alone(folder: Path) -> None:
    first = backtest(driver_of(folder), request(folder))
    # What does not enter into a run may change.
    edited = driver_of(folder, strategy="entropy", labeler="files", evaluation={"holdout": 5}, name="other")
    more = backtest(edited, request(folder, seeds=3, strategies=("entropy", "margin")))
    assert more.new == 9 - 4
    kept = [run for run in more.runs if run.seed < 2 and run.strategy != "entropy"]
    assert kept == list(first.runs)


def test_seed_after_seed_the_control_last(folder: Path) -> None:
    plan = make_plan(driver_of(folder, strategy="entropy"), request(folder, strategies=()))
    names = ["entropy", "margin", "badge", "random"]
    assert [(item.strategy, item.seed) for item in plan.items] == [(n, s) for s in range(2) for n in names]
    twice = make_plan(driver_of(folder), request(folder, strategies=("random", "margin", "margin")))
    assert list(twice.pickers) == ["margin", "random"]


def test_a_campaigns_own_strategy_takes_its_parameters(folder: Path) -> None:
    own = {"name": "power_margin", "params": {"beta": 2.5}}
    plan = make_plan(driver_of(folder, strategy=own), request(folder, strategies=("margin", "power_margin")))
    assert "beta=2.5" in repr(plan.pickers["power_margin"].strategy)


def test_what_a_campaign_puts_around_strategies_is_around_all_but_the_control(folder: Path) -> None:
    mixed = driver_of(folder, mix=[{"strategy": "entropy", "share": 0.2}], near_duplicates=False)
    plan = make_plan(mixed, request(folder))
    kinds = {name: type(picker.strategy).__name__ for name, picker in plan.pickers.items()}
    assert kinds == {"margin": "Mix", "random": "Random"}


def test_a_run_that_cannot_be_read_is_made_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = backtest(driver_of(folder), request(folder))
    store = open_store(str(folder / "store"))
    broken = f"{first.plan.folder}/margin-1.json"
    store.put(broken, b"{")
    store.put(f"{first.plan.folder}/random-0.json", store.get(f"{first.plan.folder}/random-1.json"))
    again = backtest(driver_of(folder), request(folder))
    assert again.new == 2
    assert results(again.runs) == results(first.runs)
    assert f"{broken} in the store is no run of this backtest" in caplog.text


def test_what_lies_in_the_store_and_that_the_campaign_is_let_be(folder: Path) -> None:
    counting = Counting(open_store(str(folder / "store")))
    driver = Driver(load(write_campaign(folder)), store_override=counting)
    found = backtest(driver, request(folder))
    publish(found, str(folder / "out" / "deep"))
    runs = [f"{item.strategy}-{item.seed}.json" for item in found.plan.items]
    outcome = ["points.csv", "report.html", "summary.json"]
    names = ["backtest.json", *runs, *(f"margin+random-2-seeds/{name}" for name in outcome)]
    assert list(counting.list("")) == sorted(f"{found.plan.folder}/{name}" for name in names)
    assert {path.name for path in (folder / "out" / "deep").iterdir()} == set(outcome)
    lines = counting.get(f"{found.plan.outcome_folder}/points.csv").decode().splitlines()
    assert len(lines) == 1 + 4 * 3
    read = Run.model_validate_json(counting.get(f"{found.plan.folder}/{runs[0]}"))
    assert read == found.runs[0]


def test_a_look_at_fewer_runs_leaves_the_fuller_report(folder: Path) -> None:
    def report(**asked: Any) -> Path:
        return Path(publish(backtest(driver_of(folder), request(folder, **asked))).report)

    fuller = report(strategies=("margin", "entropy"))
    before = fuller.read_bytes()
    for asked in ({"strategies": ("margin",)}, {"strategies": ("margin", "entropy"), "seeds": 1}):
        assert report(**asked).parent.parent == fuller.parent.parent  # the same runs
        assert fuller.read_bytes() == before
    assert "entropy" not in report(strategies=("margin",)).read_text("utf-8")
    assert report(strategies=("entropy", "random", "margin")) == fuller
    assert fuller.parent.name == "entropy+margin+random-2-seeds"


def test_progress_counts_what_was_there_before(folder: Path) -> None:
    def told(seeds: int) -> list[tuple[int, int]]:
        seen: list[progress.Progress] = []
        with progress.listening(seen.append):
            backtest(driver_of(folder), request(folder, seeds=seeds))
        return [(p.rows, p.total_rows) for p in seen if p.unit == "runs"]

    assert told(1) == [(0, 2), (1, 2), (2, 2)]
    assert told(2) == [(2, 4), (3, 4), (4, 4)]


def test_the_report_says_what_was_left_out_and_what_it_costs(folder: Path) -> None:
    truth = pq.read_table(folder / "truth.parquet")
    more = pa.table({"id": [1, 2], "label": ["pear", "pear"]})
    pq.write_table(pa.concat_tables([truth, more]), folder / "truth.parquet")
    labeler = {"name": "simulated", "params": {"labels": "truth.parquet", "annotators": 3}}
    found = backtest(driver_of(folder, labeler=labeler), request(folder))
    setting = found.outcome.setting
    assert setting.facts["left out"] == "2 labelled rows left out that are not in the pool"
    assert setting.cost_per_label == 1.5
    assert (setting.pool_rows, setting.test_rows, sum(setting.class_rows.values())) == (140, 60, 200)
    assert (setting.default, setting.control, setting.metric) == ("margin", "random", "accuracy")
    assert "not in the pool" in Path(publish(found).report).read_text("utf-8")


def test_runs_that_meet_one_class_alone_are_compared_and_named(folder: Path) -> None:
    relabel(folder, ["pear"] * 196 + ["plum"] * 4)
    found = backtest(driver_of(folder, cold_start="random"), request(folder, seeds=6, rounds=2))
    without = [run for run in found.runs if not run.points[-1].model]
    assert 0 < len(without) < 12
    assert found.outcome.setting.facts["runs without a model"].startswith(f"{len(without)}: they met one")
    assert (len(found.outcome.runs.seeds), found.outcome.runs.left_out) == (6, 0)
    assert found.outcome.curves.labels.tolist() == [20, 40]
    late = sum(not run.points[0].model for run in found.runs)
    assert any(n.startswith(f"{late} of 12 runs had labels of one class") for n in found.outcome.notices)
    with pytest.raises(LabelError, match="no run met rows of two classes among its 40 labels"):
        _ = Backtest(found.plan, without, 0).outcome


def test_splits_are_keyed_by_the_campaign_and_the_number(folder: Path) -> None:
    plan = make_plan(driver_of(folder), request(folder))
    tests = [split(plan.gathered.rows, 0.3, run_seed(plan.campaign, seed))[1].ids for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


def test_a_worker_process_gives_the_same_runs(folder: Path) -> None:
    alone = backtest(driver_of(folder), request(folder))
    apart = driver_of(folder, store="apart", cluster={"workers": 1})
    assert results(backtest(apart, request(folder)).runs) == results(alone.runs)


def test_labels_pool_and_store_on_s3(folder: Path, bucket: str) -> None:
    remote = open_store(bucket)
    for path in [folder / "truth.parquet", *(folder / "pool").iterdir()]:
        remote.put(str(path.relative_to(folder)), path.read_bytes())
    pool = {"url": f"{bucket}/pool", "features": "embedding"}
    asked = Request(labels=LabelSource(f"{bucket}/truth.parquet"), **SHORT)
    found = backtest(driver_of(folder, pool=pool, store=f"{bucket}/store"), asked)
    assert publish(found).report.startswith(f"{bucket}/store/backtests/")
    assert results(found.runs) == results(backtest(driver_of(folder), request(folder)).runs)


def _double(item: int, more: int) -> int:
    return 2 * item + more


def test_a_map_gives_every_result_with_its_position() -> None:
    config = ClusterConfig(workers=1, params={"processes": False})
    with cluster.connect(config) as client:
        assert sorted(cluster.map_each(client, _double, [5, 6, 5], 1)) == [(0, 11), (1, 13), (2, 11)]
        assert list(cluster.map_each(client, _double, [], 1)) == []
