"""The pool: Parquet files below one url, what they hold, and how they are read."""

from __future__ import annotations

from lamplighter.pool.compacting import compact
from lamplighter.pool.duplicates import Duplicates, find_duplicates, in_turn
from lamplighter.pool.fetching import (
    Found,
    fetch_display,
    fetch_features,
    fetch_rows,
    find_ids,
    shards_that_may_hold,
)
from lamplighter.pool.layout import Layout
from lamplighter.pool.manifest import FileEntry, Manifest
from lamplighter.pool.reading import Pool, PoolBlock, Shard
from lamplighter.pool.taking import take_manifest

__all__ = [
    "Duplicates",
    "FileEntry",
    "Found",
    "Layout",
    "Manifest",
    "Pool",
    "PoolBlock",
    "Shard",
    "compact",
    "fetch_display",
    "fetch_features",
    "fetch_rows",
    "find_duplicates",
    "find_ids",
    "in_turn",
    "shards_that_may_hold",
    "take_manifest",
]
