"""The shortlist as a Parquet table, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.arrays import F32
from lamplighter.strategies.base import Output, Shortlist

_COLUMNS = ("score", "tie", "file", "row_group", "row", "lane")


def shortlist_table(shortlist: Shortlist) -> Any:
    """Give the table: id, score, tie, file, row_group, row, lane, and each output as a list column."""
    columns = {"id": shortlist.ids} | {name: pa.array(getattr(shortlist, name)) for name in _COLUMNS}
    # In the order of the enumeration: that of a set of its members differs from process to process.
    outputs = {output: shortlist.outputs[output] for output in Output if output in shortlist.outputs}
    for output, values in outputs.items():
        columns[output.value] = tables.vector_column(
            values.reshape(len(values), int(np.prod(values.shape[1:])))
        )
    table = pa.table(columns)
    # A committee is (m, M, C); its list column is flat, so the shape goes beside it.
    shapes = {o.value: ",".join(map(str, v.shape[1:])) for o, v in outputs.items()}
    return table.replace_schema_metadata(shapes)


def read_shortlist(table: Any) -> Shortlist:
    """Give the shortlist that `shortlist_table` wrote."""
    shapes = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    outputs: dict[Output, F32] = {}
    for output in Output:
        if output.value in table.column_names:
            shape = tuple(int(n) for n in shapes[output.value].split(","))
            outputs[output] = tables.matrix(table.column(output.value)).reshape(-1, *shape)
    written = [name for name in _COLUMNS if name in table.column_names]  # the first format had no lanes
    values = {name: np.asarray(table.column(name).to_numpy()) for name in written}
    return Shortlist(ids=tables.ids_of(table), outputs=outputs, **values)
