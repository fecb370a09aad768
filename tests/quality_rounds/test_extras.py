"""Rows that go out among a batch look like all others, and never sway who labels the holdout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import tables
from lamplighter.checking import check
from lamplighter.driver import Driver
from lamplighter.errors import PoolError, UnknownClass
from lamplighter.labelers.base import BatchRow
from lamplighter.rounds import ScoreDone
from lamplighter.standing import Standing
from tests.quality_rounds.crew_labeler import read
from tests.quality_rounds.crews import batches, crew, rewrite, rounds

TORN = {"ann": 0.6, "bob": 0.6, "cem": 0.6}
GOLD = {"gold": {"url": "gold.parquet", "share": 0.5}}
RELABEL = {"relabel": {"share": 0.5}}


def sent(standing: Standing, purpose: str) -> list[BatchRow]:
    return [row for batch in batches(standing) for row in batch.rows if row.purpose == purpose]


def test_nobody_is_shown_a_guess_about_the_holdout(tmp_path: Path) -> None:
    first = rounds(crew(tmp_path, None, TORN, store="elsewhere"), 1)
    silent = [int(row.id) for row in sent(first, "holdout")][:12]
    driver = crew(tmp_path, RELABEL, TORN, crew={"silent": silent, "each": 2})
    standing = rounds(driver, 4)
    notes: dict[str, Any] = {}
    for ticket in standing.tickets["crew"]:
        notes |= read(ticket.batch, driver.desk(standing.integer_ids))
    held = [row for row in notes if standing.in_holdout(tables.as_ids([int(row)]))[0]]
    assert set(map(str, silent)) <= set(held)
    assert {notes[row]["predicted"] for row in held} == {None}
    back = sent(standing, "again")
    inside = [bool(standing.in_holdout(tables.as_ids([row.id]))[0]) for row in back]
    assert any(inside)
    assert not all(inside)
    assert [row.predicted is None for row in back] == inside
    done = standing.steps(ScoreDone)[-1]
    assert done.waiting is not None
    assert tables.from_parquet(standing.read(done.waiting)).column("predicted").null_count >= len(silent)


def test_rows_that_go_back_show_what_the_campaign_shows_now(tmp_path: Path) -> None:
    before = crew(tmp_path, RELABEL, TORN, crew={"each": 2})
    for file in (tmp_path / "pool").iterdir():
        table = pq.read_table(file)
        pq.write_table(table.append_column("size", pa.array(np.arange(len(table)))), file)
    rounds(before, 1)
    pool = {"url": "pool", "features": "embedding", "display": ["size"]}
    standing = rounds(crew(tmp_path, RELABEL, TORN, crew={"each": 2}, pool=pool), 2)
    back = sent(standing, "again")
    assert back
    assert all(row.display.keys() == {"size"} for row in back)


def gold_driver(folder: Path, **changes: Any) -> Driver:
    quality = {**GOLD, "overlap": {"share": 0.4, "annotators": 2}}
    return crew(folder, quality, TORN, **changes)


def test_gold_goes_to_as_many_people_as_other_rows(tmp_path: Path) -> None:
    standing = rounds(gold_driver(tmp_path), 4)
    gold = sent(standing, "gold")
    several = [row for row in gold if row.annotators == 2]
    assert 0.2 < len(several) / len(gold) < 0.6
    table = standing.annotations
    of_gold = table.filter(pa.compute.is_in(table.column("id"), pa.array([row.id for row in gold])))
    assert set(of_gold.column("annotator").to_pylist()) == {"ann", "bob"}


def test_gold_that_is_shown_otherwise_than_the_pool_is_refused(tmp_path: Path) -> None:
    driver = gold_driver(tmp_path)
    path = tmp_path / "gold.parquet"
    rewrite(path, text=pa.array(np.arange(len(pq.read_table(path)))))
    with pytest.raises(PoolError, match=r"its file are text: int64, those of the pool text: string"):
        check(driver)


def test_what_is_wrong_with_the_gold_file_names_it(tmp_path: Path) -> None:
    driver = gold_driver(tmp_path)
    path = tmp_path / "gold.parquet"
    table = pq.read_table(path)
    rewrite(path, label=pa.array([None, *table.column("label").to_pylist()[1:]]))
    with pytest.raises(UnknownClass, match=r"quality\.gold: a row has no label \(null\)"):
        check(driver)
    path.unlink()
    with pytest.raises(PoolError, match=r"quality\.gold\.url .*gold\.parquet"):
        check(gold_driver(tmp_path))
