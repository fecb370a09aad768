"""Reading a pool in blocks that stay small, however large its row groups are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter.arrays import F32, RowIds
from lamplighter.config import PoolConfig
from lamplighter.errors import PoolSchemaError
from lamplighter.pool.columns import plain_table
from lamplighter.pool.manifest import Manifest
from lamplighter.pool.open_file import OpenFile, open_file
from lamplighter.pool.storage import Storage
from lamplighter.pool.vectors import all_vectors, batch_vectors, block_rows, page_vectors

#: Decoded bytes of a shard: large enough that a task's overhead does not count, small enough that
#: work spreads evenly and a lost task costs little.
SHARD_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Shard:
    """The unit of scoring: some row groups of one file, and the rows they hold."""

    file: int
    row_groups: tuple[int, ...]
    rows: int


@dataclass(frozen=True)
class PoolBlock:
    """Some rows of the pool, in their order.

    Attributes
    ----------
    ids
        (n,) pyarrow int64 or large_string array without nulls.
    features
        (n, D) float32, C-contiguous; never write to it, it may be a view on the file's bytes. None
        if they were not asked for.
    file, row_group, first_row
        Where the first row lies: position of the file in the manifest, row group, row within it.
    extra
        pyarrow table of the other columns asked for.
    """

    ids: RowIds
    features: F32 | None
    file: int
    row_group: int
    first_row: int
    extra: Any

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Pool:
    """A pool as its manifest says it is; immutable, picklable, opens files only while it reads them."""

    config: PoolConfig
    manifest: Manifest
    storage: Storage

    def __init__(self, config: PoolConfig, manifest: Manifest) -> None:
        object.__setattr__(self, "config", config)
        object.__setattr__(self, "manifest", manifest)
        object.__setattr__(self, "storage", Storage.at(config.url))

    def shards(self, target_bytes: int = SHARD_BYTES) -> tuple[Shard, ...]:
        """Cut the pool into shards of about so many decoded bytes; no row group is divided."""
        target = max(1, target_bytes // (4 * self.manifest.dim + 8))
        return tuple(
            Shard(f, groups, rows)
            for f, file in enumerate(self.manifest.files)
            for groups, rows in _cut(file.rows, target)
        )

    def read(
        self, shard: Shard, features: bool = True, extra: tuple[str, ...] = (), *, reuse: bool = False
    ) -> Iterator[PoolBlock]:
        """Read a shard block by block.

        Parameters
        ----------
        shard
            From `shards`.
        features
            Whether to read the feature vectors.
        extra
            Other columns to read.
        reuse
            Whether the features of a block may be overwritten by the next block: for whoever is done
            with one before asking for the next. Memory that stays in place costs no page faults,
            which are half of all work where the allocator gives it back after every block.

        Yields
        ------
        PoolBlock, at least one row each, in the order of the file.

        Raises
        ------
        PoolChanged
            The file is not the one of the manifest any more.
        PoolFileError
            The file cannot be read.
        PoolSchemaError
            An id is null or too large, a vector has another length than the others, or there is no
            column of that name.
        """
        with open_file(self.storage, self.config, self.manifest.files[shard.file]) as file:
            for row_group in shard.row_groups:
                for first, batch, x in self._row_group(file, row_group, features, extra, reuse=reuse):
                    ids = self._ids(batch.column(self.config.id), file, row_group, first)
                    yield PoolBlock(ids, x, shard.file, row_group, first, _table(batch, extra))
            file.verify()

    def vectors(self, shard: Shard, *, reuse: bool = False) -> Iterator[F32]:
        """Read a shard's features alone, block by block: (n, D) float32. Parameters, errors: as `read`."""
        with open_file(self.storage, self.config, self.manifest.files[shard.file]) as file:
            for row_group in shard.row_groups:
                yield from all_vectors(file, self.manifest, row_group, reuse)
            file.verify()

    def read_all(self, extra: tuple[str, ...]) -> tuple[RowIds, F32, Any]:
        """Read all rows, of a pool that fits in memory: ids, features and a table of other columns."""
        blocks = [block for shard in self.shards() for block in self.read(shard, extra=extra)]
        return (
            pa.concat_arrays([block.ids for block in blocks]),
            np.concatenate([block.features for block in blocks if block.features is not None]),
            pa.concat_tables([plain_table(block.extra) for block in blocks]),
        )

    def _row_group(
        self, file: OpenFile, row_group: int, features: bool, extra: tuple[str, ...], *, reuse: bool
    ) -> Iterator[tuple[int, Any, F32 | None]]:
        """Give (first row, batch, features) one after the other."""
        names = (self.config.id, *extra)
        if not features:
            yield from ((first, batch, None) for first, batch in file.batches(row_group, names))
            return
        manifest, needed = self.manifest, (*names, *self.config.feature_columns)
        small_reads, rows = file.prefetch(row_group, needed), block_rows(manifest.dim)
        pages = page_vectors(file, manifest, row_group, reuse) if small_reads else None
        if pages is not None:
            for first, batch in file.batches(row_group, names, rows):
                yield first, batch, pages.take(batch.num_rows)
            return
        for first, batch in file.batches(row_group, needed, rows):
            yield first, batch, batch_vectors(batch, file, manifest, (row_group, first))

    def _ids(self, column: Any, file: OpenFile, row_group: int, first: int) -> RowIds:
        if column.null_count:
            row = first + int(np.argmin(column.is_valid().to_numpy(zero_copy_only=False)))
            raise PoolSchemaError(
                f"{file.shown}: the id of row {row} in row group {row_group} is null; every row needs an id"
            )
        wanted = pa.int64() if self.manifest.id_kind == "int64" else pa.large_string()
        try:
            return column.cast(wanted)
        except pa.ArrowInvalid as error:
            raise PoolSchemaError(
                f"{file.shown}: an id in row group {row_group} does not fit into {wanted}: {error}"
            ) from error


def _cut(rows: tuple[int, ...], target: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Group successive row groups up to `target` rows; empty ones belong to nobody."""
    group: list[int] = []
    for g, n in enumerate(rows):
        if group and sum(rows[i] for i in group) + n > target:
            yield tuple(group), sum(rows[i] for i in group)
            group = []
        if n:
            group.append(g)
    if group:
        yield tuple(group), sum(rows[i] for i in group)


def _table(batch: Any, names: tuple[str, ...]) -> Any:
    return pa.table({name: batch.column(name) for name in names})
