"""Rounds on pools with string ids, with labels from elsewhere, and with holdout rows that cannot be used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import tables
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.rounds import Artifact, RoundRecord
from lamplighter.standing import Standing
from lamplighter.steps import run_round
from lamplighter.store.log import RoundLog
from tests.campaigns import write_campaign, write_pool


def driver_of(folder: Path, **changes: Any) -> Driver:
    return Driver(load(write_campaign(folder, **changes))).open()


def one_round(driver: Driver) -> RoundRecord:
    done = run_round(driver)
    assert isinstance(done, RoundRecord)
    return done


def name_rows(folder: Path) -> None:
    """Make strings of all ids."""
    for path in [*(folder / "pool").glob("*.parquet"), folder / "truth.parquet"]:
        table = pq.read_table(path)
        names = pa.array([f"row-{i}" for i in table.column("id").to_pylist()])
        pq.write_table(table.set_column(0, "id", names), path, row_group_size=100)


def answer_unasked(folder: Path, rows: int) -> set[int | str]:
    """Put labels of the first rows into the inbox; give their ids."""
    truth = pq.read_table(folder / "truth.parquet").slice(0, rows).to_pylist()
    inbox = folder / "store" / "labeling" / "in"
    inbox.mkdir(parents=True)
    (inbox / "legacy.jsonl").write_text("".join(json.dumps(row) + "\n" for row in truth))
    return {row["id"] for row in truth}


def batch(driver: Driver, record: RoundRecord) -> list[dict[str, Any]]:
    assert record.select is not None
    rows: list[dict[str, Any]] = tables.from_parquet(driver.ledger.read(record.select.batch)).to_pylist()
    return rows


def test_rounds_on_string_ids(tmp_path: Path) -> None:
    write_pool(tmp_path)
    name_rows(tmp_path)
    driver = driver_of(tmp_path)
    done = [one_round(driver) for _ in range(3)]
    assert [r.collect.labelled_rows for r in done] == [0, 20, 40]
    assert all(row["id"].startswith("row-") for row in batch(driver, done[2]))


def test_string_ids_with_labels_from_elsewhere(tmp_path: Path) -> None:
    write_pool(tmp_path)
    name_rows(tmp_path)
    answer_unasked(tmp_path, 100)
    record = one_round(driver_of(tmp_path, labeler="files"))
    assert record.train.model is not None
    assert record.collect.unknown_rows == 0


def test_labels_from_elsewhere_never_teach_what_becomes_the_holdout(tmp_path: Path) -> None:
    write_pool(tmp_path)
    answered = answer_unasked(tmp_path, 300)
    driver = driver_of(tmp_path, labeler="files")
    before = Standing(driver, driver.history())
    record = one_round(driver)
    assert before.holdout_below is None
    standing = Standing(driver, driver.history())
    held = standing.in_holdout(tables.as_ids(sorted(answered)))
    assert held.any()
    # Trained before the holdout was drawn: on none of its rows, and on nearly all of the others.
    assert 0.7 * (~held).sum() < record.train.rows <= (~held).sum()


def test_a_holdout_row_that_has_a_label_is_not_asked_about(tmp_path: Path) -> None:
    write_pool(tmp_path)
    answered = answer_unasked(tmp_path, 300)
    driver = driver_of(tmp_path, labeler="files")
    record = one_round(driver)
    assert not answered & {row["id"] for row in batch(driver, record)}
    standing = Standing(driver, driver.history())
    held = int(standing.in_holdout(tables.as_ids(sorted(answered))).sum())
    assert record.select is not None
    assert record.select.holdout_rows == 80 - held < 80


def test_holdout_rows_that_are_not_finite_do_not_stop_the_evaluation(tmp_path: Path) -> None:
    write_pool(tmp_path)
    path = tmp_path / "pool" / "part-1000-0.parquet"
    table = pq.read_table(path)
    x = tables.matrix(table.column("embedding")).copy()
    x[:150] = np.nan
    column = table.schema.get_field_index("embedding")
    pq.write_table(table.set_column(column, "embedding", tables.vector_column(x)), path)
    driver = driver_of(tmp_path)
    first, second = one_round(driver), one_round(driver)
    spoiled = sum(row["id"] < 1150 for row in batch(driver, first) if row["purpose"] == "holdout")
    assert spoiled > 0
    assert second.evaluate.metric is not None
    assert second.evaluate.metric.n == 80 - spoiled


def test_steps_read_each_file_once_and_only_the_features_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pool(tmp_path)
    driver = driver_of(tmp_path)
    for _ in range(3):
        one_round(driver)
    driver, read = replace(driver), []
    plain = RoundLog.read

    def noted(log: RoundLog, artifact: Artifact) -> bytes:
        read.append(artifact.key.rsplit("/", 1)[-1].split("-")[0])
        return plain(log, artifact)

    monkeypatch.setattr(RoundLog, "read", noted)
    standing = Standing(driver, driver.history())
    assert (len(standing.training_labels), len(standing.holdout_labels), standing.outstanding) == (40, 80, 20)
    again = Standing(driver, driver.history())
    assert again.known_ids.equals(standing.known_ids)
    assert (read.count("batch"), read.count("part"), read.count("features")) == (3, 2, 0)
    assert len(again.holdout.x) == 80
    assert read.count("features") == 1
    np.testing.assert_array_equal(again.training.ids, standing.training_labels.ids)
    assert read.count("features") == 3
