"""What two ledgers must have in common, whatever happened to their drivers: all but times and writers."""

from __future__ import annotations

import json
from typing import Any

from lamplighter import tables
from lamplighter.annotations import from_parquet
from lamplighter.rounds import RoundRecord
from lamplighter.store.base import ObjectStore
from lamplighter.store.log import RoundLog

_TIMES = {"started_at", "finished_at", "committed_at", "created_at", "newest", "writer"}
#: Files with times in them, compared by content instead; and the campaign, whose digest covers its store.
_OTHER = {"ticket", "annotations", "campaign"}


def ledger(store: ObjectStore) -> list[dict[str, Any]]:
    """Give all committed rounds without times and writers, their files by digest."""
    return [_timeless(json.loads(r.model_dump_json())) for r in RoundLog(store).history().records]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in _TIMES | _OTHER}
    return [_timeless(v) for v in value] if isinstance(value, list) else value


def answers(store: ObjectStore) -> list[tuple[Any, ...]]:
    """Give every annotation that lies in the store, times left out, sorted."""
    found = []
    for key in store.list("annotations/"):
        table = from_parquet(store.get(key)).drop_columns(["created_at"])
        found += [tuple(row.values()) for row in table.to_pylist()]
    return sorted(found, key=repr)


def asked(store: ObjectStore) -> list[int]:
    """Give every row id of every committed batch, with repeats if there are any."""
    records: tuple[RoundRecord, ...] = RoundLog(store).history().records
    batches = [tables.from_parquet(store.get(r.select.batch.key)) for r in records if r.select]
    return [row for batch in batches for row in batch.column("id").to_pylist()]
