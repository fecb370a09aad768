"""What is awaited: further answers, gold rows and rows that went back, like rows that nobody has answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import tables
from lamplighter.annotations import Table
from lamplighter.awaited import Awaited, Sent, people_of, still_awaited
from lamplighter.driver import Driver, open_driver
from lamplighter.labelers.base import Annotation, Status
from lamplighter.rounds import DispatchDone, RoundRecord, SelectDone
from lamplighter.standing import Standing
from lamplighter.status import status
from lamplighter.steps.perform import run_round
from lamplighter.stopping.base import Stop
from lamplighter.summary import summarise
from tests.annotations.made import table_of
from tests.campaigns import write_campaign, write_pool
from tests.quality_rounds.crews import batches, crew, rounds, write_gold

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILES = {"name": "files", "params": {}}
GOOD = {"ann": 1.0, "bob": 1.0, "cid": 1.0}
TWICE = {"overlap": {"share": 1.0, "annotators": 2}}
GOLD = {"gold": {"url": "gold.parquet", "share": 0.5}}


def small(folder: Path, quality: dict[str, Any], **changes: Any) -> Driver:
    """Give a campaign by files over a pool of 40 rows that one batch uses up."""
    write_pool(folder, rows=40)
    write_gold(folder)
    told = {"labeler": FILES, "batch_size": 50, "evaluation": {"holdout": 10}} | changes
    return crew(folder, quality, GOOD, **told)


def answer(
    driver: Driver, person: str, purposes: Sequence[str] = ("holdout", "seed", "batch", "gold")
) -> None:
    """Let somebody answer all rows that were sent so far for some purposes."""
    sent = [row for batch in batches(Standing(driver, driver.history())) for row in batch.rows]
    ids = dict.fromkeys(row.id for row in sent if row.purpose in purposes)
    said = [
        json.dumps({"id": row, "label": "apple" if int(row) % 2 else "pear", "annotator": person})
        for row in ids
    ]
    driver.store.put(f"labeling/in/{person}.jsonl", "\n".join(said).encode())


def test_a_campaign_is_not_over_while_second_answers_are_with_people(tmp_path: Path) -> None:
    driver = small(tmp_path, TWICE)
    rounds(driver, 1)
    answer(driver, "ann")
    idle = [run_round(driver) for _ in range(3)]
    assert [done.collect.outstanding for done in idle if isinstance(done, RoundRecord)] == [40, 40, 40]
    assert [done.stop for done in idle if isinstance(done, RoundRecord)] == [None, None, None]
    answer(driver, "bob")
    last = run_round(driver)
    assert isinstance(last, RoundRecord)
    assert (last.collect.new_annotations, last.collect.outstanding) == (40, 0)
    assert last.stop is not None
    assert last.stop.rule == "exhausted"
    assert isinstance(run_round(driver), Stop)


def test_gold_rows_are_awaited(tmp_path: Path) -> None:
    driver = small(tmp_path, GOLD)
    rounds(driver, 1)
    answer(driver, "ann", ("holdout", "seed"))
    standing = rounds(driver, 2)
    assert standing.outstanding == 20
    assert status(driver)["waiting"] == [{"round": 1, "rows": 60, "waiting": 20}]
    answer(driver, "ann")
    assert rounds(driver, 1).history.records[-1].stop is not None


def test_rows_that_went_back_are_awaited(tmp_path: Path) -> None:
    driver = small(tmp_path, {"relabel": {"share": 0.5}}, batch_size=15)
    rounds(driver, 1)
    answer(driver, "ann")
    standing = rounds(driver, 1)
    again = standing.steps(SelectDone)[-1].extra_rows
    assert again > 0
    answer(driver, "ann")
    standing = rounds(driver, 1)
    assert standing.steps(SelectDone)[1].rows == 15 - again
    assert standing.history.records[-1].collect.outstanding == again


def test_a_rounds_summary_and_the_status_agree_on_all_that_is_awaited(tmp_path: Path) -> None:
    quality = TWICE | GOLD | {"relabel": {"share": 0.3}}
    driver = crew(tmp_path, quality, GOOD, crew={"each": 1})
    for number in (1, 2, 3):
        standing = rounds(driver, 1)
        told, found = summarise("fruit", standing.history.records[number - 1]), status(driver)
        assert told.outstanding == found["outstanding"] == sum(row["waiting"] for row in found["waiting"])


def test_no_more_rows_wait_than_may(tmp_path: Path) -> None:
    quality = {"overlap": {"share": 1.0, "annotators": 3}} | GOLD
    driver = crew(tmp_path, quality, GOOD, labeler=FILES, max_outstanding=25, batch_size=10)
    most = []
    for _ in range(4):
        most.append(rounds(driver, 1).outstanding)
        answer(driver, "ann")
    assert max(most) <= 25
    answer(driver, "bob")
    answer(driver, "cid")
    assert rounds(driver, 1).steps(SelectDone)[-1].rows == 0  # the holdout's rest goes first
    assert Standing(driver, driver.history()).outstanding <= 25


def test_further_answers_are_awaited_as_long_as_rows_are(tmp_path: Path) -> None:
    """Bob is asked, and there is no bob: after the campaign's patience nothing waits for him."""
    write_pool(tmp_path, rows=40)
    changes: dict[str, Any] = {"evaluation": {"holdout": 10}, "batch_size": 50}
    patient = rounds(crew(tmp_path, TWICE, {"ann": 1.0}, **changes), 3)
    assert (patient.outstanding, patient.history.records[-1].stop) == (40, None)
    hasty = crew(tmp_path, TWICE, {"ann": 1.0}, waiting={"expire_after_days": 1e-9}, **changes)
    standing = rounds(hasty, 1)
    assert (standing.outstanding, standing.awaited.total) == (0, 40)
    stopped = standing.history.records[-1].stop
    assert stopped is not None
    assert stopped.rule == "exhausted"


