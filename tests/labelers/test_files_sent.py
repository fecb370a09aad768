"""The files labeler writes what people can fill in and a spreadsheet cannot spoil."""

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
from lamplighter.labelers.base import Batch, BatchRow
from lamplighter.labelers.files import Files
from lamplighter.labelers.sheets import RESERVED, id_cell, safe_cell, unguarded
from lamplighter.testing.labelers import batch
from tests.labelers.inbox import brief, collected
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


def with_rows(*rows: BatchRow) -> Batch:
    return replace(batch(), rows=rows)


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
    key = "to/people/round-000003-campaign-000003-0a1b2c3d.csv"
    assert ticket.params == {"key": key, "inbox": "labeling/in", "layout": "plain"}


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


@pytest.mark.parametrize(("layout", "name"), [("plain", "id"), ("doccano", "row_id"), ("potato", "id")])
def test_each_further_person_gets_a_file_with_the_rows_that_want_them(layout: str, name: str) -> None:
    shown = {"text": "word"}
    rows = (
        BatchRow(1, "batch", 1, display=shown),
        BatchRow(2, "batch", 2, display=shown, annotators=2),
        BatchRow(3, "again", 1, display=shown, annotators=3, answered=2),
    )
    store = MemoryStore()
    Files(layout=layout).dispatch(with_rows(*rows), desk_of(store))
    stem = "labeling/out/round-000003-campaign-000003-0a1b2c3d"
    ids = {key: [json.loads(line)[name] for line in data.splitlines()] for key, data in store.objects.items()}
    wanted = {f"{stem}.jsonl": [1, 2], f"{stem}-person-2.jsonl": [2], f"{stem}-person-3.jsonl": [3]}
    assert {key: [int(i) for i in found] for key, found in ids.items()} == wanted
