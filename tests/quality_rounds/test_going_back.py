"""Rows that go back: to whom, how often, and what a skip counts for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from lamplighter.driver import Driver
from lamplighter.explaining import explain
from lamplighter.labelers.base import BatchRow
from lamplighter.report.rows import notices
from lamplighter.standing import Standing
from tests.quality_rounds.crews import batches, crew, rounds

OF_TWO = {"overlap": {"share": 1.0, "annotators": 2}}
FILES = {"name": "files", "params": {}}
SKIP = "__skip__"


def exchanged(folder: Path, **relabel: Any) -> tuple[Driver, list[int]]:
    """Give a campaign by files, and the rows of its first batch, each asked of two people."""
    driver = crew(folder, {**OF_TWO, "relabel": {"share": 0.25, **relabel}}, {}, labeler=FILES)
    return driver, [int(row.id) for row in batches(rounds(driver, 1))[0].rows]


def say(driver: Driver, person: str, labels: dict[int, str]) -> None:
    said = [
        json.dumps({"id": row, "label": label, "annotator": person}) + "\n" for row, label in labels.items()
    ]
    driver.store.put(f"labeling/in/{person}.jsonl", "".join(said).encode())


def again(standing: Standing, number: int) -> dict[int, BatchRow]:
    """Give the rows that went back in a round."""
    sent = batches(standing)[number - 1].rows
    return {int(row.id): row for row in sent if row.purpose == "again"}


def sheet(driver: Driver, number: int, person: int) -> set[int]:
    """Give the rows that a round's file has for a person."""
    ends = f"-person-{person}.jsonl"
    keys = [key for key in driver.store.list("labeling/out/") if f"round-{number:06d}" in key]
    mine = [key for key in keys if key.endswith(ends) or (person == 1 and "-person-" not in key)]
    return {json.loads(line)["id"] for key in mine for line in driver.store.get(key).splitlines()}


def test_a_row_whose_further_person_skips_goes_back_again(tmp_path: Path) -> None:
    driver, ids = exchanged(tmp_path, share=0.2)
    say(driver, "ann", dict.fromkeys(ids, "apple"))
    say(driver, "bob", {row: "pear" if at < 4 else "apple" for at, row in enumerate(ids)})
    first = again(rounds(driver, 1), 2)
    assert first.keys() == set(ids[:4])
    assert not again(rounds(driver, 1), 3).keys() & first.keys(), "asked twice, while cid has not got to it"
    say(driver, "cid", dict.fromkeys(first, SKIP))
    second = again(rounds(driver, 1), 4)
    assert second.keys() == first.keys()
    assert {(row.answered, row.annotators) for row in second.values()} == {(3, 4)}
    assert sheet(driver, 4, 4) == first.keys()


def test_after_a_skip_a_row_goes_to_somebody_new(tmp_path: Path) -> None:
    driver, ids = exchanged(tmp_path)
    say(driver, "ann", dict.fromkeys(ids, SKIP))
    say(driver, "bob", dict.fromkeys(ids, "apple"))
    back = again(rounds(driver, 1), 2)
    assert {(row.answered, row.annotators) for row in back.values()} == {(2, 3)}
    assert len(back) == 5
    assert sheet(driver, 2, 3) == back.keys()
    assert not sheet(driver, 2, 2) & back.keys()


def test_a_row_that_everybody_skips_is_left_alone_in_the_end(tmp_path: Path) -> None:
    driver, ids = exchanged(tmp_path, most=3)
    say(driver, "ann", dict.fromkeys(ids, "apple"))
    say(driver, "bob", dict.fromkeys(ids[:5], "pear") | dict.fromkeys(ids[5:], "apple"))
    back = again(rounds(driver, 1), 2)
    assert back.keys() == set(ids[:5])
    say(driver, "cid", dict.fromkeys(back, SKIP))
    later = again(rounds(driver, 1), 3)
    assert later
    assert not later.keys() & back.keys()


def test_nobody_labels_a_row_twice(tmp_path: Path) -> None:
    quality = {**OF_TWO, "relabel": {"share": 0.9}}
    told = {"labels": str(tmp_path / "truth.parquet"), "abstain": 0.4, "noise": 0.3}
    driver = crew(tmp_path, quality, {}, labeler={"name": "simulated", "params": told})
    said = rounds(driver, 4).annotations.to_pylist()
    pairs = Counter((row["id"], row["annotator"]) for row in said)
    assert max(pairs.values()) == 1
    assert len({row["annotator"] for row in said}) > 3


def test_small_batches_send_back_their_share_over_the_rounds(tmp_path: Path) -> None:
    quality = {"relabel": {"share": 0.1}}
    skill = {"ann": 0.6, "bob": 0.6, "cid": 1.0}
    driver = crew(tmp_path, quality, skill, crew={"each": 2}, batch_size=5, budget={"rounds": 20})
    standing = rounds(driver, 9)
    back = [len(again(standing, number)) for number in range(2, 10)]
    assert set(back) == {0, 1}
    assert 3 <= sum(back) <= 5  # half a row in each of 8 rounds
    assert {len(batch.rows) for batch in batches(standing)[1:]} == {5}


def test_that_a_row_went_back_can_be_asked(tmp_path: Path) -> None:
    driver, ids = exchanged(tmp_path, share=0.2)
    say(driver, "ann", dict.fromkeys(ids, "apple"))
    say(driver, "bob", {row: "pear" if at < 4 else "apple" for at, row in enumerate(ids)})
    rounds(driver, 1)
    say(driver, "cid", dict.fromkeys(ids[:4], SKIP))
    rounds(driver, 1)
    told = explain(driver, str(ids[0]))
    assert told["verdict"].startswith("round 1: ")
    assert told["verdict"].endswith("; went back for one more annotator in round 2 and round 3")
    assert told["sent_beside"] == [
        {"round": 2, "purpose": "again", "answered": 2, "annotators": 3},
        {"round": 3, "purpose": "again", "answered": 3, "annotators": 4},
    ]
    assert "back" not in explain(driver, str(ids[-1]))["verdict"]


def test_that_a_row_is_gold_can_be_asked(tmp_path: Path) -> None:
    driver = crew(tmp_path, {"gold": {"url": "gold.parquet", "share": 0.2}}, {"ann": 0.9})
    gold = [row.id for row in batches(rounds(driver, 2))[0].rows if row.purpose == "gold"]
    told = explain(driver, str(gold[0]))
    assert told["verdict"] == "round 1: sent as a gold row, whose label is known, to see how good answers are"
    assert told["annotations"]


def test_what_has_no_label_is_told_without_a_wrong_reason(tmp_path: Path) -> None:
    people = {"gold": {"url": "gold.parquet", "share": 0.2}, "annotators": {"bound": 0.9, "leave_out": True}}
    standing = rounds(crew(tmp_path, people, {"abe": 0.05}), 2)
    said = notices(standing.history.records[-1])
    asked = len([row for row in batches(standing)[0].rows if row.purpose != "gold"])
    assert said[-1] == (
        f"{asked} answered rows have no label: all who saw them skipped them, or are left out of the labels."
    )
