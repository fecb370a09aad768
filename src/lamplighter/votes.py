"""From annotations to votes, and from votes to one label per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import rng, tables
from lamplighter.annotations import Table
from lamplighter.arrays import F64, I32, I64, RowIds
from lamplighter.errors import UnknownClass, unknown
from lamplighter.labelers.base import Status


@dataclass(frozen=True)
class Labels:
    """The consensus of every row that has a label.

    Attributes
    ----------
    ids
        (n,) row ids, ascending (strings by code point).
    label
        (n,) int32 positions in the campaign's classes.
    annotators
        (n,) int32 annotators whose vote counted.
    confidence
        (n,) float64 how sure the label is, 0 to 1; None where the method does not say.
    """

    ids: RowIds
    label: I32
    annotators: I32
    confidence: F64 | None = None

    def __len__(self) -> int:
        return len(self.ids)


def read_labels(table: Table, classes: Sequence[str]) -> Labels:
    """Read what `labels_table` wrote."""
    return Labels(
        ids=tables.ids_of(table),
        label=positions_of(table.column("label"), classes).astype(np.int32),
        annotators=table.column("annotators").to_numpy().astype(np.int32),
        confidence=table.column("confidence").to_numpy().astype(np.float64),
    )


def labels_table(labels: Labels, classes: Sequence[str]) -> Table:
    """Give a consensus as a table of id, label, annotators and confidence."""
    return pa.table(
        {
            "id": labels.ids,
            "label": pa.array(classes, pa.string()).take(pa.array(labels.label)),
            "annotators": labels.annotators,
            "confidence": pa.array(labels.confidence, pa.float64(), from_pandas=True),
        }
    )


def consensus(table: Table, classes: Sequence[str], *, seed: int = 0) -> Labels:
    """Join all answers into one label per row.

    1. Of each annotator's answers about a row the newest counts: by `created_at`, an answer without
       one being older than any with one; then by round; then by position in the table.
    2. An annotator whose newest answer abstains or withdraws has no vote.
    3. The class with most votes wins. Among tied classes a hash of the row id, keyed by the campaign's
       seed, decides, so that no class is favoured and a repeat decides alike.

    Rows without any vote are left out. The order of the rounds' files does not matter.

    Parameters
    ----------
    table
        n annotations. O(n log n) time, about 100 bytes of memory each.
    classes
        The campaign's classes.
    seed
        The campaign's seed.

    Raises
    ------
    UnknownClass
        A vote is for none of the classes.
    """
    votes = newest_with(table, Status.LABELLED)
    label = positions_of(votes.column("label"), classes)
    ids, row = tables.encoded(tables.ids_of(votes))
    ballots, count = np.unique(row * len(classes) + label, return_counts=True)
    ballot_row, ballot_class = np.divmod(ballots, max(1, len(classes)))
    most = np.zeros(len(ids), np.int64)
    np.maximum.at(most, ballot_row, count)
    tied = count == most[ballot_row]
    winner = one_of_each(ballot_row[tied], ids, seed)
    return Labels(
        ids=ids,
        label=ballot_class[tied][winner].astype(np.int32),
        annotators=np.bincount(row, minlength=len(ids)).astype(np.int32),
    )


def newest_answers(table: Table) -> I64:
    """Give the positions of each annotator's newest answer about each row."""
    _, row = tables.encoded(tables.ids_of(table))
    annotators, annotator = tables.encoded(table.column("annotator").combine_chunks())
    pair = row * max(1, len(annotators)) + annotator
    undated = np.iinfo(np.int64).min
    created = table.column("created_at").cast(pa.int64()).fill_null(undated).to_numpy()
    order = np.lexsort((table.column("round").to_numpy(), created, pair))
    last = np.flatnonzero(np.diff(pair[order], append=-1))
    return np.asarray(order[last], np.int64)


def newest_with(table: Table, *statuses: Status) -> Table:
    """Give each annotator's newest answer about each row, where it has one of some statuses."""
    newest = table.take(pa.array(newest_answers(table)))
    wanted = pa.array([str(status) for status in statuses])
    return newest.filter(pc.is_in(newest.column("status"), value_set=wanted))


def positions_of(labels: Any, classes: Sequence[str], where: str = "") -> I64:
    """Give the position of each label among the classes: (n,) int64; UnknownClass for a stranger.

    `where` opens the error's message: "quality.gold: ".
    """
    found = pc.index_in(labels, value_set=pa.array(classes, pa.string()))
    if found.null_count:
        strange = labels.filter(pc.is_null(found))[0].as_py()
        if strange is None:
            raise UnknownClass(
                f"{where}a row has no label (null); every row needs one of {list(classes)[:10]}"
            )
        raise UnknownClass(f"{where}{unknown('class', str(strange), classes)}")
    return np.asarray(found.to_numpy(), np.int64)


def one_of_each(row: I64, ids: RowIds, seed: int) -> I64:
    """Give one position per row of (t,) ascending row numbers, by the keyed hash of the row's id."""
    first = np.flatnonzero(np.diff(row, prepend=-1))
    size = np.diff(first, append=len(row))
    draws = rng.row_hash(ids, rng.key(seed, 0, "consensus"))
    return first + (draws % size.astype(np.uint64)).astype(np.int64)
