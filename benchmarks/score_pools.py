"""Pools for the score benchmark: the same rows in several layouts, written once and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import track

from lamplighter.arrays import F32, I64
from lamplighter.config import PoolConfig
from lamplighter.pool import Pool, take_manifest
from lamplighter.testing.pools import EMBEDDING, LayoutName, feature_columns

ROWS_PER_FILE = 524_288
ROWS_PER_GROUP = 131_072
SEED = 20240601
LAYOUTS: tuple[LayoutName, ...] = ("fixed_binary", "fixed_size_list", "columns")


@dataclass(frozen=True)
class Shape:
    """Size of a generated pool."""

    rows: int
    dim: int
    classes: int


def chunk(shape: Shape, number: int) -> tuple[I64, F32]:
    """Give ids and features of one file's rows: clouds around the class centres, the same every time."""
    start = number * ROWS_PER_FILE
    n = min(ROWS_PER_FILE, shape.rows - start)
    draws = np.random.default_rng([SEED, number])
    x = draws.standard_normal((n, shape.dim), dtype=np.float32)
    x += centres(shape)[draws.integers(0, shape.classes, n)]
    # An odd factor permutes the residues: unique ids that do not follow the order of the rows.
    return (np.arange(start, start + n) * 0x9E3779B1) % 2**40, x


def centres(shape: Shape) -> F32:
    """Give (C, D) float32 class centres, close enough that many rows are doubtful."""
    draws = np.random.default_rng(SEED)
    return (0.35 * draws.standard_normal((shape.classes, shape.dim))).astype(np.float32)


def chunks(shape: Shape) -> range:
    """Give the numbers of the files."""
    return range(-(-shape.rows // ROWS_PER_FILE))


def pool(folder: Path, shape: Shape, layout: LayoutName) -> Pool:
    """Give a pool of this shape and layout below `folder`; write it if it is not there."""
    home = folder / f"{layout}-{shape.rows}x{shape.dim}"
    stamp = home / "complete.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != asdict(shape):
        _write(home, shape, layout)
        stamp.write_text(json.dumps(asdict(shape)))
    names = tuple(f"x{j}" for j in range(shape.dim)) if layout == "columns" else EMBEDDING
    config = PoolConfig(url=str(home), glob="*.parquet", features=names)
    return Pool(config, take_manifest(config))


def _write(home: Path, shape: Shape, layout: LayoutName) -> None:
    home.mkdir(parents=True, exist_ok=True)
    for number in track(chunks(shape), f"writing {home.name}", transient=True):
        ids, x = chunk(shape, number)
        table = pa.table({"id": pa.array(ids), **feature_columns(x, layout)}, schema=_schema(x, layout))
        path = home / f"part-{number:05d}.parquet"
        pq.write_table(table, path, row_group_size=ROWS_PER_GROUP, compression="none", use_dictionary=False)


def _schema(x: F32, layout: LayoutName) -> Any:
    said = {"dtype": "float32", "dim": str(x.shape[1])} if layout == "fixed_binary" else None
    fields = [pa.field("id", pa.int64(), nullable=False)]
    for name, column in feature_columns(x[:1], layout).items():
        fields.append(pa.field(name, column.type, nullable=layout != "fixed_binary", metadata=said))
    return pa.schema(fields)


def labelled(shape: Shape, rows: int) -> Iterator[Any]:
    """Give features and labels to train on, drawn like the pool."""
    draws = np.random.default_rng([SEED, 10**6])
    labels = draws.integers(0, shape.classes, rows)
    x = draws.standard_normal((rows, shape.dim), dtype=np.float32) + centres(shape)[labels]
    yield from (x, labels.astype(np.int32))
