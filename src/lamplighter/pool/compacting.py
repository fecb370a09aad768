"""Rewriting a pool in the layout that is read fastest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter.arrays import F32
from lamplighter.config import PoolConfig
from lamplighter.errors import ConfigError, PoolError
from lamplighter.pool.manifest import Manifest
from lamplighter.pool.open_file import open_file
from lamplighter.pool.reading import Pool, PoolBlock
from lamplighter.pool.storage import Storage
from lamplighter.pool.taking import take_manifest
from lamplighter.progress import Progress, tell

ROW_GROUP_BYTES = 96 * 2**20
FILE_BYTES = 2**30


@dataclass(frozen=True)
class Target:
    """What is written.

    Attributes
    ----------
    url
        A directory or fsspec url that holds nothing yet.
    float16
        Whether vectors lose half their bits: half the bytes to read, and a little precision.
    row_group_bytes, file_bytes
        Sizes of row groups and files, in bytes of vectors.
    """

    url: str
    float16: bool = False
    row_group_bytes: int = ROW_GROUP_BYTES
    file_bytes: int = FILE_BYTES


def compact(
    config: PoolConfig,
    destination: str,
    *,
    float16: bool = False,
    row_group_bytes: int = ROW_GROUP_BYTES,
    file_bytes: int = FILE_BYTES,
) -> Manifest:
    """Rewrite a pool in the layout that is read fastest, in the same order of rows.

    Vectors become one required FIXED_LEN_BYTE_ARRAY column with dtype and dim in its metadata,
    uncompressed and without a dictionary: reading them is copying bytes. Several feature columns
    become one, called "features". Ids and display columns are compressed. float16 vectors stay
    float16, all others become float32. A null vector becomes NaN. Files appear whole or not at all;
    memory stays at a row group. Progress is told to whoever listens (`lamplighter.progress`).

    Parameters
    ----------
    config
        The pool to read. Its display columns are carried along, other columns are not.
    destination
        A directory or fsspec url that holds nothing yet.
    float16
        Whether to round vectors to float16: half the bytes to read.
    row_group_bytes, file_bytes
        Sizes of row groups and files, in bytes of vectors.

    Returns
    -------
    The manifest of the new pool.

    Raises
    ------
    ConfigError
        The destination holds something, or lies inside the pool.
    PoolError
        As for `take_manifest` and `Pool.read`; or a number is too large for float16.
    """
    target = Target(destination, float16, row_group_bytes, file_bytes)
    place = _empty_place(config, target)
    pool = Pool(config, take_manifest(config))
    schema = _schema(pool, target)
    for number, tables in enumerate(_files(pool, schema, target)):
        with _written_whole(place, f"part-{number:05d}.parquet") as sink, _writer(sink, schema) as writer:
            for table in tables:
                writer.write_table(table, row_group_size=len(table))
    written = PoolConfig(url=destination, id=config.id, features=_vector_name(config), display=config.display)
    return take_manifest(written)


def _empty_place(config: PoolConfig, target: Target) -> Storage:
    place, source = Storage.at(target.url), Storage.at(config.url)
    if place.fs.exists(place.root) and (held := place.fs.find(place.root)):
        raise ConfigError(
            f"the destination {target.url} is not empty: it holds {len(held)} files, for instance {held[0]}; "
            "give a new place, or remove what a stopped run left there"
        )
    if f"{place.url}/".startswith(f"{source.url.rstrip('/')}/"):
        raise ConfigError(
            f"the destination {target.url} lies inside the pool {config.url}; give another place"
        )
    return place


def _vector_name(config: PoolConfig) -> str:
    return config.feature_columns[0] if len(config.feature_columns) == 1 else "features"


def _schema(pool: Pool, target: Target) -> Any:
    config, manifest = pool.config, pool.manifest
    dtype = "float16" if target.float16 or manifest.dtype == "float16" else "float32"
    said = {"dtype": dtype, "dim": str(manifest.dim)}
    if len(manifest.features) > 1:
        said["columns"] = json.dumps(manifest.features)
    with open_file(pool.storage, config, manifest.files[0]) as file:
        given = file.metadata.schema.to_arrow_schema()
    ids = pa.int64() if manifest.id_kind == "int64" else pa.large_string()
    name = _vector_name(config)
    fields = [
        pa.field(config.id, ids, nullable=False),
        pa.field(name, pa.binary(np.dtype(dtype).itemsize * manifest.dim), nullable=False, metadata=said),
        *(given.field(column) for column in config.display),
    ]
    # In the file's own metadata as well: other tools than Arrow do not see a field's.
    return pa.schema(fields, metadata={f"{name}.{key}": value for key, value in said.items()})


def _writer(sink: Any, schema: Any) -> Any:
    vectors = schema.field(1).name
    others = [name for name in schema.names if name != vectors]
    return pq.ParquetWriter(
        sink,
        schema,
        compression={vectors: "none", **dict.fromkeys(others, "zstd")},
        use_dictionary=others[1:] or False,
        write_statistics=others,
        write_page_checksum=True,
    )


def _files(pool: Pool, schema: Any, target: Target) -> Iterator[Iterator[Any]]:
    """Give for each file to write the tables that become its row groups."""
    width = schema.field(1).type.byte_width
    tables = _row_groups(pool, schema, max(1, target.row_group_bytes // width))
    groups = max(1, target.file_bytes // target.row_group_bytes)
    for first in tables:
        yield _and_more(first, tables, groups - 1)


def _and_more(first: Any, tables: Iterator[Any], more: int) -> Iterator[Any]:
    yield first
    for _ in range(more):
        if (table := next(tables, None)) is None:
            return
        yield table


def _row_groups(pool: Pool, schema: Any, rows: int) -> Iterator[Any]:
    waiting: list[Any] = []
    held = 0
    for table in _tables(pool, schema):
        used = 0
        while held + len(table) - used >= rows:
            yield pa.concat_tables([*waiting, table.slice(used, rows - held)])
            used, waiting, held = used + rows - held, [], 0
        waiting.append(table.slice(used))
        held += len(table) - used
    if held:
        yield pa.concat_tables(waiting)


def _tables(pool: Pool, schema: Any) -> Iterator[Any]:
    shards, total, done = pool.shards(), pool.manifest.rows, 0
    for number, shard in enumerate(shards):
        for block in pool.read(shard, extra=pool.config.display):
            yield _table(block, schema, pool)
            done += len(block)
            tell(Progress("compacting", done, total, number + (done == total), len(shards)))


def _table(block: PoolBlock, schema: Any, pool: Pool) -> Any:
    field, shown = schema.field(1), block.extra
    if block.features is None:
        raise PoolError("a block without features cannot be compacted")
    vectors = _stored(block.features, field.metadata[b"dtype"].decode(), pool, block)
    column = pa.Array.from_buffers(field.type, len(block), [None, pa.py_buffer(vectors)])
    columns = [block.ids, column, *(shown.column(name) for name in pool.config.display)]
    return pa.table(columns, schema=schema)


def _stored(rows: F32, dtype: str, pool: Pool, block: PoolBlock) -> Any:
    with np.errstate(over="ignore"):
        stored = rows.astype(dtype, copy=False)
    if dtype == "float16":
        large = np.isinf(stored) & ~np.isinf(rows)
        if large.any():
            row = block.first_row + int(np.argmax(large.any(axis=1)))
            path = pool.storage.shown(pool.manifest.files[block.file].path)
            raise PoolError(
                f"{path}: row {row} of row group {block.row_group} holds {rows[large][0]:g}; float16 reaches "
                "to 65504: compact without float16, or scale the vectors"
            )
    return np.ascontiguousarray(stored)


@contextmanager
def _written_whole(place: Storage, path: str) -> Iterator[Any]:
    """Open a file for writing that appears under its name when the block ends well, or not at all."""
    if not place.local:
        sink = place.fs.open(place.name(path), "wb", autocommit=False)
        try:
            yield sink
            sink.close()
        except BaseException:
            with suppress(OSError):
                sink.discard()
            raise
        sink.commit()
        return
    os.makedirs(place.root, exist_ok=True)
    hidden = place.name(f".{path}.tmp")
    try:
        with open(hidden, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, place.name(path))
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(hidden)
        raise
