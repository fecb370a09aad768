"""Where rows that were asked about lie in the pool of the open round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.arrays import I64, RowIds
from lamplighter.pool import Manifest, fetch_display
from lamplighter.rounds import CollectDone, SelectDone
from lamplighter.standing import Standing

PLACE = ("file", "row_group", "row")
DISPLAY = "display."


def places_of(standing: Standing, ids: RowIds) -> Any:
    """Find rows of earlier batches, each once.

    A table of id, place in the pool and `asked_in`, the last round that asked about the row, in the
    order in which they were asked. Rows that no batch has are left out.
    """
    asked = (_asked_by(standing, done, ids) for done in standing.steps(SelectDone) if len(ids))
    if not (parts := [part for part in asked if part is not None]):
        nothing = {name: np.empty(0, np.int64) for name in (*PLACE, "asked_in")}
        return pa.table({"id": tables.empty_ids(standing.integer_ids), **nothing})
    table = pa.concat_tables(parts).combine_chunks()
    _, row = tables.encoded(tables.ids_of(table))
    newest = np.full(len(table), -1)
    newest[row] = np.arange(len(table))
    return table.take(pa.array(np.sort(newest[newest >= 0])))


def _asked_by(standing: Standing, done: SelectDone, wanted: RowIds) -> Any:
    """Give those of the wanted rows that a batch has, or None; a pool only grows: they lie where they lay."""
    table = tables.from_parquet(standing.read(done.batch)).select(["id", *PLACE])
    table = table.filter(pa.array(tables.is_in(tables.ids_of(table), wanted)))
    if not len(table):
        return None
    was = next(c for c in standing.steps(CollectDone) if c.round == done.round)
    now = _positions(Manifest.from_bytes(standing.read(was.manifest)), standing.pool.manifest)
    table = table.set_column(1, "file", pa.array(now[table.column("file").to_numpy()]))
    return table.append_column("asked_in", pa.array(np.full(len(table), done.round)))


def _positions(was: Manifest, now: Manifest) -> I64:
    """Give each file of a manifest its position in a later one."""
    known = {file.path: place for place, file in enumerate(now.files)}
    return np.array([known[file.path] for file in was.files], np.int64)


def display_columns(standing: Standing, table: Any) -> dict[str, Any]:
    """Give what is shown today of the rows of a table that have a place, as a batch's table has it."""
    if not standing.driver.campaign.pool.display:
        return {}
    shown = fetch_display(standing.pool, *locations(table))
    return {f"{DISPLAY}{name}": shown.column(name) for name in shown.column_names}


def locations(table: Any) -> tuple[I64, I64, I64]:
    """Give the file, row group and row of each row of a table."""
    file, row_group, row = (np.asarray(table.column(part).to_numpy(), dtype=np.int64) for part in PLACE)
    return file, row_group, row
