"""Ids that stand on several rows of a pool: found exactly, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from lamplighter import rng
from lamplighter.arrays import U64, RowIds
from lamplighter.pool.reading import Pool, Shard

#: Bytes of hashes that the driver holds.
LIMIT_BYTES = 512 * 2**20
#: Ids given as examples.
SHOWN = 10
#: Repeated hashes of one pass whose ids are compared themselves.
COMPARED = 2**20
_KEY = rng.key(0, 0, "duplicates")
_WHOLE = 2**64

#: Calls function(shard, *args) for every shard and gives the results in any order.
MapShards = Callable[..., Iterable[Any]]


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes
    ----------
    ids
        The first few ids that stand on several rows: pyarrow int64 or large_string.
    count
        How many such ids there are.
    """

    ids: RowIds
    count: int


def in_turn(function: Callable[..., Any], shards: Sequence[Shard], *args: object) -> Iterator[Any]:
    """Call function(shard, *args) for every shard, here and one after the other."""
    return (function(shard, *args) for shard in shards)


def find_duplicates(
    pool: Pool, map_shards: MapShards = in_turn, limit_bytes: int = LIMIT_BYTES, shown: int = SHOWN
) -> Duplicates:
    """Find all ids that stand on several rows.

    The ids are hashed to 64 bits and the hashes compared, one range of hashes at a time, so that
    `limit_bytes` suffices however large the pool is: a pool of n rows takes 16 n / limit_bytes
    passes over its id column. Distinct integers have distinct hashes. Of strings with equal hashes the
    strings themselves are compared (only where one pass finds more than a million repeated hashes are
    they taken for repeated ids: the count may then be too high by the few that collide).

    Parameters
    ----------
    pool
        The pool.
    map_shards
        Calls function(shard, *args) for every shard and gives the results, in any order.
    limit_bytes
        Memory for hashes on the driver.
    shown
        How many ids to give as examples.
    """
    passes = max(1, -(-16 * pool.manifest.rows // limit_bytes))
    ids, count = pa.array([], _id_type(pool)), 0
    for number in range(passes):
        bounds = number * _WHOLE // passes, (number + 1) * _WHOLE // passes - 1
        suspects = _repeated(list(map_shards(hashes_in_range, pool.shards(), pool, *bounds)))
        if not len(suspects):
            continue
        certain = pool.manifest.id_kind == "int64" or len(suspects) > COMPARED
        compared = suspects[: shown - len(ids)] if certain else suspects
        found = _repeated_ids(pool, map_shards, compared) if len(compared) else ids.slice(0, 0)
        count += len(suspects) if certain else len(found)
        ids = pa.concat_arrays([ids, found.slice(0, max(0, shown - len(ids)))])
    return Duplicates(ids, count)


def hashes_in_range(shard: Shard, pool: Pool, low: int, high: int) -> U64:
    """Give the hashes of a shard's ids from `low` to `high`, sorted, repeated ones twice at most."""
    parts = [np.empty(0, np.uint64)]
    for block in pool.read(shard, features=False):
        hashes = rng.row_hash(block.ids, _KEY)
        parts.append(hashes[(hashes >= np.uint64(low)) & (hashes <= np.uint64(high))])
    hashes = np.concatenate(parts)
    hashes.sort()
    third = np.zeros(len(hashes), np.bool_)
    third[2:] = hashes[2:] == hashes[:-2]
    return hashes[~third]


def ids_of_hashes(shard: Shard, pool: Pool, hashes: U64) -> Any:
    """Count the ids of a shard that have one of some sorted hashes: pyarrow table of id and rows."""
    parts = [pa.array([], _id_type(pool))]
    for block in pool.read(shard, features=False):
        own = rng.row_hash(block.ids, _KEY)
        at = np.minimum(np.searchsorted(hashes, own), len(hashes) - 1)
        parts.append(block.ids.filter(pa.array(hashes[at] == own)))
    ids = pa.concat_arrays(parts)
    return _summed(pa.table({"id": ids, "rows": pa.array(np.ones(len(ids), np.int64))}))


def _repeated(parts: list[U64]) -> U64:
    hashes = np.concatenate(parts) if parts else np.empty(0, np.uint64)
    parts.clear()
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _repeated_ids(pool: Pool, map_shards: MapShards, hashes: U64) -> RowIds:
    """Give the ids of some hashes that stand on several rows, in the order of their hashes."""
    counted, waiting = None, []
    for part in map_shards(ids_of_hashes, pool.shards(), pool, hashes):
        waiting.append(part)
        if sum(map(len, waiting)) > COMPARED:
            counted, waiting = _summed(pa.concat_tables([*([counted] if counted else []), *waiting])), []
    whole = _summed(pa.concat_tables([*([counted] if counted else []), *waiting]))
    ids = whole.filter(pa.compute.greater(whole.column("rows"), 1)).column("id").combine_chunks()
    return ids.take(pa.array(np.argsort(rng.row_hash(ids, _KEY), kind="stable")))


def _summed(table: Any) -> Any:
    summed = table.group_by("id", use_threads=False).aggregate([("rows", "sum")])
    return summed.select(["id", "rows_sum"]).rename_columns(["id", "rows"])


def _id_type(pool: Pool) -> Any:
    return pa.int64() if pool.manifest.id_kind == "int64" else pa.large_string()
