"""A campaign served by people with files: sheets out, answers in, and all that goes wrong with them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from lamplighter.driver import Driver
from lamplighter.explaining import explain
from lamplighter.rounds import RoundRecord
from lamplighter.standing import Standing
from lamplighter.status import status
from lamplighter.steps import run_round
from tests.campaigns import write_pool
from tests.steps.test_whole_rounds import driver_of, rounds


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return driver_of(tmp_path, labeler={"name": "files", "params": {"format": "csv"}}, budget={})


def sheet(driver: Driver, number: int) -> list[dict[str, str]]:
    keys = [k for k in driver.store.list("labeling/out/") if f"round-{number:06d}" in k]
    assert len(keys) == 1
    return list(csv.DictReader(io.StringIO(driver.store.get(keys[0]).decode("utf-8-sig"))))


def answer(driver: Driver, name: str, lines: list[dict[str, Any]]) -> None:
    text = "\n".join(json.dumps(line) for line in lines)
    driver.store.put(f"labeling/in/{name}.jsonl", text.encode())


def one(driver: Driver) -> RoundRecord:
    return rounds(driver, 1)[0]


def test_a_filled_in_sheet_comes_back(driver: Driver) -> None:
    one(driver)
    rows = sheet(driver, 1)
    assert len(rows) == 100
    assert rows[0]["text"].startswith("fruit ")
    classes = driver.campaign.classes
    for position, row in enumerate(rows):
        row["label"] = classes[position % 3]
    filled = io.StringIO()
    writer = csv.DictWriter(filled, rows[0])
    writer.writeheader()
    writer.writerows(rows[:60])
    driver.store.put("labeling/in/anna.csv", filled.getvalue().encode())
    record = one(driver)
    assert record.collect.new_annotations == 60
    assert record.collect.outstanding == 40
    assert record.train.model is not None or record.collect.labelled_rows == 0
    assert one(driver).collect.new_annotations == 0  # the same file again brings nothing new


def test_bad_lines_are_reported_and_taken_once_mended(driver: Driver) -> None:
    one(driver)
    ids = [int(r["id"]) for r in sheet(driver, 1)]
    good = {"id": ids[0], "label": "pear", "annotator": "ann"}
    answer(driver, "ann", [good, {"id": ids[1], "label": "bananna", "annotator": "ann"}])
    driver.store.put("labeling/in/half.jsonl", b'{"id": 1001, "label": "pe')
    record = one(driver)
    assert record.collect.new_annotations == 1
    assert record.collect.problem_count == 2
    told = status(driver)["problems"]
    assert any("ann.jsonl:2" in p and "bananna" in p for p in told)
    assert any("half.jsonl:1" in p for p in told)
    answer(driver, "ann", [good, {"id": ids[1], "label": "plum", "annotator": "ann"}])
    mended = one(driver)
    assert mended.collect.new_annotations == 1
    assert mended.collect.problem_count == 1


def test_answers_that_contradict_each_other(driver: Driver) -> None:
    one(driver)
    row = int(sheet(driver, 1)[-1]["id"])
    answer(
        driver, "a", [{"id": row, "label": "pear", "annotator": "ann", "created_at": "2026-01-01T10:00:00Z"}]
    )
    one(driver)
    answer(
        driver, "b", [{"id": row, "label": "plum", "annotator": "ann", "created_at": "2026-01-02T10:00:00Z"}]
    )
    one(driver)
    said = explain(driver, str(row))
    assert said["label"] == "plum"
    assert [a["label"] for a in said["annotations"]] == ["pear", "plum"]


def test_labels_nobody_asked_for(driver: Driver, tmp_path: Path) -> None:
    first = one(driver)
    asked = {int(r["id"]) for r in sheet(driver, 1)}
    foreign = next(i for i in range(1000, 1600) if i not in asked)
    answer(driver, "old", [{"id": i, "label": "pear", "annotator": "x"} for i in (foreign, 70_001, 70_002)])
    record = one(driver)
    assert first.collect.features is None
    assert record.collect.features is not None
    assert record.collect.unknown_rows == 2
    assert status(driver)["unknown_rows"] == 2
    assert foreign in Standing(driver, driver.history()).training.ids.to_pylist()
    assert explain(driver, str(foreign))["verdict"] == "never picked, but labelled from elsewhere"

    # A label that came before its row is kept, and used once the row is there.
    write_pool(tmp_path, rows=20, first_id=70_000)
    later = one(driver)
    assert later.collect.unknown_rows == 0
    known = Standing(driver, driver.history()).labelled.ids.to_pylist()
    assert {70_001, 70_002} <= set(known)


def test_one_class_among_the_labels_makes_no_model(driver: Driver) -> None:
    one(driver)
    rows = sheet(driver, 1)
    answer(driver, "all", [{"id": int(r["id"]), "label": "pear", "annotator": "x"} for r in rows])
    record = one(driver)
    assert record.train.model is None
    assert "pear" in record.train.note
    assert record.select is not None
    assert record.select.rows == 20
    run_round(driver)
