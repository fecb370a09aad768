"""Small pools in every layout, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter.config import PoolConfig
from lamplighter.pool.storage import Storage

LayoutName = Literal["fixed_binary", "fixed_size_list", "list", "large_list", "columns"]
LAYOUTS: tuple[LayoutName, ...] = ("fixed_binary", "fixed_size_list", "list", "large_list", "columns")
EMBEDDING = "embedding"


def write_pool(
    folder: object,
    ids: Any,
    features: npt.NDArray[Any],
    *,
    layout: LayoutName = "fixed_binary",
    files: int = 1,
    row_group_rows: int = 65_536,
    extra: Mapping[str, Any] | None = None,
    compression: str = "none",
    dictionary: bool = False,
    **options: Any,
) -> PoolConfig:
    """Write a pool and give the configuration to read it.

    Parameters
    ----------
    folder
        A directory or any fsspec url; the files are part-00000.parquet and so on.
    ids
        (n,) integers or strings.
    features
        (n, D) of float16, float32 or float64; for "columns" of any numeric type.
    layout
        How the vectors are stored.
    files
        Number of files; rows are divided evenly, in their order.
    row_group_rows
        Rows of a row group.
    extra
        Other columns by name, (n,) each; they become the display columns.
    compression, dictionary, options
        For pyarrow.parquet.write_table.
    """
    columns, extra = feature_columns(features, layout), dict(extra or {})
    arrays = {"id": pa.array(ids), **columns, **{name: pa.array(v) for name, v in extra.items()}}
    said = {name: _metadata(features, layout) for name in columns}
    fields = [pa.field(name, array.type, metadata=said.get(name)) for name, array in arrays.items()]
    table = pa.table(list(arrays.values()), schema=pa.schema(fields))
    write_files(folder, split(table, files), row_group_size=row_group_rows, compression=compression,
                use_dictionary=dictionary, **options)  # fmt: skip
    names = tuple(columns)
    return PoolConfig(
        url=str(folder), id="id", features=names if layout == "columns" else names[0], display=tuple(extra)
    )


def feature_columns(features: npt.NDArray[Any], layout: LayoutName) -> dict[str, Any]:
    """Give a matrix as the columns of a layout: name -> pyarrow array."""
    features = np.ascontiguousarray(features)
    n, dim = features.shape
    if layout == "columns":
        return {f"x{j}": pa.array(features[:, j]) for j in range(dim)}
    if layout == "fixed_binary":
        width = dim * features.dtype.itemsize
        return {EMBEDDING: pa.Array.from_buffers(pa.binary(width), n, [None, pa.py_buffer(features)])}
    values = pa.array(features.reshape(-1))
    if layout == "fixed_size_list":
        return {EMBEDDING: pa.FixedSizeListArray.from_arrays(values, dim)}
    offsets = np.arange(n + 1) * dim
    if layout == "large_list":
        return {EMBEDDING: pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values)}
    return {EMBEDDING: pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)}


def write_files(folder: object, tables: Sequence[Any], **options: Any) -> None:
    """Write each table as a file part-NNNNN.parquet."""
    place = Storage.at(str(folder))
    names = [place.name(f"part-{i:05d}.parquet") for i in range(len(tables))]
    if place.local:
        place.fs.makedirs(place.root, exist_ok=True)
    for name, table in zip(names, tables, strict=True):
        with place.fs.open(name, "wb") as sink:
            pq.write_table(table, sink, **options)


def split(table: Any, files: int) -> list[Any]:
    """Divide the rows of a table evenly, in their order."""
    cuts = np.linspace(0, len(table), files + 1).astype(int)
    return [table.slice(a, b - a) for a, b in pairwise(cuts)]


def _metadata(features: npt.NDArray[Any], layout: LayoutName) -> dict[str, str] | None:
    if layout != "fixed_binary":
        return None
    return {"dtype": features.dtype.name, "dim": str(features.shape[1])}
