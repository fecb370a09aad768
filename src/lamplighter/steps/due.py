"""Due: rows that nobody answered in time; they go out again before what the strategy picks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.arrays import RowIds
from lamplighter.rounds import TrainDone
from lamplighter.standing import Standing
from lamplighter.steps.places import PLACE, places_of
from lamplighter.steps.predicting import predicted_columns, rows_of


def due_rows(standing: Standing) -> Any:
    """Give the rows that expired and are to be asked again, in the order in which they were asked.

    A table of id, place in the pool, and `asked_in`, the round that asked before. Rows of the holdout
    are not among them: it goes first anyway.
    """
    return places_of(standing, due_ids(standing))


def due_ids(standing: Standing) -> RowIds:
    """Give the ids of these rows: expired, and by nobody labelled or called gold since."""
    ids = standing.asked.due
    gone = tables.is_in(ids, standing.excluded_ids) | standing.may_be_holdout(ids)
    return ids.filter(pa.array(~gone))


def due_table(standing: Standing, due: Any) -> Any:
    """Give rows that are due as a batch's table has them, with what the round's model says of them."""
    done = standing.current(TrainDone)
    model, ids = standing.model(done), tables.ids_of(due)
    said = predicted_columns(model, rows_of(standing, ids), held=np.zeros(len(ids), bool)) if model else {}
    columns = {
        "id": ids,
        "purpose": pa.array(["batch" if model else "seed"] * len(ids), pa.string()),
        "rank": pa.array(np.arange(1, len(ids) + 1, dtype=np.int32)),
        "model": pa.array([done.model.digest if done.model else None] * len(ids), pa.string()),
    }
    kept = {name: due.column(name) for name in (*PLACE, "asked_in")}
    return pa.table(columns | kept | said)
