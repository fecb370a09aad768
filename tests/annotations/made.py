"""Annotations made by hypothesis, crowded together so that they collide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from lamplighter import annotations as annotation_table
from lamplighter.labelers.base import Annotation, Status

CLASSES = ("cat", "dog", "eel")
#: For laws over stored tables: files are written for each example, and the machine may be busy.
LAW = settings(deadline=None, max_examples=50)
START = datetime(2026, 1, 1, tzinfo=UTC)


def said(row: int | str, label: str | None, annotator: str = "ann", **more: Any) -> Annotation:
    """Give an annotation with the usual rest; no label means abstained."""
    status = Status.LABELLED if label else Status.ABSTAINED
    return Annotation(
        **{"id": row, "label": label, "annotator": annotator, "labeler": "files", "status": status, **more}
    )


def at(seconds: int) -> datetime:
    """Give a moment."""
    return START + timedelta(seconds=seconds)


def table_of(rounds: Sequence[Sequence[Annotation]], *, integer_ids: bool = True) -> Any:
    """Store one file per round, as a campaign does, and read them all."""
    files = [annotation_table.to_parquet(r, n, integer_ids) for n, r in enumerate(rounds, 1)]
    return pa.concat_tables([annotation_table.empty(integer_ids), *map(annotation_table.from_parquet, files)])


@st.composite
def an_answer(draw: st.DrawFn, *, integer_ids: bool = True) -> Annotation:
    """Give an annotation of one of four rows by one of three annotators."""
    row = draw(st.integers(-1, 2))
    status = draw(st.sampled_from([Status.LABELLED, Status.LABELLED, Status.LABELLED, *Status]))
    return Annotation(
        id=row if integer_ids else f"row {row}",
        label=draw(st.sampled_from(CLASSES)) if status is Status.LABELLED else None,
        annotator=draw(st.sampled_from(["a", "b", "c"])),
        labeler="files",
        created_at=draw(st.none() | st.integers(0, 3).map(at)),
        lead_time_s=draw(st.none() | st.sampled_from([1.0, 2.5])),
        status=status,
        source=draw(st.sampled_from(["", "x.csv:2", "x.csv:3"])),
        confidence=draw(st.sampled_from([None, 0.25, 1.0])),
    )


def rounds(*, integer_ids: bool = True) -> st.SearchStrategy[list[list[Annotation]]]:
    """Give up to four rounds of annotations."""
    return st.lists(st.lists(an_answer(integer_ids=integer_ids), max_size=12), max_size=4)
