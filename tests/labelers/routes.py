"""Routes over a function and people who exchange files or are simulated, on a store in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from lamplighter import annotations as annotation_table
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Collected, Cursor, Desk, Status, Ticket
from lamplighter.labelers.route import Route
from lamplighter.store.base import ObjectStore
from lamplighter.testing.labelers import CLASSES, batch
from lamplighter.votes import consensus
from tests.labelers.memory import MemoryStore

FUNCTION = "tests.labelers.rules:sure_of_two_in_three"
OTHER = "tests.labelers.rules:of_another_mind"
FILES: dict[str, Any] = {"name": "files", "params": {"outbox": "out", "inbox": "in"}}
Id = int | str
#: The first four rows of the batch are of the holdout; of the rest, what the function does with a row.
HOLDOUT = set(range(100, 104))
KIND = {row: sum(map(ord, str(row))) % 6 for row in range(104, 120)}
SURE = {row for row, kind in KIND.items() if kind > 2}
UNSURE = {row for row, kind in KIND.items() if 0 < kind <= 2}
SILENT = {row for row, kind in KIND.items() if kind == 0}


def function(path: str = FUNCTION, **params: Any) -> dict[str, Any]:
    return {"name": "function", "params": {"path": path, "batch_rows": 6, **params}}


def route(*labelers: dict[str, Any], **params: Any) -> Route:
    """Build a route, as a campaign does; by default a function and then files."""
    parts = list(labelers) or [function(), FILES]
    built = LABELERS.build("route", {"labelers": parts, "audit": 0.0, **params})
    assert isinstance(built, Route)
    return built


def sent_to_people(store: MemoryStore) -> list[Id]:
    """Give the ids in all batch files, as often as they stand there."""
    data = [data for key, data in sorted(store.objects.items()) if key.startswith("out/")]
    return [json.loads(line)["id"] for sheet in data for line in sheet.decode().splitlines()]


def asked_of_machines(store: MemoryStore, stage: int = 1) -> list[Id]:
    """Give the ids of all rows that were sent to the automated labeler at a place of the route."""
    found = [
        d for key, d in sorted(store.objects.items()) if f"-{stage}-" in key and key.endswith("/batch.json")
    ]
    return [row["id"] for data in found for row in json.loads(data)["rows"]]


def people_answer(store: MemoryStore, label: str = "eel", rows: Sequence[Id] | None = None) -> None:
    """Fill in what was sent."""
    ids = sent_to_people(store) if rows is None else rows
    when = "2026-05-01T10:00:00Z"
    said = [{"id": i, "label": label, "annotator": "ann", "created_at": when} for i in ids]
    store.put("in/answers.jsonl", "".join(json.dumps(line) + "\n" for line in said).encode())


class Campaign:
    """A batch of a round that goes the way of a route."""

    def __init__(self, labeler: Route, rows: Sequence[Id] = tuple(range(100, 120))) -> None:
        self.labeler = labeler
        self.store = MemoryStore()
        self.batch = batch(3, rows)

    def dispatch(self, store: ObjectStore | None = None) -> Ticket:
        return self.labeler.dispatch(self.batch, self.desk(store))

    def desk(self, store: ObjectStore | None = None) -> Desk:
        return Desk(store or self.store, "campaign", CLASSES, isinstance(self.batch.rows[0].id, int))

    def collect(self, number: int, store: ObjectStore | None = None, known: Any = None) -> Collected:
        """Dispatch, which repeats nothing, and collect in a round."""
        ticket = self.dispatch(store)
        return self.labeler.collect([ticket], Cursor(number, known=known), self.desk(store))


def by_status(found: Collected, status: Status) -> dict[Id, str | None]:
    """Give the label of each row with an answer of a status; no row has two by the same annotator."""
    answers = [said for said in found.annotations if said.status is status]
    assert max(Counter((said.id, said.annotator) for said in answers).values(), default=1) == 1
    return {said.id: said.label for said in answers}


def table_of(*parts: Collected) -> Any:
    """Store what was collected, round after round, as a campaign does."""
    table = annotation_table.empty(True)
    for number, found in enumerate(parts, 4):
        new = annotation_table.new_only(found.annotations, table)
        stored = annotation_table.from_parquet(annotation_table.to_parquet(new, number, True))
        table = pa.concat_tables([table, stored])
    return table


def labels(table: Any) -> dict[int, str]:
    """Give the label of each row by the votes that are stored."""
    found = consensus(table, CLASSES)
    return dict(zip(found.ids.to_pylist(), [CLASSES[place] for place in found.label], strict=True))
