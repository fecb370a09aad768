"""The table of annotations: what was answered, which of it is new, and how much there is of it.

All answers stay in the store for ever; what a row's label is follows from them (`votes`). One Parquet
file per round, columns in this order:

============  ========================  =========================================================
id            int64 | large_string      row id, as in the pool
label         string, null              one of the campaign's classes; null unless labelled or suggested
annotator     string                    who answered
labeler       string                    registered name of the back-end
created_at    timestamp[us, UTC], null  when it was answered; null where the back-end does not say
lead_time_s   float64, null             seconds spent
status        string                    labelled, abstained, withdrawn or suggested
source        string                    where the back-end keeps this answer
round         int32                     the round that collected it
confidence    float64, null             0 to 1, where known; files of earlier versions lack the column
============  ========================  =========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import tables
from lamplighter.errors import LabelError
from lamplighter.labelers.base import Annotation, Status

#: A pyarrow table of the schema above. (pyarrow ships no types.)
Table: TypeAlias = Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = (
    pa.field("label", pa.string()),
    pa.field("annotator", pa.string(), nullable=False),
    pa.field("labeler", pa.string(), nullable=False),
    pa.field("created_at", pa.timestamp("us", tz="UTC")),
    pa.field("lead_time_s", pa.float64()),
    pa.field("status", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("round", pa.int32(), nullable=False),
    pa.field("confidence", pa.float64()),
)


@dataclass(frozen=True)
class Count:
    """What came from one annotator, or in one round."""

    name: str
    answers: int  #: of any status
    labelled: int
    median_lead_time_s: float | None  #: None where no answer has a lead time


def schema(integer_ids: bool) -> Any:
    """Give the table's schema, with ids as in the pool."""
    id_type = pa.int64() if integer_ids else pa.large_string()
    return pa.schema([pa.field("id", id_type, nullable=False), *_FIELDS])


def empty(integer_ids: bool) -> Table:
    """Give a table of no annotations."""
    return schema(integer_ids).empty_table()


def to_parquet(annotations: Sequence[Annotation], round_number: int, integer_ids: bool) -> bytes:
    """Write annotations as a Parquet file; equal annotations give equal bytes.

    Raises
    ------
    LabelError
        An id or another field does not fit the schema.
    """
    columns: dict[str, list[Any]] = {
        "id": [a.id for a in annotations],
        "label": [a.label for a in annotations],
        "annotator": [a.annotator for a in annotations],
        "labeler": [a.labeler for a in annotations],
        "created_at": [_micros(a.created_at) for a in annotations],
        "lead_time_s": [a.lead_time_s for a in annotations],
        "status": [str(a.status) for a in annotations],
        "source": [a.source for a in annotations],
        "round": [round_number] * len(annotations),
        "confidence": [a.confidence for a in annotations],
    }
    try:
        return tables.to_parquet(pa.table(columns, schema=schema(integer_ids)))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        kind = "integers" if integer_ids else "strings"
        raise LabelError(f"annotations do not fit their table, whose ids are {kind}: {error}") from error


def from_parquet(data: bytes) -> Table:
    """Read what `to_parquet` wrote, by us or by somebody else.

    Raises
    ------
    LabelError
        A column is missing or has another type.
    """
    table = tables.from_parquet(data)
    if "confidence" not in table.column_names:
        table = table.append_column("confidence", pa.nulls(len(table), pa.float64()))
    missing = [name for name in ("id", *(f.name for f in _FIELDS)) if name not in table.column_names]
    if missing:
        raise LabelError(f"the annotation file lacks the columns {missing}; it has {table.column_names}")
    wanted = schema(pa.types.is_integer(table.schema.field("id").type))
    try:
        return table.select(wanted.names).cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise LabelError(f"a column of the annotation file has the wrong type: {error}") from error


def _micros(moment: datetime | None) -> int | None:
    """Give microseconds since 1970; a time without a zone is UTC."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


#: An answer without its source: collected from two places, it is still one answer.
_Answer: TypeAlias = tuple[object, ...]


def new_only(collected: Sequence[Annotation], known: Table) -> list[Annotation]:
    """Give the collected annotations that are not stored yet, each once, in their order.

    An answer is stored if one with the same id, label, annotator, labeler, time, lead time and status
    is; its source and confidence do not count, so a copied answer file, or one whose lines have moved, brings
    nothing new. A back-end without times says the same again when an answer is changed and changed
    back; so the last undated answer from a source is also new when the newest stored one from that
    source differs.
    """
    stored, current = set(), {}
    for place, answer in _stored(tables.about(known, [a.id for a in collected])):
        stored.add(answer)
        current[place] = answer
    last = {_place(a): _answer(a) for a in collected}
    fresh: list[Annotation] = []
    for annotation in collected:
        place, answer = _place(annotation), _answer(annotation)
        back = annotation.created_at is None and last[place] == answer != current.get(place, answer)
        if answer not in stored or back:
            fresh.append(annotation)
            stored.add(answer)
            current[place] = answer
    return fresh


def _place(a: Annotation) -> _Answer:
    return (a.id, a.annotator, a.labeler, a.source)


def _answer(a: Annotation) -> _Answer:
    return (a.id, a.annotator, a.labeler, a.label, _micros(a.created_at), a.lead_time_s, str(a.status))


def _stored(known: Table) -> Iterator[tuple[_Answer, _Answer]]:
    """Give (place, answer) of every stored annotation, oldest round first."""
    table = known.take(pc.sort_indices(known, sort_keys=[("round", "ascending")]))
    micros = table.column("created_at").cast(pa.int64())
    names = ("id", "annotator", "labeler", "source", "label", "lead_time_s", "status")
    columns = [table.column(name).to_pylist() for name in names]
    for row in zip(*columns, micros.to_pylist(), strict=True):
        row_id, annotator, labeler, source, label, lead, status, created = row
        place = (row_id, annotator, labeler, source)
        yield place, (row_id, annotator, labeler, label, created, lead, status)


def paid(table: Table) -> int:
    """Give the number of answers that cost money: those that brought a label.

    An annotator is paid once for a row, however often the label was changed, also if it was withdrawn.
    """
    labelled = table.filter(pc.equal(table.column("status"), str(Status.LABELLED)))
    return len(labelled.group_by(["id", "annotator", "labeler"]).aggregate([]))


def counts(table: Table, by: Literal["annotator", "labeler", "round"]) -> list[Count]:
    """Count answers and take the median lead time per annotator, labeler or round, in their order."""
    names, group = tables.encoded(table.column(by).combine_chunks())
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(1, len(names)))
    labelled = np.asarray(pc.equal(table.column("status"), str(Status.LABELLED)))
    lead = table.column("lead_time_s").to_numpy().astype(np.float64)
    return [
        Count(str(name), len(rows), int(labelled[rows].sum()), _median(lead[rows]))
        for name, rows in zip(names.to_pylist(), np.split(order, edges), strict=False)
    ]


def _median(seconds: Any) -> float | None:
    known = seconds[np.isfinite(seconds)]
    return float(np.median(known)) if len(known) else None
