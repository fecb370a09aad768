"""Rounds on a small real pool, as a campaign meets them: late labels, limits, new files, bad rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import tables
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import DuplicateRowIds, PoolChanged, PoolSchemaError
from lamplighter.rounds import RoundRecord
from lamplighter.standing import Standing
from lamplighter.status import status
from lamplighter.steps import run_round
from lamplighter.stopping.base import Stop
from tests.campaigns import CLASSES, DIMS, points, write_campaign, write_pool


def driver_of(folder: Path, **changes: Any) -> Driver:
    if not (folder / "pool").exists():
        write_pool(folder)
    return Driver(load(write_campaign(folder, **changes))).open()


def rounds(driver: Driver, n: int) -> list[RoundRecord]:
    done = [run_round(driver) for _ in range(n)]
    assert all(isinstance(d, RoundRecord) for d in done), done
    return [d for d in done if isinstance(d, RoundRecord)]


def simulated(**params: Any) -> dict[str, Any]:
    return {"name": "simulated", "params": {"labels": "truth.parquet", **params}}


def batch(driver: Driver, record: RoundRecord) -> Any:
    assert record.select is not None
    return tables.from_parquet(driver.ledger.read(record.select.batch))


def test_the_first_rounds(tmp_path: Path) -> None:
    first, second, third = rounds(driver_of(tmp_path), 3)
    assert first.train.model is None
    assert "at least 2 classes" in first.train.note
    assert first.select is not None
    assert (first.select.rows, first.select.holdout_rows) == (20, 80)
    assert second.collect.new_annotations == 100
    assert (second.collect.labelled_rows, second.collect.labelled_holdout) == (20, 80)
    assert second.evaluate.metric is not None
    assert second.evaluate.metric.n == 80
    assert second.score is not None
    assert second.score.churn is None
    assert third.score is not None
    assert third.score.churn is not None
    assert 0 <= third.score.churn < 0.5
    assert third.collect.cost == 60.0


def test_the_holdout_is_never_trained_on_or_selected(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    done = rounds(driver, 4)
    standing = Standing(driver, driver.history())
    held = set(batch(driver, done[0]).slice(0, 80).column("id").to_pylist())
    chosen = [row for r in done for row in batch(driver, r).to_pylist() if row["purpose"] != "holdout"]
    assert not held & {row["id"] for row in chosen}
    assert not held & set(standing.training.ids.to_pylist())
    assert set(standing.holdout.ids.to_pylist()) == held
    assert len(chosen) == len({row["id"] for row in chosen}) == 80


def test_every_label_that_came_is_trained_on(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    done = rounds(driver, 4)
    truth = dict(zip(*pq.read_table(tmp_path / "truth.parquet").to_pydict().values(), strict=True))
    training = Standing(driver, driver.history()).training
    asked = {i for r in done[:3] for i in batch(driver, r).column("id").to_pylist()}
    assert {*training.ids.to_pylist()} < asked
    assert [CLASSES[c] for c in training.label] == [truth[i] for i in training.ids.to_pylist()]
    x, _ = points(600)
    np.testing.assert_array_equal(training.x, x[np.array(training.ids.to_pylist()) - 1000])


def test_late_labels_hold_nothing_up(tmp_path: Path) -> None:
    done = rounds(driver_of(tmp_path, labeler=simulated(delay_rounds=1)), 4)
    assert [r.collect.new_annotations for r in done] == [0, 0, 100, 20]
    assert [r.collect.outstanding for r in done] == [0, 100, 20, 20]
    assert [r.train.model is not None for r in done] == [False, False, True, True]


def test_several_annotators_who_err_and_abstain(tmp_path: Path) -> None:
    told = simulated(annotators=3, noise=0.2, abstain=0.3)
    driver = driver_of(tmp_path, labeler=told, budget={"rounds": 9, "cost_per_label": 0.1})
    record = rounds(driver, 3)[-1]
    table = Standing(driver, driver.history()).annotations
    labelled = sum(s == "labelled" for s in table.column("status").to_pylist())
    assert len(table) == 3 * 120
    assert record.collect.annotations_total == labelled < len(table)
    assert record.collect.cost == pytest.approx(labelled * 0.1)
    assert record.collect.abstained > 0
    assert record.collect.labelled_rows + record.collect.labelled_holdout + record.collect.abstained == 120


def test_rows_that_are_not_finite_are_left_out_and_counted(tmp_path: Path) -> None:
    write_pool(tmp_path)
    spoil(tmp_path / "pool" / "part-1000-0.parquet", rows=7)
    driver = driver_of(tmp_path)
    done = rounds(driver, 2)
    assert done[1].score is not None
    assert done[1].score.left_out == 7
    assert status(driver)["left_out_rows"] == 7
    bad = set(range(1000, 1007))
    assert not bad & {
        r["id"] for d in done for r in batch(driver, d).to_pylist() if r["purpose"] != "holdout"
    }
    assert not bad & set(Standing(driver, driver.history()).training.ids.to_pylist())


def spoil(path: Path, rows: int) -> None:
    table = pq.read_table(path)
    x = tables.matrix(table.column("embedding")).copy()
    x[:rows, ::2] = np.nan
    x[0, 0] = np.inf
    column = table.schema.get_field_index("embedding")
    pq.write_table(table.set_column(column, "embedding", tables.vector_column(x)), path, row_group_size=100)


def test_the_batch_is_cut_to_the_budget(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, budget={"labels": 125})
    done = rounds(driver, 3)
    assert [d.select.rows if d.select else None for d in done] == [20, 20, 5]
    assert done[2].select is not None
    assert "batch cut from 20 to 5 rows by budget" in done[2].select.notices[0]
    stopped = rounds(driver, 1)[0]
    assert stopped.stop is not None
    assert stopped.stop.rule == "budget"
    assert stopped.collect.annotations_total == 125
    assert isinstance(run_round(driver), Stop)


def test_a_raised_budget_goes_on(tmp_path: Path) -> None:
    rounds(driver_of(tmp_path, budget={"rounds": 2}), 3)
    assert isinstance(run_round(driver_of(tmp_path, budget={"rounds": 2})), Stop)
    record = rounds(driver_of(tmp_path, budget={"rounds": 4}), 1)[0]
    assert record.round == 4
    assert record.dispatch is not None


def test_what_waits_can_be_limited(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, labeler=simulated(delay_rounds=5), max_outstanding=130)
    done = rounds(driver, 3)
    assert [d.select.rows for d in done if d.select] == [20, 20, 10]


def test_a_pool_used_up_and_then_grown(tmp_path: Path) -> None:
    write_pool(tmp_path, rows=130)
    told = {"batch_size": 40, "evaluation": {"holdout": 60}, "budget": {}}
    driver = driver_of(tmp_path, **told)
    done = rounds(driver, 3)
    assert [d.select.rows for d in done if d.select] == [40, 30, 0]
    assert done[1].select is not None
    assert "the pool had 30 left" in done[1].select.notices[0]
    last = rounds(driver, 1)[0]
    assert last.stop is not None
    assert last.stop.rule == "exhausted"
    assert isinstance(run_round(driver), Stop)
    truth = pq.read_table(tmp_path / "truth.parquet")
    write_pool(tmp_path, rows=60, first_id=5000, seed=6)
    pq.write_table(
        pa.concat_tables([truth, pq.read_table(tmp_path / "truth.parquet")]), tmp_path / "truth.parquet"
    )
    woken = rounds(driver, 1)[0]
    assert woken.select is not None
    assert woken.select.rows > 0


def test_new_files_wait_for_the_next_round_and_join_the_holdout(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    before = rounds(driver, 2)[-1]
    write_pool(tmp_path, rows=600, first_id=9000, seed=5)
    record = rounds(driver, 1)[0]
    assert (before.collect.pool_rows, record.collect.pool_rows) == (600, 1200)
    assert record.select is not None
    # The bound drawn in the first round holds for new rows too: about the same share of them.
    assert 40 < record.select.holdout_rows < 130
    new = {r["id"] for r in batch(driver, record).to_pylist() if r["purpose"] == "holdout"}
    assert all(i >= 9000 for i in new)


def test_a_changed_or_lost_file_is_named(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    rounds(driver, 1)
    part = tmp_path / "pool" / "part-1000-1.parquet"
    kept = part.read_bytes()
    spoil(part, rows=3)
    with pytest.raises(PoolChanged, match=r"part-1000-1\.parquet"):
        run_round(driver)
    part.unlink()
    with pytest.raises(PoolChanged, match=r"part-1000-1\.parquet"):
        run_round(driver)
    part.write_bytes(kept)
    assert rounds(driver, 1)[0].round == 2


def test_a_new_file_of_another_schema_is_named(tmp_path: Path) -> None:
    driver = driver_of(tmp_path)
    rounds(driver, 1)
    wide = tables.vector_column(np.zeros((5, DIMS + 1), np.float32))
    odd = pa.table({"id": np.arange(5), "embedding": wide, "text": ["x"] * 5})
    pq.write_table(odd, tmp_path / "pool" / "odd.parquet")
    with pytest.raises(PoolSchemaError, match=r"odd\.parquet"):
        run_round(driver)


def test_one_id_on_two_rows_of_the_shortlist(tmp_path: Path) -> None:
    write_pool(tmp_path, rows=60)
    copied = (tmp_path / "pool" / "part-1000-0.parquet").read_bytes()
    (tmp_path / "pool" / "copy.parquet").write_bytes(copied)
    driver = driver_of(tmp_path, batch_size=60, evaluation={"holdout": 5})
    with pytest.raises(DuplicateRowIds, match=r"copy\.parquet|row"):
        run_round(driver)


def test_a_labelled_test_set_instead_of_a_holdout(tmp_path: Path) -> None:
    x, labels = points(600)
    x, labels = x[:200], labels[:200]
    vectors = tables.vector_column(x)
    pq.write_table(
        pa.table({"id": np.arange(200), "embedding": vectors, "label": labels}), tmp_path / "test.parquet"
    )
    driver = driver_of(tmp_path, evaluation={"test_set": "test.parquet", "metric": "macro_f1"})
    first, second = rounds(driver, 2)
    assert first.select is not None
    assert first.select.holdout_rows == 0
    assert second.evaluate.metric is not None
    assert second.evaluate.metric.n == 200
    assert second.evaluate.metric.value > 0.6


def test_a_target_on_log_loss_counts_downwards(tmp_path: Path) -> None:
    driver = driver_of(
        tmp_path,
        evaluation={"holdout": 80, "metric": "log_loss"},
        stopping=[{"name": "target", "params": {"value": 0.9}}],
    )
    done = [run_round(driver) for _ in range(3)]
    stops = [d.stop for d in done if isinstance(d, RoundRecord) and d.stop]
    assert stops
    assert stops[0].rule == "target"


@pytest.mark.parametrize("strategy", ["random", "least_confidence", "power_margin"])
def test_a_cold_start_by_random_rows_suits_every(tmp_path: Path, strategy: str) -> None:
    driver = driver_of(tmp_path, strategy=strategy, cold_start="random")
    record = rounds(driver, 2)[-1]
    rows = batch(driver, record).to_pylist()
    assert [r["rank"] for r in rows] == list(range(1, 21))
    assert {r["strategy"] for r in rows} == {strategy}
    assert ("inclusion_probability" in rows[0]) == strategy.startswith("power")


def test_warm_start_goes_on_from_the_model_before(tmp_path: Path) -> None:
    learner = {
        "name": "sklearn.linear_model.SGDClassifier",
        "params": {"loss": "log_loss"},
        "warm_start": True,
    }
    done = rounds(driver_of(tmp_path, learner=learner), 3)
    assert [d.train.warm_start for d in done] == [False, False, True]
