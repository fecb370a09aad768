"""The table's bytes, what counts as new, and the counts of the report."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import annotations as annotation_table
from lamplighter import tables
from lamplighter.annotations import Count, counts, from_parquet, new_only, paid, to_parquet
from lamplighter.errors import LabelError
from lamplighter.labelers.base import Annotation, Status
from tests.annotations.made import LAW, an_answer, at, rounds, said, table_of


@LAW
@given(st.lists(an_answer(), max_size=10))
def test_round_trip(answers: list[Annotation]) -> None:
    data = to_parquet(answers, 7, True)
    assert data == to_parquet(answers, 7, True)
    table = from_parquet(data)
    assert table.schema.equals(annotation_table.schema(True))
    back = [
        Annotation(**{k: v for k, v in row.items() if k != "round"} | {"status": Status(row["status"])})
        for row in table.to_pylist()
    ]
    assert back == answers
    assert set(table.column("round").to_pylist()) <= {7}


def test_times_are_stored_as_utc() -> None:
    east = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    naive = datetime(2026, 1, 1)
    table = from_parquet(to_parquet([said(1, "cat", created_at=t) for t in (east, naive)], 1, True))
    assert table.column("created_at").to_pylist() == [at(0), at(0)]


@pytest.mark.parametrize(("row", "integer"), [("x", True), (1, False), (2**63, True)])
def test_an_id_of_the_wrong_kind_is_refused(row: int | str, integer: bool) -> None:
    with pytest.raises(LabelError, match="ids are"):
        to_parquet([said(row, "cat")], 1, integer)


def test_a_foreign_file_is_named_for_what_it_lacks() -> None:
    table = annotation_table.empty(True)
    with pytest.raises(LabelError, match="lacks the columns \\['status'\\]"):
        from_parquet(tables.to_parquet(table.drop_columns(["status"])))
    wrong = table.drop_columns(["round"]).append_column("round", pa.array([], pa.list_(pa.int32())))
    with pytest.raises(LabelError, match="wrong type"):
        from_parquet(tables.to_parquet(wrong))


def test_columns_in_another_order_and_more_of_them_are_read() -> None:
    table = table_of([[said(1, "cat")]])
    other = table.select(table.column_names[::-1]).append_column("note", pa.array(["hm"]))
    assert from_parquet(tables.to_parquet(other)).equals(table)


def test_a_file_of_an_earlier_version_has_no_confidences() -> None:
    table = table_of([[said(1, "cat", confidence=0.5)]])
    old = from_parquet(tables.to_parquet(table.drop_columns(["confidence"])))
    assert old.column("confidence").to_pylist() == [None]
    both = pa.concat_tables([old, table])
    assert both.column("confidence").to_pylist() == [None, 0.5]


def test_another_confidence_is_no_other_answer() -> None:
    known = table_of([[said(1, "cat", created_at=at(0))]])
    assert new_only([said(1, "cat", created_at=at(0), confidence=0.9)], known) == []


# What is new


@LAW
@given(rounds(), st.lists(an_answer(), max_size=12))
def test_new_answers_are_those_not_stored(history: list[list[Annotation]], answers: list[Annotation]) -> None:
    known = {content(a) for answers in history for a in answers}
    fresh = new_only(answers, table_of(history))
    dated = [content(a) for a in fresh if a.created_at]
    expected = dict.fromkeys(content(a) for a in answers if a.created_at and content(a) not in known)
    assert dated == list(expected)
    assert {content(a) for a in answers} <= known | {content(a) for a in fresh}


@LAW
@given(st.lists(an_answer(), max_size=12))
def test_collecting_again_brings_nothing(answers: list[Annotation]) -> None:
    stored = [new_only(answers, annotation_table.empty(True))]
    for _ in range(2):
        stored.append(new_only(answers, table_of(stored)))
    # A source that says two things at once can be stored once more, so that its last word stands.
    assert stored[2] == []


def content(a: Annotation) -> tuple[object, ...]:
    return (a.id, a.label, a.annotator, a.labeler, a.created_at, a.lead_time_s, a.status)


def test_an_undated_answer_may_change_and_change_back() -> None:
    stored: list[list[Annotation]] = []
    for label in ("cat", "cat", "dog", "dog", "cat", "cat"):
        stored.append(new_only([said(1, label, source="x.csv:2")], table_of(stored)))
    assert [[a.label for a in r] for r in stored] == [["cat"], [], ["dog"], [], ["cat"], []]


def test_a_dated_answer_is_stored_once_however_often_it_comes() -> None:
    old, new = (said(1, label, created_at=at(t)) for t, label in enumerate(["cat", "dog"]))
    assert new_only([old, new, old], table_of([[old], [new]])) == []
    assert new_only([old, old], table_of([])) == [old]


def test_a_moved_line_or_a_copied_file_brings_nothing() -> None:
    known = table_of([[said(1, "cat", source="x.csv:2")]])
    copies = [said(1, "cat", source=source) for source in ("x.csv:3", "x (1).csv:2")]
    assert new_only(copies, known) == []


def test_an_old_undated_file_does_not_undo_a_newer_one() -> None:
    old, newer = said(1, "cat", source="b.csv:2"), said(1, "dog", source="a.csv:2")
    assert new_only([newer, old], table_of([[old], [newer]])) == []


# Counts


def test_counts_by_hand() -> None:
    history = [
        [said(1, "cat", "ann", lead_time_s=2), said(2, "dog", "bob", lead_time_s=5), said(3, None, "ann")],
        [said(4, "cat", "ann", lead_time_s=4)],
    ]
    table = table_of(history)
    assert paid(table) == 3
    assert counts(table, "annotator") == [Count("ann", 3, 2, 3.0), Count("bob", 1, 1, 5.0)]
    assert counts(table, "round") == [Count("1", 3, 2, 3.5), Count("2", 1, 1, 4.0)]
    assert counts(table, "labeler") == [Count("files", 4, 3, 4.0)]


def test_counts_without_lead_times_or_answers() -> None:
    assert counts(table_of([[said(1, "cat")]]), "annotator") == [Count("ann", 1, 1, None)]
    assert counts(annotation_table.empty(True), "annotator") == []
    assert paid(annotation_table.empty(True)) == 0


@LAW
@given(rounds())
def test_counts_add_up(history: list[list[Annotation]]) -> None:
    table = table_of(history)
    labels = [said for part in history for said in part if said.status is Status.LABELLED]
    for by in ("annotator", "round"):
        found = counts(table, "annotator" if by == "annotator" else "round")
        assert sum(c.answers for c in found) == len(table)
        assert sum(c.labelled for c in found) == len(labels)


@LAW
@given(rounds())
def test_a_label_that_is_given_again_is_paid_once(history: list[list[Annotation]]) -> None:
    who = {(a.id, a.annotator) for part in history for a in part if a.status is Status.LABELLED}
    assert paid(table_of(history)) == len(who)


def test_a_person_and_a_machine_of_one_name_are_both_paid() -> None:
    assert paid(table_of([[said(1, "cat", labeler="llm"), said(1, "cat")], [said(1, "dog")]])) == 2


def test_ids_that_cannot_be_of_the_pool_are_left_for_the_table_to_refuse() -> None:
    stored = table_of([[said(1, "cat")], [said(2, "dog")]])
    assert tables.about(stored, [2, 7]).column("id").to_pylist() == [2]
    assert tables.about(stored, ["2"]) is stored
    assert tables.about(stored, [2**70]) is stored