def test_what_went_to_a_labeler_before_is_awaited_from_as_many_as_that_one_asked(tmp_path: Path) -> None:
    write_pool(tmp_path)
    simulated = {"name": "simulated", "params": {"labels": "truth.parquet"}}
    three = {"name": "simulated", "params": {"labels": "truth.parquet", "annotators": 3}}
    standing = rounds(opened(tmp_path, simulated), 1)
    assert standing.awaited.total == 100
    standing = rounds(opened(tmp_path, three), 1)
    assert (standing.awaited.total, standing.outstanding) == (60, 20)
    standing = rounds(opened(tmp_path, FILES), 1)
    assert (standing.awaited.total, standing.outstanding) == (20, 20)


def opened(folder: Path, labeler: dict[str, Any]) -> Driver:
    return open_driver(write_campaign(folder, labeler=labeler))


Said = tuple[int, str, str, str]  # row, annotator, labeler, status


@st.composite
def desks(draw: st.DrawFn) -> tuple[list[Sent], list[list[Said]]]:
    """Draw batches of distinct rows, one gold, some rows that went back, and answers in later rounds."""
    ids = draw(st.permutations(range(8)))
    people = draw(st.lists(st.integers(1, 3), min_size=8, max_size=8))
    sent = [
        Sent(
            number, tables.as_ids(part, integer=True), np.array(many, np.int64), "gold" if number == 2 else ""
        )
        for number, part, many in (
            (1, ids[:4], people[:4]),
            (2, ids[4:6], people[4:6]),
            (3, ids[6:], people[6:]),
        )
    ]
    back = draw(st.sets(st.sampled_from(ids[:4])))
    sent.append(Sent.again(3, tables.as_ids(sorted(back), integer=True)))
    said = st.tuples(
        st.integers(0, 9),
        st.sampled_from(["ann", "bob", "cid"]),
        st.sampled_from(["files", "files", "llm"]),
        st.sampled_from([str(s) for s in Status]),
    ).map(lambda s: (s[0], "model", s[2], s[3]) if s[2] == "llm" else s)
    return sent, draw(st.lists(st.lists(said, max_size=6), max_size=6))


def stored(answers: Sequence[Sequence[Said]]) -> Table:
    return table_of(
        [
            [
                Annotation(row, "cat", who, labeler, status=Status(how), source=f"{number}.{place}")
                for place, (row, who, labeler, how) in enumerate(part)
            ]
            for number, part in enumerate(answers, 1)
        ]
    )


