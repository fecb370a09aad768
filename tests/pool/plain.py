"""The plain way to read a pool: whole tables, Python lists, one row after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter.arrays import F32
from lamplighter.config import PoolConfig
from lamplighter.pool import Pool, PoolBlock, take_manifest


def open_pool(config: PoolConfig) -> Pool:
    return Pool(config, take_manifest(config))


def blocks_of(pool: Pool, extra: tuple[str, ...] = ()) -> list[PoolBlock]:
    return [block for shard in pool.shards() for block in pool.read(shard, extra=extra)]


def features_of(blocks: list[PoolBlock]) -> F32:
    return np.concatenate([block.features for block in blocks if block.features is not None])


def ids_of(blocks: list[PoolBlock]) -> list[Any]:
    ids: list[Any] = pa.concat_arrays([block.ids for block in blocks]).to_pylist()
    return ids


def slow_features(config: PoolConfig) -> F32:
    """Row by row in Python, from what pyarrow's own reader gives."""
    rows: list[list[float]] = []
    pool = open_pool(config)
    for entry in pool.manifest.files:
        table = pq.ParquetFile(pool.storage.name(entry.path)).read()
        columns = [table.column(name).to_pylist() for name in config.feature_columns]
        if len(columns) == 1 and isinstance(columns[0][0], bytes):
            rows += [list(np.frombuffer(value, pool.manifest.dtype)) for value in columns[0]]
        elif len(columns) == 1 and isinstance(columns[0][0], list):
            rows += columns[0]
        else:
            rows += [list(row) for row in zip(*columns, strict=True)]
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float64).astype(np.float32)
