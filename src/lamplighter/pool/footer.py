"""The footer of a Parquet file: read with one or two requests, checked, and summed up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter.config import PoolConfig
from lamplighter.errors import PoolFileError
from lamplighter.pool.storage import Listed, Storage

#: Bytes read from the end of a file at first; most footers fit in.
TAIL_BYTES = 64 * 2**10
#: Bytes of feature data that enter a file's digest.
SAMPLE_BYTES = 4 * 2**10
_MAGIC = b"PAR1"
_REMEDY = "write it again, or move it out of the pool"

Id = int | str


@dataclass(frozen=True)
class Footer:
    """What a file says about itself.

    Attributes
    ----------
    metadata
        pyarrow.parquet.FileMetaData.
    digest
        Hash of the footer's bytes.
    names
        Top-level columns.
    """

    metadata: Any
    digest: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class RowGroups:
    """The row groups of a file, one element each: rows, stored bytes of id and features, range of ids."""

    rows: tuple[int, ...]
    stored_bytes: tuple[int, ...]
    id_min: tuple[Id | None, ...]
    id_max: tuple[Id | None, ...]


@lru_cache(maxsize=32)
def cached_footer(storage: Storage, file: Listed) -> Footer:
    """Read a footer, or remember it: the shards of one file are often read by one worker."""
    return read_footer(storage, file)


def read_footer(storage: Storage, file: Listed) -> Footer:
    """Read and check a file's footer; raises PoolFileError, naming the file."""
    where = storage.shown(file.path)
    if file.size < 12:
        raise PoolFileError(f"{where}: {file.size} bytes are no Parquet file; {_REMEDY}")
    tail = storage.read(file.path, max(0, file.size - TAIL_BYTES), file.size)
    if tail[-4:] != _MAGIC:
        kind = "is encrypted, which we cannot read" if tail[-4:] == b"PARE" else "is truncated or not Parquet"
        raise PoolFileError(f"{where}: it {kind} (it ends in {tail[-4:]!r}, not {_MAGIC!r}); {_REMEDY}")
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if length > file.size - 4:
        raise PoolFileError(f"{where}: it is truncated: a footer of {length} bytes in {file.size}; {_REMEDY}")
    if length > len(tail):
        tail = storage.read(file.path, file.size - length, file.size)
    footer = tail[-length:]
    try:
        metadata = pq.read_metadata(pa.BufferReader(footer))
        names = tuple(metadata.schema.to_arrow_schema().names)
    except (pa.ArrowException, OSError) as error:
        raise PoolFileError(f"{where}: its footer cannot be read: {error}; {_REMEDY}") from error
    _check_extent(metadata, file.size - length, where)
    return Footer(metadata, blake2b(footer, digest_size=16).hexdigest(), names)


def content_digest(storage: Storage, file: Listed, config: PoolConfig, footer: Footer) -> str:
    """Give a digest that changes with the footer and with the first feature values.

    The footer alone would not do: new vectors of the same rows, uncompressed and without statistics,
    leave it as it was.
    """
    digest = blake2b(footer.digest.encode(), digest_size=16)
    if footer.metadata.num_rows:
        first = leaves(footer.metadata, config.feature_columns)[0]
        start, size = extent(footer.metadata.row_group(0).column(first))
        digest.update(storage.read(file.path, start, start + min(size, SAMPLE_BYTES)))
    return digest.hexdigest()


def row_groups(metadata: Any, config: PoolConfig) -> RowGroups:
    """Sum up the row groups of a file."""
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    needed = leaves(metadata, (config.id, *config.feature_columns))
    limits = [_limits(group.column(needed[0])) for group in groups]
    return RowGroups(
        rows=tuple(group.num_rows for group in groups),
        stored_bytes=tuple(sum(group.column(c).total_compressed_size for c in needed) for group in groups),
        id_min=tuple(low for low, _ in limits),
        id_max=tuple(high for _, high in limits),
    )


def leaves(metadata: Any, names: tuple[str, ...]) -> list[int]:
    """Give the positions of the column chunks that hold some columns, in the order of the names."""
    found: dict[str, list[int]] = {name: [] for name in names}
    for at in range(metadata.num_columns):
        parts = metadata.schema.column(at).path.split(".")  # names may hold dots, too
        for name in {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & found.keys():
            found[name].append(at)
    return [at for name in found for at in found[name]]


def chunk_ranges(metadata: Any, row_group: int, names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Give the byte ranges of a row group's chunks of some columns: sorted, neighbours joined."""
    group = metadata.row_group(row_group)
    joined: list[tuple[int, int]] = []
    for start, size in sorted(extent(group.column(c)) for c in leaves(metadata, names)):
        if joined and start - joined[-1][1] <= 64 * 2**10:
            joined[-1] = (joined[-1][0], max(joined[-1][1], start + size))
        else:
            joined.append((start, start + size))
    return joined


def extent(chunk: Any) -> tuple[int, int]:
    """Give where a column chunk starts, and its bytes."""
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        start = min(start, chunk.dictionary_page_offset)
    return start, chunk.total_compressed_size


def _limits(chunk: Any) -> tuple[Id, Id] | tuple[None, None]:
    try:
        found = chunk.statistics
        if found is not None and found.has_min_max and isinstance(found.min, (int, str)):
            return found.min, found.max
    except (UnicodeDecodeError, pa.ArrowException):
        pass  # a writer may cut long strings anywhere
    return None, None


def _check_extent(metadata: Any, end: int, where: str) -> None:
    """Refuse a file whose footer speaks of bytes that are not there."""
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        # Writers put the chunks of a row group one behind the other.
        start, size = extent(group.column(group.num_columns - 1)) if group.num_columns else (0, 0)
        if start < 0 or size < 0 or start + size > end:
            raise PoolFileError(
                f"{where}: it is truncated: row group {g} reaches to byte {start + size}, "
                f"the data only to {end}; {_REMEDY}"
            )
