"""The files labeler writes what people can fill in, and reads what people really send back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Annotation, Batch, BatchRow, Collected, Cursor, Desk, Status
from lamplighter.labelers.files import Files
from lamplighter.labelers.sheets import RESERVED, id_cell, safe_cell, unguarded
from lamplighter.testing.labelers import CLASSES, batch
from tests.labelers.memory import MemoryStore, desk_of

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def sent(labeler: Files, out: Batch) -> bytes:
    """Dispatch, and give the file that went out."""
    store = MemoryStore()
    labeler.dispatch(out, desk_of(store))
    ((_, data),) = store.objects.items()
    return data


def table(data: bytes) -> list[list[str]]:
    """Read CSV by the standard library."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def collected(*texts: str | bytes, name: str = "a.csv", integer_ids: bool = True) -> Collected:
    """Put files into the inbox, and collect."""
    store = MemoryStore()
    for number, text in enumerate(texts):
        store.put(f"labeling/in/{number}/{name}", text.encode() if isinstance(text, str) else text)
    return Files().collect([], Cursor(5), desk_of(store, integer_ids=integer_ids))


def brief(found: Collected) -> list[tuple[Any, str | None]]:
    return [(a.id, a.label) for a in found.annotations]


def with_rows(*rows: BatchRow) -> Batch:
    return replace(batch(), rows=rows)


# What goes out


def test_jsonl_by_hand() -> None:
    lines = sent(
        Files(), with_rows(BatchRow(7, "holdout", 1, 0.5, "cat", (0.5, 0.25, 0.25), {"text": "ü\n"}))
    )
    assert lines.decode().endswith("\n")
    assert json.loads(lines) == {
        "id": 7,
        "text": "ü\n",
        "label": "",
        "annotator": "",
        "batch": "campaign-000003-0a1b2c3d",
    }


def test_csv_by_hand() -> None:
    row = BatchRow(7, "batch", 1, 0.5, "cat", (0.5, 0.25, 0.25), {"text": 'say "hi", ü\n', "size": 1.5})
    data = sent(Files(format="csv", show_prediction=True), with_rows(row))
    assert data.decode("utf-8") == (
        '\ufeff"id","text","size","predicted","confidence","label","annotator","batch"\r\n'
        '"7","say ""hi"", ü\n","1.5","cat","0.5","","","campaign-000003-0a1b2c3d"\r\n'
    )


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_a_holdout_row_looks_like_any_other(file_format: str) -> None:
    rows = [
        BatchRow(7, purpose, rank, score)
        for purpose, rank, score in [("holdout", 1, None), ("batch", 9, 0.5)]
    ]
    assert sent(Files(format=file_format), with_rows(rows[0])) == sent(
        Files(format=file_format), with_rows(rows[1])
    )


def test_the_guess_is_shown_only_on_request() -> None:
    assert b"predicted" not in sent(Files(), batch())
    assert b'"predicted": "dog", "confidence": 0.5' in sent(Files(show_prediction=True), batch())


def test_key_and_ticket() -> None:
    store = MemoryStore()
    ticket = Files(format="csv", outbox="to/people/").dispatch(batch(), desk_of(store))
    assert list(store.objects) == ["to/people/round-000003-campaign-000003-0a1b2c3d.csv"]
    assert ticket.params == {"key": "to/people/round-000003-campaign-000003-0a1b2c3d.csv"}


def test_a_batch_file_being_filled_in_is_never_overwritten() -> None:
    store = MemoryStore()
    ticket = Files().dispatch(batch(), desk_of(store))
    store.put(ticket.params["key"], b"half done")
    assert Files().dispatch(batch(), desk_of(store)) == ticket
    assert store.get(ticket.params["key"]) == b"half done"


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_display_columns_cannot_take_our_names(file_format: str) -> None:
    row = BatchRow(7, "batch", 1, display={"Label": "dog", "id": "x", "text": "y"})
    data = sent(Files(format=file_format), with_rows(row))
    found = json.loads(data) if file_format == "jsonl" else dict(zip(*table(data), strict=True))
    assert found["row.Label"] == "dog"
    assert found["row.id"] == "x"
    assert found["label"] == ""
    assert str(found["id"]) == "7"


