"""Parquet in the ledger: matrices as FixedSizeList columns, ids beside them, equal bytes for equal rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from lamplighter.arrays import F32, I64, Bools, RowIds

#: (n,) ids -> position among other ids, -1 where absent.
Positions = I64


def vector_column(matrix: F32) -> Any:
    """Give (n, D) float32 as a pyarrow FixedSizeList column, without a copy of contiguous input."""
    flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def matrix(column: Any) -> F32:
    """Give a FixedSizeList float32 column as (n, D) float32."""
    width = column.type.list_size
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [c.flatten().to_numpy(zero_copy_only=False).reshape(-1, width) for c in chunks]
    whole: F32 = np.concatenate(parts) if parts else np.empty((0, width), np.float32)
    return whole.astype(np.float32, copy=False)


def ids_of(table: Any, name: str = "id") -> RowIds:
    """Give an id column as one array, int64 or large_string."""
    return as_ids(table.column(name).combine_chunks())


def as_ids(values: Any, integer: bool | None = None) -> RowIds:
    """Give ids (pyarrow or a Python sequence) as the int64 or large_string array used everywhere."""
    array = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if integer is None:
        integer = pa.types.is_integer(array.type)
    return array.cast(pa.int64() if integer else pa.large_string())


def empty_ids(integer: bool) -> RowIds:
    """Give no ids, of the pool's kind."""
    return pa.array([], pa.int64() if integer else pa.large_string())


def positions(ids: RowIds, among: RowIds) -> Positions:
    """Give for each id its position in `among` (distinct), or -1."""
    found = pa.compute.index_in(ids, value_set=among)
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)


def is_in(ids: RowIds, among: RowIds) -> Bools:
    """Give for each id whether `among` holds it: (n,) bool."""
    return np.asarray(pa.compute.is_in(ids, value_set=among).to_numpy(zero_copy_only=False), dtype=bool)


def encoded(values: Any) -> tuple[Any, I64]:
    """Give the distinct values ascending, and the position of each value among them: (n,) int64."""
    encoded = values.dictionary_encode()
    order = pa.compute.sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), place[encoded.indices.to_numpy()]


def about(table: Any, ids: list[int | str]) -> Any:
    """Give the rows of a table whose id is among some; all where those cannot be ids of this table."""
    try:
        wanted = pa.array(ids, table.schema.field("id").type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return table
    return table.filter(pa.compute.is_in(table.column("id"), value_set=wanted))


def concat_ids(parts: list[RowIds], integer: bool) -> RowIds:
    """Join id arrays, also none."""
    return pa.concat_arrays(parts) if parts else empty_ids(integer)


def to_parquet(table: Any) -> bytes:
    """Write a table as Parquet bytes; the same table gives the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


def from_parquet(data: bytes) -> Any:
    """Read a table from Parquet bytes, page checksums verified."""
    return pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
