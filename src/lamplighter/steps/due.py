"""Due: rows that nobody answered in time; they go out again before what the strategy picks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.arrays import I64, RowIds
from lamplighter.pool import Manifest
from lamplighter.rounds import CollectDone, SelectDone, TrainDone
from lamplighter.standing import Standing
from lamplighter.steps.predicting import predicted_columns, rows_of

_PLACE = ["file", "row_group", "row"]


def due_rows(standing: Standing) -> Any:
    """Give the rows that expired and are to be asked again, in the order in which they were asked.

    A table of id, place in the pool, and `asked_in`, the round that asked before. Rows of the holdout
    are not among them: it goes first anyway.
    """
    wanted = _still_due(standing)
    parts = [_asked_by(standing, done, wanted) for done in standing.steps(SelectDone)] if len(wanted) else []
    if not parts:
        return pa.table({"id": wanted} | {name: np.empty(0, np.int64) for name in (*_PLACE, "asked_in")})
    table = pa.concat_tables(parts).combine_chunks()
    _, row = tables.encoded(tables.ids_of(table))
    newest = np.full(len(table), -1)
    newest[row] = np.arange(len(table))  # of a row that expired twice the last place counts
    return table.take(pa.array(np.sort(newest[newest >= 0])))


def _still_due(standing: Standing) -> RowIds:
    """Give the expired rows that nobody has labelled or called gold since."""
    ids = standing.asked.due
    gone = tables.is_in(ids, standing.excluded_ids) | standing.may_be_holdout(ids)
    return ids.filter(pa.array(~gone))


def _asked_by(standing: Standing, done: SelectDone, wanted: RowIds) -> Any:
    """Give those of the wanted rows that a batch has; a pool only grows, so they lie where they lay."""
    table = tables.from_parquet(standing.read(done.batch)).select(["id", *_PLACE])
    table = table.filter(pa.array(tables.is_in(tables.ids_of(table), wanted)))
    was = next(c for c in standing.steps(CollectDone) if c.round == done.round)
    now = _places(Manifest.from_bytes(standing.read(was.manifest)), standing.pool.manifest)
    table = table.set_column(1, "file", pa.array(now[table.column("file").to_numpy()]))
    return table.append_column("asked_in", pa.array(np.full(len(table), done.round)))


def _places(was: Manifest, now: Manifest) -> I64:
    """Give each file of a manifest its position in a later one."""
    known = {file.path: place for place, file in enumerate(now.files)}
    return np.array([known[file.path] for file in was.files], np.int64)


def due_table(standing: Standing, due: Any) -> Any:
    """Give rows that are due as a batch's table has them, with what the round's model says of them."""
    done = standing.current(TrainDone)
    model, ids = standing.model(done), tables.ids_of(due)
    said = predicted_columns(model, rows_of(standing, ids).x) if model and len(ids) else {}
    columns = {
        "id": ids,
        "purpose": pa.array(["batch" if model else "seed"] * len(ids), pa.string()),
        "rank": pa.array(np.arange(1, len(ids) + 1, dtype=np.int32)),
        "model": pa.array([done.model.digest if done.model else None] * len(ids), pa.string()),
    }
    kept = {name: due.column(name) for name in (*_PLACE, "asked_in")}
    return pa.table(columns | kept | said)
