"""Sampled: the answers that may measure others, since no earlier answer had a part in asking for them.

Rows go back for one more annotator because they are disputed or unsure. Measured with what comes then,
all rows look more settled, and their annotators worse, than they are; measured without these rows, people
look as if they hardly ever disagreed. So the rows stay, as they were before they went back first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import tables
from lamplighter.arrays import I64, RowIds
from lamplighter.standing import Standing


def first_answers(standing: Standing) -> Any:
    """Give the annotations that were collected before their row went back for one more annotator.

    A row goes back after its round has collected, so what came in that round or before is not owed to
    it; and only once all whom it was sent to are heard, so none of theirs comes later.
    """
    table, (back, first) = standing.annotations, _went_back(standing)
    if not len(back):
        return table
    place = tables.positions(tables.ids_of(table), back)
    before = table.column("round").to_numpy() <= first[place]
    return table.filter(pa.array(before | (place < 0)))


def sent_again(standing: Standing) -> list[tuple[int, Any]]:
    """Give the rounds that sent rows back for one more annotator, and those rows of their extra tables."""
    return [
        (number, table.filter(pc.equal(table.column("purpose"), "again")))
        for number, table in standing.extras
    ]


def _went_back(standing: Standing) -> tuple[RowIds, I64]:
    """Give the rows that ever went back, and the round in which each did first."""
    sent = [(number, tables.ids_of(table)) for number, table in sent_again(standing)]
    ids, row = tables.encoded(tables.concat_ids([part for _, part in sent], standing.integer_ids))
    first = np.full(len(ids), np.iinfo(np.int64).max)
    rounds = [np.full(len(part), number) for number, part in sent]
    np.minimum.at(first, row, np.concatenate([np.empty(0, np.int64), *rounds]))
    return ids, first
