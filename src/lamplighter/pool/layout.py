"""From the columns of a Parquet batch to float32 rows, without a copy where the layout allows."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lamplighter.arrays import F32, Bools


class Layout(StrEnum):
    """How a pool stores its feature vectors."""

    FIXED_BINARY = "fixed_binary"  #: FIXED_LEN_BYTE_ARRAY, with dtype and dim in the metadata
    FIXED_SIZE_LIST = "fixed_size_list"  #: FixedSizeList<float>
    LIST = "list"  #: list<float> or large_list<float>, all of one length
    COLUMNS = "columns"  #: one plain numeric column per feature


class RaggedVectors(ValueError):
    """A vector of another length than the pool's."""

    def __init__(self, row: int, length: int) -> None:
        super().__init__(f"row {row} has {length} values")
        self.row = row
        self.length = length


def rows_of(layout: Layout, columns: Sequence[Any], dtype: str, dim: int) -> F32:
    """Give the feature columns of a batch as one matrix.

    Parameters
    ----------
    layout
        How the vectors are stored.
    columns
        pyarrow arrays of n rows: one, or for COLUMNS one per feature.
    dtype
        Numpy name of the stored numbers; not used for COLUMNS.
    dim
        D, length of the vectors.

    Returns
    -------
    (n, D) float32, C-contiguous. A view on the column where vectors lie there as float32 without
    nulls (then it is read-only). Rows and values that are null are NaN. Numbers beyond float32 are
    infinite.

    Raises
    ------
    RaggedVectors
        A list of another length than D.
    """
    if layout is Layout.COLUMNS:
        return _from_columns(columns)
    if layout is Layout.FIXED_BINARY:
        return _from_binary(columns[0], dtype, dim)
    if layout is Layout.FIXED_SIZE_LIST:
        array = columns[0]
        return _from_values(array, array.values.slice(array.offset * dim, len(array) * dim), dim)
    return _from_lists(columns[0], dim)


def as_float32(values: npt.NDArray[Any]) -> F32:
    """Convert to float32; what lies beyond its range becomes infinite, without a warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32, copy=False)


def _from_columns(columns: Sequence[Any]) -> F32:
    rows = np.empty((len(columns[0]), len(columns)), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for j, column in enumerate(columns):
            rows[:, j] = _numbers(column)
            if column.null_count:
                rows[~_known(column), j] = np.nan
    return rows


def _numbers(column: Any) -> npt.NDArray[Any]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if column.null_count:
        # Not pyarrow's way over float64: a row's last bit would depend on its neighbours' nulls.
        column = column.fill_null(pa.scalar(0, column.type))
    numbers: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return numbers


def _from_binary(array: Any, dtype: str, dim: int) -> F32:
    stored = np.dtype(dtype).newbyteorder("<")
    start = array.offset * dim * stored.itemsize
    flat = np.frombuffer(array.buffers()[1] or b"", stored, len(array) * dim, start)
    return _without_nulls(as_float32(flat).reshape(-1, dim), array)


def _from_values(array: Any, values: Any, dim: int) -> F32:
    """Give n * D values as rows; `array` says which rows are null."""
    flat = as_float32(values.to_numpy(zero_copy_only=False))
    return _without_nulls(flat.reshape(-1, dim), array)


def _from_lists(array: Any, dim: int) -> F32:
    lengths = np.diff(np.asarray(array.offsets))
    valid = _valid(array)
    wrong = (lengths != dim) if valid is None else (lengths != dim) & valid
    if wrong.any():
        row = int(np.argmax(wrong))
        raise RaggedVectors(row, int(lengths[row]))
    values = as_float32(array.flatten().to_numpy(zero_copy_only=False)).reshape(-1, dim)
    if valid is None:
        return values
    rows = np.full((len(array), dim), np.nan, np.float32)
    rows[valid] = values  # `flatten` leaves out the rows that are null
    return rows


def _without_nulls(rows: F32, array: Any) -> F32:
    valid = _valid(array)
    if valid is None:
        return rows
    rows = rows.copy()
    rows[~valid] = np.nan
    return rows


def _valid(array: Any) -> Bools | None:
    return _known(array) if array.null_count else None


def _known(array: Any) -> Bools:
    known: Bools = array.is_valid().to_numpy(zero_copy_only=False)
    return known
