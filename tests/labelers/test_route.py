"""Who labels which row: what is taken from machines, what people get, and what is passed on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from lamplighter.labelers import LABELERS, files
from lamplighter.labelers.base import Desk, Status, Ticket
from tests.labelers import rules
from tests.labelers.routes import (
    FILES,
    FUNCTION,
    HOLDOUT,
    OTHER,
    SILENT,
    SURE,
    UNSURE,
    Campaign,
    asked_of_machines,
    by_status,
    function,
    people_answer,
    route,
    sent_to_people,
)
from tests.labelers.service import label_of

pytestmark = pytest.mark.usefixtures("trusted")


def test_what_is_sure_is_taken_and_the_rest_goes_to_people() -> None:
    at = Campaign(route())
    found = at.collect(4)
    assert by_status(found, Status.LABELLED) == {row: label_of(row) for row in SURE}
    assert by_status(found, Status.SUGGESTED) == {row: label_of(row) for row in UNSURE}
    assert sorted(sent_to_people(at.store)) == sorted(HOLDOUT | UNSURE | SILENT)
    taken = [said for said in found.annotations if said.status is Status.LABELLED]
    assert {(said.labeler, said.annotator, said.confidence) for said in taken} == {
        ("function", FUNCTION, 0.95)
    }
    assert len(SURE) > 2
    assert len(UNSURE) > 2
    assert len(SILENT) > 1


def test_people_get_the_rows_as_the_round_picked_them() -> None:
    at = Campaign(route(function(), {"name": "files", "params": {"outbox": "out", "show_prediction": True}}))
    at.collect(4)
    sheets = {key: data for key, data in at.store.objects.items() if key.startswith("out/")}
    assert [key.split("-")[1] for key in sheets] == ["000003", "000004"]
    lines = [json.loads(line) for line in list(sheets.values())[1].decode().splitlines()]
    wanted = [row for row in at.batch.rows if row.id in UNSURE | SILENT]
    shown = [{k: line[k] for k in ("id", "text", "size", "predicted", "confidence")} for line in lines]
    assert shown == [
        {"id": row.id, **row.display, "predicted": row.predicted, "confidence": 0.5} for row in wanted
    ]


def test_people_s_answers_come_and_nothing_is_asked_again() -> None:
    at = Campaign(route())
    at.collect(4)
    people_answer(at.store)
    before, calls = dict(at.store.objects), len(rules.calls)
    found = at.collect(5)
    people = {said.id for said in found.annotations if said.labeler == "files"}
    assert people == HOLDOUT | UNSURE | SILENT
    assert at.store.objects == before
    assert len(rules.calls) == calls == 3


def test_without_a_threshold_every_label_is_taken() -> None:
    at = Campaign(route(confidence=None, holdout_to_people=False))
    silent = {row for row in range(100, 120) if sum(map(ord, str(row))) % 6 == 0}
    assert set(by_status(at.collect(4), Status.LABELLED)) == set(range(100, 120)) - silent
    assert set(sent_to_people(at.store)) == silent


def test_a_threshold_is_met_by_what_is_as_sure() -> None:
    assert set(by_status(Campaign(route(confidence=0.95)).collect(4), Status.LABELLED)) == SURE
    assert by_status(Campaign(route(confidence=0.951)).collect(4), Status.LABELLED) == {}


def test_machines_in_turn_see_what_the_one_before_did_not_settle() -> None:
    at = Campaign(route(function(), function(OTHER), FILES))
    found = at.collect(4)
    second = {said.id for said in found.annotations if said.annotator == OTHER}
    assert set(asked_of_machines(at.store, 2)) == second == UNSURE | SILENT
    assert set(by_status(found, Status.LABELLED)) == SURE | UNSURE | SILENT
    assert set(by_status(found, Status.SUGGESTED)) == UNSURE
    assert set(sent_to_people(at.store)) == HOLDOUT


def test_machines_that_must_agree() -> None:
    at = Campaign(route(function(), function(OTHER), FILES, agreement=True))
    found = at.collect(4)
    agreed = {row for row in SURE if sum(map(ord, str(row))) % 2 == 0}
    assert set(asked_of_machines(at.store, 2)) == SURE | UNSURE | SILENT
    assert by_status(found, Status.LABELLED) == {row: label_of(row) for row in agreed}
    assert set(sent_to_people(at.store)) == HOLDOUT | ((SURE | UNSURE | SILENT) - agreed)
    suggested = [(said.id, said.annotator) for said in found.annotations if said.status is Status.SUGGESTED]
    expected = [(row, FUNCTION) for row in (SURE | UNSURE) - agreed]
    expected += [(row, OTHER) for row in (SURE | UNSURE | SILENT) - agreed]
    assert sorted(suggested) == sorted(expected)
    assert 0 < len(agreed) < len(SURE)


def test_rows_that_want_one_more_person_skip_the_machines() -> None:
    at = Campaign(route(holdout_to_people=False))
    rows = [
        replace(row, purpose="again", annotators=2, answered=1) if row.id == 110 else row
        for row in at.batch.rows
    ]
    at.batch = replace(at.batch, rows=tuple(rows))
    at.dispatch()
    assert sent_to_people(at.store) == [110]
    assert sorted(asked_of_machines(at.store)) == [i for i in range(100, 120) if i != 110]


# What it passes on


class Follower(files.Files):
    """Notes what it is told."""

    told: ClassVar[list[Any]] = []

    def refresh(self, rows: Any, tickets: Any, desk: Desk) -> int:
        self.told.append(("refresh", [row.id for row in rows], [t.batch for t in tickets]))
        return len(rows)

    def withdraw(self, ids: Any, tickets: Any, desk: Desk) -> Any:
        self.told.append(("withdraw", list(ids), [t.batch for t in tickets]))
        return list(ids)

    def finished(self, ticket: Ticket, desk: Desk) -> bool | None:
        return bool(desk.store.list("in/"))


def test_following_up_concerns_what_people_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LABELERS.builtin, "files", Follower)
    Follower.told.clear()
    at = Campaign(route())
    ticket = at.dispatch()
    assert at.labeler.finished(ticket, at.desk()) is None
    assert at.labeler.refresh(at.batch.rows, [ticket], at.desk()) == 4
    at.collect(4)
    mine = [row.id for row in at.batch.rows if row.id in HOLDOUT | UNSURE | SILENT]
    both = [f"{at.batch.id}-people-0", f"{at.batch.id}-people-1"]
    assert at.labeler.refresh(at.batch.rows, [ticket], at.desk()) == len(mine)
    assert at.labeler.withdraw(range(100, 120), [ticket], at.desk()) == mine
    assert Follower.told[1:] == [("refresh", mine, both), ("withdraw", mine, both)]
    assert at.labeler.finished(ticket, at.desk()) is False
    people_answer(at.store)
    assert at.labeler.finished(ticket, at.desk()) is True


def test_it_waits_for_people_alone() -> None:
    simulated = {"name": "simulated", "params": {"labels": "x.parquet", "annotators": 3}}
    assert not route().answers_by_itself
    assert not route().automated
    assert route(function(), simulated).answers_by_itself
    assert [route().answers_per_row, route(function(), simulated).answers_per_row] == [1, 3]
