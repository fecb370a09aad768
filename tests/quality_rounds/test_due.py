"""Rows that expired go out again, before what the strategy picks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import tables
from lamplighter.asked import Asked, TakenBack
from lamplighter.explaining import explain
from lamplighter.rounds import SelectDone
from lamplighter.standing import Standing
from tests.quality_rounds.crew_labeler import KEY, read
from tests.quality_rounds.crews import batches, crew, rounds

GOOD = {"ann": 0.95}
LATE = {"expire_after_days": 1e-9}


def picked(standing: Standing, number: int) -> list[int]:
    return [int(row.id) for row in batches(standing)[number - 1].rows if row.purpose != "holdout"]


def late_campaign(folder: Path, silent: int = 6, **changes: Any) -> tuple[Any, list[int]]:
    """Give a campaign and the rows of its first batch that nobody ever answers."""
    first = picked(rounds(crew(folder, None, GOOD, store="elsewhere", **changes), 1), 1)[:silent]
    return crew(folder, None, GOOD, crew={"silent": first}, waiting=LATE, **changes), first


@pytest.fixture
def asked_again(tmp_path: Path) -> tuple[Standing, list[int]]:
    driver, silent = late_campaign(tmp_path)
    return rounds(driver, 3), silent


def test_they_go_first_whatever_the_strategy_says(asked_again: tuple[Standing, list[int]]) -> None:
    standing, silent = asked_again
    assert standing.steps(SelectDone)[1].facts.get("expired_rows") is None
    third, done = picked(standing, 3), standing.steps(SelectDone)[2]
    assert third[: len(silent)] == silent
    assert len(third) == len(set(third)) == 20
    assert (done.rows, done.wanted, done.facts["expired_rows"]) == (20, 20, len(silent))
    assert not set(third[len(silent) :]) & {*picked(standing, 1), *picked(standing, 2)}
    ranks = [row.rank for row in batches(standing)[2].rows if row.purpose == "batch"]
    assert ranks == list(range(1, 21))


def test_they_are_shown_as_before_with_what_the_model_says_now(
    asked_again: tuple[Standing, list[int]],
) -> None:
    standing, silent = asked_again
    before = {row.id: row for row in batches(standing)[0].rows}
    model = standing.model(standing.history.records[2].train)
    assert model is not None
    for row in [row for row in batches(standing)[2].rows if row.id in silent]:
        assert row.display == before[row.id].display
        place = tables.positions(tables.as_ids([row.id], integer=True), standing.known_ids)[0]
        features = standing.steps(SelectDone)[0].features
        kept = tables.from_parquet(standing.read(features))
        proba = model.predict_proba(tables.matrix(kept.column("features"))[place : place + 1])[0]
        assert row.proba is not None
        np.testing.assert_allclose(row.proba, proba, rtol=1e-6)
        assert row.predicted == model.classes[int(proba.argmax())]


def test_why_they_are_there_can_be_asked(asked_again: tuple[Standing, list[int]]) -> None:
    standing, silent = asked_again
    said = explain(standing.driver, str(silent[0]))["verdict"]
    assert said == "round 3: asked again, since nobody answered in time in round 1"


def test_what_does_not_fit_waits_for_the_next_batch(tmp_path: Path) -> None:
    driver, silent = late_campaign(tmp_path, 20)
    rounds(driver, 2)
    narrow = crew(tmp_path, None, GOOD, crew={"silent": silent}, waiting=LATE, batch_size=12)
    standing = rounds(narrow, 2)
    assert picked(standing, 3) == silent[:12]
    assert picked(standing, 4)[:8] == silent[12:]
    assert not set(picked(standing, 4)[8:]) & set(silent)  # they are out, and only now taken back


def test_a_row_that_was_labelled_meanwhile_is_not_asked_again(tmp_path: Path) -> None:
    driver, silent = late_campaign(tmp_path)
    rounds(driver, 2)
    standing = Standing(driver, driver.history())
    batch, desk = standing.tickets["crew"][0].batch, driver.desk(standing.integer_ids)
    note = read(batch, desk) | {str(silent[0]): {"who": [0, 1], "display": {}, "predicted": None}}
    desk.store.put(KEY.format(batch), json.dumps(note).encode())
    spoken = crew(tmp_path, None, GOOD, crew={"silent": silent[1:]}, waiting=LATE)
    third = picked(rounds(spoken, 1), 3)
    assert third[: len(silent) - 1] == silent[1:]
    assert silent[0] not in third


def test_they_are_found_when_the_pool_has_grown(tmp_path: Path) -> None:
    driver, silent = late_campaign(tmp_path)
    rounds(driver, 2)
    table = pq.read_table(tmp_path / "pool" / "part-1000-0.parquet")
    table = table.set_column(0, "id", pa.array(np.arange(90_000, 90_000 + len(table))))
    pq.write_table(table, tmp_path / "pool" / "before-all-others.parquet")
    third = batches(rounds(driver, 1))[2].rows
    assert [row.id for row in third if row.purpose == "batch"][: len(silent)] == silent
    old = [row for row in third if int(row.id) < 90_000]
    assert all(row.display == {"text": f"fruit {row.id}"} for row in old)


def test_rows_that_were_only_unwanted_are_not_due(tmp_path: Path) -> None:
    driver, _ = late_campaign(tmp_path)
    standing = rounds(driver, 1)
    ids, round_ = standing.asked.ids, standing.number
    unwanted = TakenBack(round_, ids, np.ones(len(ids), bool), np.zeros(len(ids), bool))
    assert len(Asked.of([(1, ids)], [unwanted], integer=True).due) == 0


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[list[int], dict[int, tuple[bool, bool]]]]:
    """Draw rounds: what each asks, and what it took back before of what earlier ones asked."""
    found: list[tuple[list[int], dict[int, tuple[bool, bool]]]] = []
    out: set[int] = set()
    for _ in range(draw(st.integers(1, 5))):
        back = draw(st.sets(st.sampled_from(sorted(out)))) if out else set()
        told = {row: (draw(st.booleans()), draw(st.booleans())) for row in sorted(back)}
        asked = draw(st.sets(st.integers(0, 8))) - out
        found.append((sorted(asked), told))
        out = (out - back) | asked
    return found


@given(histories())
def test_due_is_what_expired_last_and_was_not_asked_since(
    history: list[tuple[list[int], dict[int, tuple[bool, bool]]]],
) -> None:
    due: set[int] = set()
    for asked, told in history:
        due -= set(asked)
        for row, (again, expired) in told.items():
            due = due | {row} if again and expired else due - {row}
    made = Asked.of(
        [(number, tables.as_ids(asked, integer=True)) for number, (asked, _) in enumerate(history, 1)],
        [
            TakenBack(
                number,
                tables.as_ids(list(told), integer=True),
                np.array([again for again, _ in told.values()], bool),
                np.array([expired for _, expired in told.values()], bool),
            )
            for number, (_, told) in enumerate(history, 1)
        ],
        integer=True,
    )
    assert sorted(made.due.to_pylist()) == sorted(due)


def test_what_an_earlier_version_took_back_is_not_due() -> None:
    kept = pa.table({"id": [1, 2], "again": [True, False]})
    assert TakenBack.read(4, kept).expired.tolist() == [False, False]
