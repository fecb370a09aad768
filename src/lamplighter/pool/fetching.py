"""Single rows of the pool: by where they lie, or by their ids."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from lamplighter.arrays import F32, I32, I64, RowIds
from lamplighter.errors import PoolError
from lamplighter.pool.columns import plain_table
from lamplighter.pool.footer import Id
from lamplighter.pool.manifest import FileEntry
from lamplighter.pool.open_file import OpenFile, open_file
from lamplighter.pool.reading import Pool, PoolBlock, Shard
from lamplighter.pool.vectors import some_vectors

#: Row groups fetched at once from far away: while one is decoded, the next one comes.
THREADS = 2
#: Rows decoded at once: few, since most are thrown away again.
BATCH_ROWS = 4096

T = TypeVar("T")
Positions = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Found:
    """Rows of the pool that have one of the ids looked for.

    Attributes
    ----------
    ids
        (n,) their ids.
    file, row_group, row
        (n,) where they lie: position of the file in the manifest, row group, row within it.
    features
        (n, D) float32.
    """

    ids: RowIds
    file: I32
    row_group: I32
    row: I64
    features: F32


def fetch_rows(
    pool: Pool, file: Positions, row_group: Positions, row: Positions, *, columns: Sequence[str]
) -> Any:
    """Read some columns of rows by location.

    Parameters
    ----------
    pool
        The pool whose manifest the locations refer to.
    file, row_group, row
        (m,) as a PoolBlock or a Shortlist gives them; the same row may come twice.
    columns
        Names of the columns.

    Returns
    -------
    pyarrow table of m rows, in the order asked for. Each row group is read once.

    Raises
    ------
    PoolError
        There is no such row, or PoolChanged, PoolFileError, PoolSchemaError as for `Pool.read`.
    """
    groups, back = _by_row_group(pool, file, row_group, row)
    if not groups:
        return _nothing(pool, tuple(columns))
    parts = _for_each(pool, groups, lambda opened, places: _rows_of_group(opened, places, tuple(columns)))
    return pa.concat_tables(parts).take(pa.array(back)).combine_chunks()


def fetch_features(pool: Pool, file: Positions, row_group: Positions, row: Positions) -> F32:
    """Read the feature vectors of m rows by location: (m, D) float32 in the order asked for."""
    groups, back = _by_row_group(pool, file, row_group, row)
    parts = _for_each(
        pool,
        groups,
        lambda opened, places: some_vectors(opened, pool.manifest, int(places[0, 1]), places[:, 2]),
    )
    found: F32 = np.concatenate([np.empty((0, pool.manifest.dim), np.float32), *parts])[back]
    return found


def fetch_display(pool: Pool, file: Positions, row_group: Positions, row: Positions) -> Any:
    """Read the display columns of m rows by location: a pyarrow table in the order asked for."""
    return fetch_rows(pool, file, row_group, row, columns=pool.config.display)


def shards_that_may_hold(pool: Pool, ids: RowIds, target_bytes: int | None = None) -> tuple[Shard, ...]:
    """Give the shards in which some of the ids may lie, as far as the footers tell.

    Row groups whose range of ids holds none of them are left out.
    """
    shards = pool.shards() if target_bytes is None else pool.shards(target_bytes)
    wanted = sorted(ids.to_pylist())
    kept = (_pruned(pool.manifest.files[shard.file], shard, wanted) for shard in shards)
    return tuple(shard for shard in kept if shard.row_groups)


def find_ids(shard: Shard, pool: Pool, ids: RowIds) -> Found:
    """Find rows of a shard by id: a pure function, to be mapped over the shards.

    Only the ids are read first; features only of row groups in which there is something.

    Parameters
    ----------
    shard, pool
        Where to look.
    ids
        (m,) ids of the pool's kind, distinct, in any order.
    """
    found, places = [ids.slice(0, 0)], [np.empty((0, 3), np.int64)]
    for block in pool.read(shard, features=False) if len(ids) else ():
        hits = np.flatnonzero(pa.compute.is_in(block.ids, value_set=ids).to_numpy(zero_copy_only=False))
        found.append(block.ids.take(pa.array(hits)))
        places.append(_places(block, hits))
    where = np.concatenate(places)
    file, row_group, row = where.T
    return Found(
        ids=pa.concat_arrays(found),
        file=file.astype(np.int32),
        row_group=row_group.astype(np.int32),
        row=row,
        features=fetch_features(pool, file, row_group, row),
    )


def _places(block: PoolBlock, hits: I64) -> I64:
    place = np.empty((len(hits), 3), np.int64)
    place[:] = (block.file, block.row_group, block.first_row)
    place[:, 2] += hits
    return place


def _pruned(entry: FileEntry, shard: Shard, wanted: list[Any]) -> Shard:
    groups = tuple(g for g in shard.row_groups if _may_hold(entry.id_min[g], entry.id_max[g], wanted))
    return Shard(shard.file, groups, sum(entry.rows[g] for g in groups))


def _may_hold(low: Id | None, high: Id | None, wanted: list[Any]) -> bool:
    if low is None or high is None:
        return bool(wanted)
    at = bisect_left(wanted, low)
    return at < len(wanted) and bool(wanted[at] <= high)


def _check_places(pool: Pool, wanted: I64) -> None:
    for f, g, r in wanted:
        files = pool.manifest.files
        if not (0 <= f < len(files) and 0 <= g < len(files[f].rows) and 0 <= r < files[f].rows[g]):
            raise PoolError(
                f"the manifest of {pool.config.url} knows no row {r} in row group {g} of file {f}"
            )


def _by_row_group(pool: Pool, file: Positions, row_group: Positions, row: Positions) -> tuple[list[I64], I64]:
    """Give the distinct places, sorted, one (m, 3) array per row group; and for each row its place."""
    wanted = np.column_stack([np.asarray(part, np.int64) for part in (file, row_group, row)]).reshape(-1, 3)
    _check_places(pool, wanted)
    places, back = np.unique(wanted, axis=0, return_inverse=True)
    starts = np.flatnonzero(np.any(np.diff(places[:, :2], axis=0, prepend=-1), axis=1))
    return np.split(places, starts[1:]) if len(places) else [], back.reshape(-1)


def _for_each(pool: Pool, groups: list[I64], function: Callable[[OpenFile, I64], T]) -> list[T]:
    """Call a function with the open file and the places of each row group."""

    def one(places: I64) -> T:
        with open_file(pool.storage, pool.config, pool.manifest.files[places[0, 0]]) as opened:
            result = function(opened, places)
            opened.verify()
        return result

    if pool.storage.local:
        return list(map(one, groups))
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, groups))


def _rows_of_group(opened: OpenFile, places: I64, columns: tuple[str, ...]) -> Any:
    row_group, rows = int(places[0, 1]), places[:, 2]
    opened.prefetch(row_group, columns)
    parts = []
    for first, batch in opened.batches(row_group, columns, BATCH_ROWS):
        low, high = np.searchsorted(rows, [first, first + batch.num_rows])
        if low < high:
            parts.append(batch.take(pa.array(rows[low:high] - first)))
    return plain_table(pa.Table.from_batches(parts))


def _nothing(pool: Pool, columns: tuple[str, ...]) -> Any:
    with open_file(pool.storage, pool.config, pool.manifest.files[0]) as opened:
        opened.check_names(columns)
        return plain_table(opened.metadata.schema.to_arrow_schema().empty_table().select(list(columns)))