def expected(
    sent: Sequence[Sent], answers: Sequence[Sequence[Said]], audited: set[int]
) -> Counter[tuple[int, int]]:
    """Count, answer by answer, what is missing of each row of each round."""
    newest: dict[tuple[int, str], tuple[int, str, str]] = {}
    for number, part in enumerate(answers, 1):
        for row, who, labeler, how in part:
            newest[row, who] = (number, labeler, how)
    stands = {key: said for key, said in newest.items() if said[2] in ("labelled", "abstained")}
    missing: Counter[tuple[int, int]] = Counter()
    for batch in sent:
        for row, people in zip(batch.ids.to_pylist(), batch.people.tolist(), strict=True):
            machine = any(key[0] == row and said[1] == "llm" for key, said in stands.items())
            heard = [said[0] for key, said in stands.items() if key[0] == row and said[1] == "files"]
            if batch.purpose == "again":
                missing[row, batch.round] += not any(number > batch.round for number in heard)
            elif not machine or row in audited:
                missing[row, batch.round] += max(people - len(heard), 0)
    return +missing


@given(desks(), st.sets(st.integers(0, 9)))
def test_what_is_missing_is_what_was_asked_less_who_answered(
    desk: tuple[list[Sent], list[list[Said]]], audited: set[int]
) -> None:
    sent, answers = desk
    looked_at = tables.as_ids(sorted(audited), integer=True)
    found: Awaited = still_awaited(sent, stored(answers), looked_at)
    counted: Counter[tuple[int, int]] = Counter()
    for row, number, missing in zip(
        found.ids.to_pylist(), found.round.tolist(), found.answers.tolist(), strict=True
    ):
        counted[row, number] += missing
    assert counted == expected(sent, answers, audited)
    assert found.total == sum(counted.values())
    assert found.rows == len({row for row, _ in counted})


@pytest.mark.parametrize("integer", [True, False])
def test_nothing_is_awaited_where_nothing_was_asked(integer: bool) -> None:
    found = still_awaited([], table_of([], integer_ids=integer), tables.empty_ids(integer))
    assert (found.rows, found.total) == (0, 0)


def sure(rows: list[dict[str, Any]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Say something, as a machine does."""
    return [{"label": classes[int(row["id"]) % 2], "confidence": 1.0} for row in rows]


def test_what_a_route_lets_people_look_at_is_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pool(tmp_path, rows=40)
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    machine = {"name": "function", "params": {"path": "tests.quality_rounds.test_awaited:sure"}}
    told = {"labelers": [machine, FILES], "audit": 1.0, "holdout_to_people": False}
    route = {"name": "route", "params": told}
    driver = crew(tmp_path, None, GOOD, labeler=route, batch_size=50, evaluation={"holdout": 10})
    standing = rounds(driver, 3)
    assert (len(standing.labels), standing.outstanding) == (40, 40)
    answer(driver, "ann")
    last = rounds(driver, 1).history.records[-1]
    assert last.collect.outstanding == 0
    assert last.stop is not None


def test_rounds_of_an_earlier_version_can_be_read() -> None:
    """Their batches had no column `annotators`, and they did not keep how many people answer a row."""
    old = pa.table({"id": [1, 2], "rank": [1, 2]})
    assert people_of(tables.to_parquet(old)).to_pylist() == [
        {"id": 1, "annotators": None},
        {"id": 2, "annotators": None},
    ]
    done = {"round": 1, "writer": "w", "started_at": NOW, "finished_at": NOW, "rows": 2, "labeler": "files"}
    assert DispatchDone.model_validate(done).answers_per_row is None


def test_what_an_earlier_version_sent_to_another_labeler_waits_for_one_person(tmp_path: Path) -> None:
    write_pool(tmp_path)
    three = {"name": "simulated", "params": {"labels": "truth.parquet", "annotators": 3}}
    rounds(opened(tmp_path, FILES), 1)
    driver = opened(tmp_path, three)
    history = driver.history()
    record = history.records[0]
    assert record.dispatch is not None
    older = record.dispatch.model_copy(update={"answers_per_row": None})
    before = replace(history, records=(record.model_copy(update={"dispatch": older}),))
    assert Standing(driver, before).awaited.total == 100
    own = older.model_copy(update={"labeler": "simulated"})
    mine = replace(history, records=(record.model_copy(update={"dispatch": own}),))
    assert Standing(driver, mine).awaited.total == 300
