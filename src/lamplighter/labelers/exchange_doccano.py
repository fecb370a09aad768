"""Files as doccano reads and writes them: text classification, JSONL.

A batch is imported as JSONL, with the display column to be read as "Column Data" and label as "Column
Label"; the rest becomes meta data, which an export repeats. ``row_id`` is the row's id, always as text:
doccano has ids of its own, and its export turns a column of numbers into fractions where one is missing.

An export of a project in which people share annotations is one file, all.jsonl; otherwise it is a zip of
one file for each member, called after them. In both a line has ``label``, a list of class names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lamplighter.labelers.answers import ANONYMOUS, Line
from lamplighter.labelers.base import Batch, Problem
from lamplighter.labelers.objects import decoded, objects
from lamplighter.labelers.sheets import json_lines, shown_columns

ROW_ID = "row_id"
_SHARED = "all"  #: the stem of an export without annotators
_RESERVED = frozenset({ROW_ID, "id", "label", "batch", "comments", "predicted", "confidence"})


def sheet(batch: Batch, *, show_prediction: bool = False) -> bytes:
    """Write a batch. The guess is never a label: doccano would take it for the importing member's own."""
    return json_lines(
        {
            ROW_ID: str(row.id),
            **shown_columns(row, show_prediction=show_prediction, reserved=_RESERVED),
            "label": [],
            "batch": batch.id,
        }
        for row in batch.rows
    )


def chosen(keys: Sequence[str]) -> Iterator[str | Problem]:
    """Give exports; a zip must be unpacked, since its files tell who answered."""
    for key in keys:
        if key.lower().endswith(".jsonl"):
            yield key
        else:
            yield Problem(key, "doccano's answers are read from .jsonl files; unpack a zip, export as JSONL")


def lines(key: str, data: bytes) -> Iterator[Line | Problem]:
    """Give the answers of an export: of everybody, or of the member that the file is called after."""
    stem = key.rpartition("/")[2].rpartition(".")[0]
    annotator = ANONYMOUS if stem == _SHARED else stem
    text = decoded(key, data)
    for found in [text] if isinstance(text, Problem) else objects(key, text):
        yield found if isinstance(found, Problem) else _line(*found, annotator)


def _line(where: str, cells: Mapping[str, object], annotator: str) -> Line | Problem:
    if ROW_ID not in cells:
        return Problem(where, f"no '{ROW_ID}': the row was not imported from a batch of this campaign")
    labels = cells.get("label")
    if not isinstance(labels, list):
        return Problem(where, f"label is a {type(labels).__name__}; a list of classes is needed")
    if len(labels) > 1:
        return Problem(
            where, f"{len(labels)} labels for one row, {_few(labels)}; let people choose one alone"
        )
    label = labels[0] if labels else None
    return Line(where, {"id": cells[ROW_ID], "label": label, "annotator": annotator})


def _few(labels: Sequence[object]) -> str:
    return ", ".join(repr(label)[:40] for label in labels[:3])
