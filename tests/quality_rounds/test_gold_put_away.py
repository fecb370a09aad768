"""Gold rows that are rows like all others again, and answers that a round cannot take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import steps
from lamplighter.driver import Driver
from lamplighter.standing import Standing
from tests.quality_rounds.crews import batches, crew, rounds

GOLD = {"gold": {"url": "gold.parquet", "share": 0.5}}
GOOD = {"ann": 1.0}
FILES = {"name": "files", "params": {}}


def gold_of_the_pool(folder: Path) -> None:
    """Call sixty rows of the pool gold."""
    path = folder / "gold.parquet"
    pool, truth = (
        pq.read_table(folder / "pool" / "part-1000-0.parquet"),
        pq.read_table(folder / "truth.parquet"),
    )
    label = truth.column("label").combine_chunks().take(pa.array(np.arange(60)))
    pq.write_table(pool.slice(0, 60).append_column("label", label), path)


def test_their_answers_train_once_they_are_no_longer_gold(tmp_path: Path) -> None:
    """The round brings no new answer, and the pool is the same: they are looked up all the same."""
    crew(tmp_path, None, GOOD)
    gold_of_the_pool(tmp_path)
    standing = rounds(crew(tmp_path, GOLD, GOOD), 2)
    gold = sum(row.purpose == "gold" for row in batches(standing)[0].rows)
    before = standing.history.records[-1].collect
    silent = [int(row.id) for row in batches(standing)[1].rows]
    standing = rounds(crew(tmp_path, None, GOOD, crew={"silent": silent}), 1)
    after = standing.history.records[-1].collect
    assert gold > 0
    assert (before.unknown_rows, after.unknown_rows, after.new_annotations) == (0, 0, 0)
    labelled = [done.labelled_rows + done.labelled_holdout for done in (before, after)]
    assert labelled[1] == labelled[0] + gold  # those among them that may be of the holdout count as such
    assert after.labelled_rows > before.labelled_rows
    assert len(standing.labels) == len(standing.labelled)


def test_ids_that_the_pool_does_not_have_are_looked_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = crew(tmp_path, None, GOOD, labeler=FILES)
    said = [json.dumps({"id": row, "label": "apple"}) for row in (1, 2, 3)]
    driver.store.put("labeling/in/strangers.jsonl", "\n".join(said).encode())
    assert rounds(driver, 1).history.records[-1].collect.unknown_rows == 3

    def searched(*_: Any) -> Any:
        raise AssertionError("the pool was searched again")

    monkeypatch.setattr(f"{steps.__name__}.collect._fetch", searched)
    assert rounds(driver, 1).history.records[-1].collect.unknown_rows == 3


def test_an_answer_of_an_unknown_class_is_not_promised_another_hearing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver: Driver = crew(tmp_path, None, GOOD, labeler=FILES)
    driver.store.put("labeling/in/odd.jsonl", b'{"id": 1000, "label": "quince"}\n')
    standing: Standing = rounds(driver, 1)
    assert "answer not taken: labeling/in/odd.jsonl:1: unknown class 'quince'" in caplog.text
    assert standing.history.records[-1].collect.problem_count == 1