def test_every_kind_of_display_value_can_be_written() -> None:
    values = {
        "nan": float("nan"),
        "none": None,
        "bytes": b"\x01\xff",
        "list": [1, (2.5, float("inf"))],
        "dict": {1: datetime(2026, 1, 2, tzinfo=UTC)},
        "set": frozenset({1}),
    }
    row = with_rows(BatchRow(7, "batch", 1, display=values))
    found = json.loads(sent(Files(), row))
    assert [found[name] for name in values] == [
        None,
        None,
        "01ff",
        [1, [2.5, None]],
        {"1": "2026-01-02T00:00:00+00:00"},
        "frozenset({1})",
    ]
    assert table(sent(Files(format="csv"), row))[1][1:7] == [
        "",
        "",
        "01ff",
        "[1, [2.5, null]]",
        '{"1": "2026-01-02T00:00:00+00:00"}',
        "frozenset({1})",
    ]


@pytest.mark.parametrize("start", [*FORMULA, " =", "＝", "\n="])
def test_formulas_are_neutralised(start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    row = BatchRow(f"{start}1", "batch", 1, display={"text": text, f"{start}name": "x"})
    header, cells = table(sent(Files(format="csv"), with_rows(row)))
    assert cells[:2] == [f"'{start}1", f"'{text}"]
    assert header[2] == f"'{start}name"


hostile = st.text(
    st.one_of(st.sampled_from("=+-@\t\r\n\"',;'\ufeff\0 01E"), st.characters(exclude_categories=["Cs"])),
    max_size=12,
)


@given(st.lists(hostile, min_size=1, max_size=6, unique=True), st.lists(hostile, min_size=6, max_size=6))
def test_hostile_cells_come_back_as_they_went(ids: list[str], cells: list[str]) -> None:
    ids = [row_id for row_id in ids if row_id] or ["x"]
    out = with_rows(
        *(BatchRow(i, "batch", 1, display={"text": cell}) for i, cell in zip(ids, cells, strict=False))
    )
    header, *rows = table(sent(Files(format="csv"), out))
    where = header.index("label")
    filled = io.StringIO()
    writer = csv.writer(filled)
    for row in [header, *([*row[:where], "dog", *row[where + 1 :]] for row in rows)]:
        assert not any(cell.startswith(FORMULA) for cell in row)
        writer.writerow(row)
    found = collected(filled.getvalue(), integer_ids=False)
    assert found.problems == []
    assert brief(found) == [(row_id, "dog") for row_id in ids]


@given(hostile, hostile)
def test_guards(text: str, row_id: str) -> None:
    assert unguarded(id_cell(row_id)) == row_id
    assert safe_cell(text) in (text, f"'{text}")
    assert not safe_cell(text).startswith(FORMULA)


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_survive(row_id: int) -> None:
    cell = id_cell(row_id)
    assert cell.startswith("'") or (len(cell) <= 15 and cell.isdigit())
    assert brief(collected(f"id,label\r\n{cell},cat\r\n")) == [(row_id, "cat")]


# What comes back


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


@given(st.text(st.sampled_from("id,label\n\r\"1cat;\t' "), max_size=60))
def test_cut_anywhere_a_file_never_brings_a_wrong_answer(noise: str) -> None:
    whole = "id,label,note\n" + "".join(f'{n},{CLASSES[n % 3]},"a, ""b""\n{n}"\n' for n in (10, 11, 112))
    truth = {n: CLASSES[n % 3] for n in (10, 11, 112)}
    for end in range(len(whole)):
        found = collected(whole[:end])
        assert all(truth[int(a.id)] == a.label for a in found.annotations)
    assert len(brief(collected(whole))) == 3


@pytest.mark.parametrize(
    "params",
    [
        {"format": "xlsx"},
        {"inbox": ""},
        {"inbox": "rounds/in"},
        {"inbox": "/in"},
        {"outbox": "../out"},
        {"inbox": "labeling"},
        {"outbox": "labeling/in/out"},
        {"inbox": "labeling/out"},
        {"inbocks": "x"},
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LABELERS.build("files", params)


def test_neighbouring_prefixes_are_fine() -> None:
    assert Files(outbox="labels", inbox="labels-in").inbox == "labels-in"


def test_reserved_names_are_those_that_are_written_or_read() -> None:
    header: Sequence[str] = table(
        sent(Files(format="csv", show_prediction=True), with_rows(BatchRow(1, "batch", 1)))
    )[0]
    assert set(header) <= RESERVED
