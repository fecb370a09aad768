"""Nobody is asked twice and no row is lost, whatever was asked, of whom, and when the file was edited."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import rng, tables
from lamplighter.checking import check
from lamplighter.errors import PoolError
from lamplighter.labelers.base import BatchRow
from lamplighter.rounds import DispatchDone, Step
from lamplighter.standing import Standing
from lamplighter.steps.perform import perform, run_round
from tests.campaigns import DIMS, write_pool
from tests.quality_rounds.crews import FIRST_GOLD, batches, crew, rewrite, rounds, write_gold

GOOD = {"ann": 0.95, "bob": 0.9, "cid": 0.9}
GOLD = {"gold": {"url": "gold.parquet", "share": 0.2}}
TORN = {"ann": 0.5, "bob": 0.5, "cid": 1.0}
RELABEL = {"relabel": {"share": 0.25}}


def of(standing: Standing, purpose: str, number: int) -> list[BatchRow]:
    """Give the rows that round `number` sent for a purpose."""
    return [row for row in batches(standing)[number - 1].rows if row.purpose == purpose]


def test_rows_at_a_labeler_that_was_left_are_not_taken_back(tmp_path: Path) -> None:
    first = rounds(crew(tmp_path, None, GOOD, labeler={"name": "files", "params": {}}), 1)
    at_files = [int(row.id) for row in batches(first)[0].rows]
    waiting = {"expire_after_days": 1e-9}
    standing = rounds(crew(tmp_path, None, GOOD, crew={"silent": at_files}, waiting=waiting), 3)
    assert [done.withdrawn_rows for done in standing.steps(DispatchDone)] == [0, 0, 0, 0]
    sent = Counter(row.id for batch in batches(standing) for row in batch.rows)
    assert max(sent.values()) == 1
    assert standing.outstanding == len(at_files) + len(batches(standing)[-1].rows)


def test_a_row_goes_back_only_when_all_who_were_asked_have_answered(tmp_path: Path) -> None:
    quality = {**RELABEL, "overlap": {"share": 1.0, "annotators": 2}}
    driver = crew(tmp_path, quality, GOOD, labeler={"name": "files", "params": {}})
    standing = rounds(driver, 1)
    ids = [int(row.id) for row in batches(standing)[0].rows]

    def say(person: str, label: str) -> None:
        said = [json.dumps({"id": row, "label": label, "annotator": person}) for row in ids]
        driver.store.put(f"labeling/in/{person}.jsonl", "\n".join(said).encode())

    say("ann", "apple")
    standing = rounds(driver, 1)
    assert of(standing, "again", 2) == []
    say("bob", "pear")
    standing = rounds(driver, 1)
    assert len(of(standing, "again", 3)) == 5
    sheets = [key for key in driver.store.list("labeling/out/") if "-person-2" in key]
    second = [json.loads(line)["id"] for key in sheets for line in driver.store.get(key).splitlines()]
    assert len(second) == len(set(second))


def test_who_skipped_a_row_has_answered_it(tmp_path: Path) -> None:
    quality = {**RELABEL, "overlap": {"share": 1.0, "annotators": 2}}
    driver = crew(tmp_path, quality, GOOD, labeler={"name": "files", "params": {}})
    ids = [int(row.id) for row in batches(rounds(driver, 1))[0].rows]
    said = [json.dumps({"id": row, "label": "apple", "annotator": "ann"}) for row in ids]
    said += [json.dumps({"id": row, "label": "__skip__", "annotator": "bob"}) for row in ids]
    driver.store.put("labeling/in/all.jsonl", "\n".join(said).encode())
    assert len(of(rounds(driver, 1), "again", 2)) == 5


def test_one_more_is_one_more_than_all_who_answered_also_those_left_out(tmp_path: Path) -> None:
    people = {"annotators": {"bound": 0.75, "measure": "agreement", "leave_out": True}}
    skill = {"ann": 1.0, "bad": 0.05, "cid": 1.0, "dee": 1.0, "eve": 1.0, "fay": 1.0}
    quality = {"relabel": {"share": 0.25, "most": 9}, **people}
    standing = rounds(crew(tmp_path, quality, skill, crew={"each": 5}), 2)
    again = of(standing, "again", 2)
    assert {(row.answered, row.annotators) for row in again} == {(5, 6)}


def test_rows_whose_people_are_all_left_out_go_back_first(tmp_path: Path) -> None:
    people = {**GOLD, "annotators": {"bound": 0.9, "leave_out": True}}
    driver = crew(tmp_path, {**RELABEL, **people}, {"abe": 0.05, "bob": 1.0})
    standing = rounds(driver, 2)
    assert standing.labels.ids.to_pylist() == []
    again = of(standing, "again", 2)
    assert {(row.answered, row.annotators) for row in again} == {(1, 2)}
    assert len(again) == 5
    assert not {row.id for row in again} & set(driver.gold.ids.to_pylist() if driver.gold else ())
    standing = rounds(driver, 1)
    assert standing.labels.ids.to_pylist() == sorted(row.id for row in again)


def test_relabeling_that_begins_amid_a_round_waits_for_the_next(tmp_path: Path) -> None:
    rounds(crew(tmp_path, {"consensus": "majority"}, TORN, crew={"each": 2}), 1)
    perform(crew(tmp_path, {"consensus": "majority"}, TORN, crew={"each": 2}), Step.COLLECT)
    standing = rounds(crew(tmp_path, RELABEL, TORN, crew={"each": 2}), 2)
    assert [len(of(standing, "again", number)) for number in (2, 3)] == [0, 5]


def test_overlap_never_asks_fewer_than_the_labeler_asks_anyway(tmp_path: Path) -> None:
    overlap = {"overlap": {"share": 0.5, "annotators": 2}}
    standing = rounds(crew(tmp_path, overlap, GOOD, crew={"each": 3}), 1)
    assert {row.annotators for row in batches(standing)[0].rows} == {None}


def test_rows_of_the_holdout_without_finite_features_can_go_back(tmp_path: Path) -> None:
    write_pool(tmp_path, rows=400, files=1)
    write_gold(tmp_path)
    path = next((tmp_path / "pool").iterdir())
    table = pq.read_table(path)
    ids = tables.ids_of(table)
    held = np.argsort(rng.row_hash(ids, rng.key(11, 0, "holdout")))[:40]
    x = tables.matrix(table.column("embedding")).copy()
    x[held[:30], 0] = np.nan
    rewrite(path, embedding=pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), DIMS))
    standing = rounds(crew(tmp_path, {"relabel": {"share": 0.9}}, TORN, crew={"each": 2}), 2)
    spoilt = set(ids.take(pa.array(held[:30])).to_pylist())
    again = of(standing, "again", 2)
    assert {row.id for row in again} & spoilt
    assert {row.id for row in again} - spoilt
    assert all((row.proba is None) == (row.predicted is None) == (row.id in spoilt) for row in again)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_gold_may_keep_its_texts_in_another_way_than_the_pool(tmp_path: Path, kind: Any) -> None:
    driver = crew(tmp_path, {**GOLD, **RELABEL}, TORN, crew={"each": 2})
    shown = pq.read_table(tmp_path / "gold.parquet").column("text")
    rewrite(tmp_path / "gold.parquet", text=shown.cast(kind))
    standing = rounds(driver, 2)
    both = of(standing, "again", 2) + of(standing, "gold", 2)
    assert len(both) > len(of(standing, "again", 2)) > 0
    assert all(row.display["text"] == f"fruit {row.id}" for row in both)


def test_gold_rows_that_were_asked_about_before_are_not_sent(tmp_path: Path) -> None:
    first = rounds(crew(tmp_path, None, GOOD), 1)
    asked = [int(row.id) for row in batches(first)[0].rows][:50]
    rewrite(tmp_path / "gold.parquet", id=pa.array([*asked, *range(FIRST_GOLD, FIRST_GOLD + 10)]))
    standing = rounds(crew(tmp_path, GOLD, GOOD), 3)
    sent = [int(row.id) for number in (2, 3, 4) for row in of(standing, "gold", number)]
    assert sorted(sent) == list(range(FIRST_GOLD, FIRST_GOLD + 10))


def test_a_row_of_the_batch_that_was_called_gold_amid_the_round_goes_out_once(tmp_path: Path) -> None:
    driver = crew(tmp_path, None, GOOD)
    for step in (Step.COLLECT, Step.TRAIN, Step.EVALUATE, Step.SCORE):
        perform(driver, step)
    rewrite(tmp_path / "gold.parquet", id=pa.array(range(1000, 1060)))
    later = crew(tmp_path, {"gold": {"url": "gold.parquet", "share": 0.9}}, GOOD)
    run_round(later)
    sent = Counter(row.id for row in batches(Standing(later, later.history()))[0].rows)
    assert max(sent.values()) == 1


def test_gold_with_other_ids_or_features_than_the_pool_is_refused(tmp_path: Path) -> None:
    driver = crew(tmp_path, GOLD, GOOD)
    path = tmp_path / "gold.parquet"
    table = pq.read_table(path)
    rewrite(path, id=table.column("id").cast(pa.string()))
    for refuse in (lambda: check(crew(tmp_path, GOLD, GOOD)), lambda: run_round(driver)):
        with pytest.raises(PoolError, match="the ids of its file are string, those of the pool int64"):
            refuse()
    x = tables.matrix(table.column("embedding"))[:, :4]
    pq.write_table(table, path)
    rewrite(path, embedding=pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 4))
    with pytest.raises(PoolError, match="its file has 4 features a row, the pool 6"):
        check(crew(tmp_path, GOLD, GOOD))


def test_gold_of_which_a_model_can_say_nothing_is_refused(tmp_path: Path) -> None:
    driver = crew(tmp_path, GOLD, GOOD)
    path = tmp_path / "gold.parquet"
    x = tables.matrix(pq.read_table(path).column("embedding")).copy()
    x[3, 1] = np.inf
    rewrite(path, embedding=pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), DIMS))
    with pytest.raises(PoolError, match=r"row 500003 of .* has NaN or infinity"):
        check(driver)
