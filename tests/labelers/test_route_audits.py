"""Rows that people label although a machine has: drawn at random, and overruled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lamplighter import annotations as annotation_table
from lamplighter.labelers.base import Status
from tests.labelers.routes import (
    FILES,
    OTHER,
    SURE,
    Campaign,
    by_status,
    function,
    labels,
    people_answer,
    route,
    sent_to_people,
    table_of,
)
from tests.labelers.service import label_of

pytestmark = pytest.mark.usefixtures("trusted")


def test_an_audited_row_is_taken_until_a_person_labels_it() -> None:
    at = Campaign(route(audit=1.0))
    first = at.collect(4)
    assert set(by_status(first, Status.LABELLED)) == SURE
    assert sorted(sent_to_people(at.store)) == list(range(100, 120))
    known = table_of(first)
    assert labels(known) == {row: label_of(row) for row in SURE}
    people_answer(at.store, rows=sorted(SURE)[:3])
    second = at.collect(5, known=known)
    gone = [said for said in second.annotations if said.status is Status.WITHDRAWN]
    assert {said.id for said in gone} == set(sorted(SURE)[:3])
    taken = {said.id: said.created_at for said in first.annotations if said.status is Status.LABELLED}
    assert all(said.created_at > taken[said.id] for said in gone)  # type: ignore[operator]  # taken ones have a time
    known = table_of(first, second)
    told = {row: "eel" if row in sorted(SURE)[:3] else label_of(row) for row in SURE}
    assert labels(known) == told
    assert annotation_table.new_only(at.collect(6, known=known).annotations, known) == []


def test_a_label_that_came_another_way_overrules_too() -> None:
    at = Campaign(route())
    first = at.collect(4)
    people_answer(at.store, rows=[min(SURE)])
    known = table_of(first, at.collect(5))
    at.store.objects.pop("in/answers.jsonl")
    assert labels(known)[min(SURE)] == "eel"
    gone = by_status(at.collect(6, known=known), Status.WITHDRAWN)
    assert list(gone) == [min(SURE)]


def test_a_person_who_abstains_overrules_nothing() -> None:
    at = Campaign(route(audit=1.0))
    at.collect(4)
    people_answer(at.store, label="__skip__")
    assert by_status(at.collect(5), Status.WITHDRAWN) == {}


def test_the_audit_is_a_random_share_that_does_not_hang_on_the_answers() -> None:
    ids = tuple(range(5000))
    at = Campaign(route(function(batch_rows=5000), FILES, audit=0.2, holdout_to_people=False), ids)
    taken = set(by_status(at.collect(4), Status.LABELLED))
    both = taken & set(sent_to_people(at.store))
    assert abs(len(both) / len(taken) - 0.2) < 4 * (0.2 * 0.8 / len(taken)) ** 0.5
    other = Campaign(route(function(OTHER, batch_rows=5000), FILES, audit=0.2, holdout_to_people=False), ids)
    assert set(sent_to_people(other.store)) & taken == set()
    other.collect(4)
    assert set(sent_to_people(other.store)) & taken == both


def test_each_batch_and_campaign_draws_its_own() -> None:
    at = Campaign(route(audit=0.5))
    ids, desk = range(200), at.desk()
    draws = [
        at.labeler.rule.audited("one", ids, desk),
        at.labeler.rule.audited("two", ids, desk),
        at.labeler.rule.audited("one", ids, replace(desk, campaign="other")),
    ]
    assert draws[0] == at.labeler.rule.audited("one", reversed(ids), desk)
    assert len({frozenset(draw) for draw in draws}) == 3
