"""The files labeler reads what people really send back."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.labelers.base import Annotation, Batch, BatchRow, Collected, Cursor, Desk, Status
from lamplighter.labelers.files import Files
from lamplighter.testing.labelers import CLASSES, batch
from tests.labelers.inbox import brief, collected
from tests.labelers.memory import MemoryStore, desk_of


def with_rows(*rows: BatchRow) -> Batch:
    return replace(batch(), rows=rows)


def test_an_answer_with_everything() -> None:
    cells = {
        "id": 7,
        "label": "cat",
        "annotator": "Ann",
        "created_at": "2026-03-01T10:30:00+01:00",
        "lead_time_s": 3.5,
    }
    (found,) = collected("\n" + json.dumps(cells) + "\n", name="a.jsonl").annotations
    assert found == Annotation(
        id=7,
        label="cat",
        annotator="Ann",
        labeler="files",
        created_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        lead_time_s=3.5,
        source="labeling/in/0/a.jsonl:2",
    )
    keys, row = ",".join(cells), ",".join(map(str, cells.values()))
    (same,) = collected(f"\r\n{keys}\r\n{row}\r\n").annotations
    assert same == replace(found, source="labeling/in/0/a.csv:3")


def test_times_without_a_zone_are_utc_and_no_time_stays_none() -> None:
    found = collected("id,label,created_at\n1,cat,2026-03-01 09:30:00\n2,cat,\n").annotations
    assert [a.created_at for a in found] == [datetime(2026, 3, 1, 9, 30, tzinfo=UTC), None]
    assert {a.annotator for a in found} == {"anonymous"}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffid,label\r\n1,cat\r\n2,dog\r\n",
        "note;Label; ID \n\n;cat;1\n;;;\nx;dog;2\n",
        "label\tid\tstatus\ncat\t1\t\ndog\t2\tlabelled\n",
        '"id","label"\r"1","cat"\r"2","dog"',
        "id,label,,\n1, cat ,,\n2,'dog,,\n3,,,\n",
        "id,label\n'1,cat\n' 2 ,dog\n",
    ],
    ids=["mark", "semicolons", "tabs", "old Mac", "padded", "guarded"],
)
def test_tolerance(text: str) -> None:
    found = collected(text)
    assert brief(found) == [(1, "cat"), (2, "dog")]
    assert found.problems == []


def test_jsonl_tolerance() -> None:
    text = (
        '\ufeff{"label": "cat", "id": "1", "more": [1]}\r\n\r\n{"id": 2, "label": "dog", "annotator": null}'
    )
    found = collected(text, name="A.JSONL")
    assert brief(found) == [(1, "cat"), (2, "dog")]
    assert found.problems == []


def test_numbers_as_classes_and_string_ids() -> None:
    store = MemoryStore()
    store.put("labeling/in/a.jsonl", b'{"id": 5, "label": 1}\n{"id": "05", "label": "-2"}\n')
    store.put("labeling/in/b.csv", b"id,label\n05,'-2\n'05,-2\n")
    desk = Desk(store, "campaign", ("1", "-2"), integer_ids=False)
    expected = [("5", "1"), ("05", "-2"), ("05", "-2"), ("05", "-2")]
    assert brief(Files().collect([], Cursor(1), desk)) == expected


def test_unanswered_skipped_and_withdrawn() -> None:
    found = collected(
        "id,label,status\n1,,\n2,__skip__,\n3,,abstained\n4,cat,Skipped\n5,,withdrawn\n6,dog,labelled\n"
    )
    assert [(a.id, a.label, a.status) for a in found.annotations] == [
        (2, None, Status.ABSTAINED),
        (3, None, Status.ABSTAINED),
        (4, None, Status.ABSTAINED),
        (5, None, Status.WITHDRAWN),
        (6, "dog", Status.LABELLED),
    ]
    assert found.problems == []


def problems(found: Collected) -> list[tuple[str, str]]:
    return [(p.where.removeprefix("labeling/in/0/"), p.what) for p in found.problems]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"id": 9, "label": "ca', "not a whole line of JSON"),
        ('{"id": 9, "label": "dgo"}', "unknown class 'dgo'; did you mean 'dog'"),
        ('{"id": "x9", "label": "cat"}', "id 'x9' is not a whole number"),
        ('{"id": 9.0, "label": "cat"}', "id '9.0' is not a whole number"),
        ('{"id": 9223372036854775808, "label": "cat"}', "is not a whole number of 64 bits"),
        ('{"id": true, "label": "cat"}', "id is a bool"),
        ('{"id": null, "label": "cat"}', "the id is empty"),
        ('{"label": "cat"}', "no 'id'; it has label"),
        ('{"id": 9, "lable": "cat"}', "no 'label'; it has id, lable"),
        ('{"id": 9, "label": ["cat"]}', "label is a list"),
        ('{"id": 9, "label": "cat", "label": "dog"}', "a key stands twice"),
        ('{"id": 9, "label": "cat", "lead_time_s": NaN}', "NaN is not JSON"),
        ('{"id": 9, "label": "cat", "lead_time_s": -1}', "no number of seconds"),
        ('{"id": 9, "label": "cat", "lead_time_s": 1e999}', "no number of seconds"),
        ('{"id": 9, "label": "cat", "created_at": "yesterday"}', "no ISO 8601 time"),
        ('{"id": 9, "label": "cat", "created_at": "0001-01-01T00:00:00+14:00"}', "no ISO 8601 time"),
        ('{"id": 9, "label": "cat", "status": "done"}', "unknown status 'done'"),
        ('{"id": 9, "label": "cat", "annotator": "\\ud800"}', "surrogate"),
        ("[9]", "a list where a JSON object is needed"),
        ("[" * 100_000, "not a whole line of JSON"),
        ('{"id": ' + "9" * 5000 + ', "label": "cat"}', "not a whole line of JSON"),
    ],
)
def test_a_bad_line_is_reported_and_the_others_are_taken(line: str, what: str) -> None:
    found = collected(f'{{"id": 1, "label": "cat"}}\n{line}\n{{"id": 2, "label": "dog"}}\n', name="a.jsonl")
    assert brief(found) == [(1, "cat"), (2, "dog")]
    ((where, reason),) = problems(found)
    assert where == "a.jsonl:2"
    assert what in reason


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("id,label\n1,cat\n9,dgo\n2,dog\n", "a.csv:3", "unknown class 'dgo'"),
        ("id,label\n1,cat\n9\n2,dog\n", "a.csv:3", "1 cells under a header of 2"),
        ("id,label\n1,cat\n9,dog,x\n2,dog\n", "a.csv:3", "3 cells under a header of 2"),
        ("id,label\n1,cat\n,eel\n2,dog\n", "a.csv:3", "the id is empty"),
        ("id,label\n1,cat\n1.2E+18,eel\n2,dog\n", "a.csv:3", "a spreadsheet may have changed it"),
        ('id,label\n1,cat\n9,"e"l\n2,dog\n', "a.csv:3", "not whole CSV"),
        ('id,label\n1,cat\n2,dog\n9,"eel\n\n', "a.csv:4", "not whole CSV, up to line 5"),
        ("id,label,annotator\n1,cat,\n2,dog,\n9,ee", "a.csv:4", "2 cells under a header of 3"),
        ("label,id\ncat,1\ndog,2\neel,9", "a.csv:4", "may be cut off"),
    ],
)
def test_a_bad_csv_line_is_reported_and_the_others_are_taken(text: str, where: str, what: str) -> None:
    found = collected(text)
    assert brief(found) == [(1, "cat"), (2, "dog")]
    ((found_where, reason),) = problems(found)
    assert found_where == where
    assert what in reason


def test_a_class_that_may_be_cut_off_is_left_until_the_line_ends() -> None:
    desk = Desk(MemoryStore(), "campaign", ("1", "10"))
    desk.store.put("labeling/in/a.csv", b"id,label\n7,10\n8,1")
    first = Files().collect([], Cursor(1), desk)
    assert brief(first) == [(7, "10")]
    assert "may be cut off" in first.problems[0].what
    desk.store.put("labeling/in/a.csv", b"id,label\n7,10\n8,10")
    assert brief(Files().collect([], Cursor(1), desk)) == [(7, "10"), (8, "10")]


@pytest.mark.parametrize(
    ("data", "name", "where", "what"),
    [
        (b"id,label\n1,c\xe4t\n", "a.csv", "a.csv:2", "not UTF-8"),
        ("id,label\n1,cat\n".encode("utf-16"), "a.csv", "a.csv:1", "not UTF-8"),
        (b"", "a.csv", "a.csv:1", "no column 'id'; it has nothing"),
        (b"row,label\n1,cat\n", "a.csv", "a.csv:1", "no column 'id'; it has row, label"),
        (b"id,label,LABEL\n1,cat,dog\n", "a.csv", "a.csv:1", "'label' twice"),
        (b"PK", "a.xlsx", "a.xlsx", ".jsonl and .csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_once(data: bytes, name: str, where: str, what: str) -> None:
    found = collected(data, name=name)
    assert found.annotations == []
    ((found_where, reason),) = problems(found)
    assert found_where == where
    assert what in reason


def test_uploads_on_their_way_and_empty_jsonl_are_nothing() -> None:
    for name in ("a.csv.part", "a.jsonl.TMP", "a.csv~", "a.jsonl"):
        assert collected(b"", name=name) == Collected([], [])


def test_a_repaired_line_is_taken_by_the_next_collect() -> None:
    desk = desk_of(MemoryStore())
    desk.store.put("labeling/in/a.jsonl", b'{"id": 1, "label": "cat"}\n{"id": 2, "lab')
    assert brief(Files().collect([], Cursor(1), desk)) == [(1, "cat")]
    desk.store.put("labeling/in/a.jsonl", b'{"id": 1, "label": "cat"}\n{"id": 2, "label": "dog"}\n')
    assert brief(Files().collect([], Cursor(2), desk)) == [(1, "cat"), (2, "dog")]


def test_cells_larger_than_the_usual_limit_are_read_and_the_limit_stays() -> None:
    usual = csv.field_size_limit()
    found = collected(f'id,text,label\n1,"{"x" * 300_000}",cat\n')
    assert brief(found) == [(1, "cat")]
    assert csv.field_size_limit() == usual


@given(st.binary(max_size=60), st.sampled_from(["a.csv", "a.jsonl"]))
def test_any_bytes_give_answers_or_problems_but_never_an_error(data: bytes, name: str) -> None:
    for text in (data, b"id,label\n" + data, b'{"id": 1, ' + data):
        found = collected(text, name=name)
        assert all(a.label in CLASSES or a.status is not Status.LABELLED for a in found.annotations)


def test_cut_anywhere_a_file_never_brings_a_wrong_answer() -> None:
    whole = "id,label,note\n" + "".join(f'{n},{CLASSES[n % 3]},"a, ""b""\n{n}"\n' for n in (10, 11, 112))
    truth = {n: CLASSES[n % 3] for n in (10, 11, 112)}
    for end in range(len(whole)):
        found = collected(whole[:end])
        assert all(truth[int(a.id)] == a.label for a in found.annotations)
    assert len(brief(collected(whole))) == 3
