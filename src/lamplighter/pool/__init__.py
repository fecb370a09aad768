"""The pool: Parquet files below one url, what they hold, and how they are read."""

from __future__ import annotations

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
    "FileEntry",
    "Found",
    "Layout",
    "Manifest",
    "Pool",
    "PoolBlock",
    "Shard",
    "fetch_display",
    "fetch_features",
    "fetch_rows",
    "find_ids",
    "shards_that_may_hold",
    "take_manifest",
]
