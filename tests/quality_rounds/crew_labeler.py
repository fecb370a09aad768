"""A labeler of named people of different skill, whose desk can be looked at and taken from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow.parquet as pq

from lamplighter import rng
from lamplighter.labelers.base import Annotation, Batch, BatchRow, Collected, Cursor, Desk, Labeler, Ticket
from lamplighter.tables import as_ids

KEY = "crew/{}.json"


@dataclass(frozen=True)
class Crew(Labeler):
    """People by name with the share of answers that they get right; the first `each` answer every row.

    Rows in `silent` are never answered, and nobody answers in place of people that there
    are not. What was shown last of each row lies in the store.
    """

    labels: str
    skill: Mapping[str, float]
    each: int = 1
    silent: Sequence[int] = field(default_factory=tuple)

    @property
    def follows_up(self) -> bool:
        return True

    @property
    def answers_per_row(self) -> int:
        return self.each

    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        note = {
            str(row.id): {
                "who": [row.answered, row.annotators or self.each],
                "display": dict(row.display),
                "predicted": row.predicted,
            }
            for row in batch.rows
        }
        desk.store.put(KEY.format(batch.id), json.dumps(note).encode())
        return Ticket(batch.id, batch.round, batch.created_at, len(batch.rows))

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        table = pq.read_table(self.labels)
        truth = dict(zip(table.column("id").to_pylist(), table.column("label").to_pylist(), strict=True))
        return Collected([a for t in tickets for a in self._answers(t, truth, desk)])

    def _answers(self, ticket: Ticket, truth: Mapping[int, str], desk: Desk) -> list[Annotation]:
        people = list(self.skill)
        return [
            Annotation(
                id=int(row),
                label=self._said(int(row), truth[int(row)], people[person], desk),
                annotator=people[person],
                labeler="crew",
                created_at=ticket.created_at + timedelta(seconds=person + 1),
                lead_time_s=5.0,
                source=ticket.batch,
            )
            for row, told in read(ticket.batch, desk).items()
            if int(row) not in self.silent
            for person in range(told["who"][0], min(told["who"][1], len(people)))
        ]

    def _said(self, row: int, truth: str, person: str, desk: Desk) -> str:
        draw = float(rng.row_uniform(as_ids([row], integer=True), rng.key(3, 0, person))[0])
        others = [name for name in desk.classes if name != truth]
        return truth if draw < self.skill[person] else others[row % len(others)]

    def refresh(self, rows: Sequence[BatchRow], tickets: Sequence[Ticket], desk: Desk) -> int:
        said = {str(row.id): row.predicted for row in rows}
        for ticket in tickets:
            note = read(ticket.batch, desk)
            for row in note.keys() & said.keys():
                note[row]["predicted"] = said[row]
            desk.store.put(KEY.format(ticket.batch), json.dumps(note).encode())
        return len(said)

    def withdraw(
        self, ids: Sequence[int | str], tickets: Sequence[Ticket], desk: Desk
    ) -> Sequence[int | str]:
        for ticket in tickets:
            note = {row: told for row, told in read(ticket.batch, desk).items() if int(row) not in ids}
            desk.store.put(KEY.format(ticket.batch), json.dumps(note).encode())
        return [i for i in ids if i in self.silent]


def read(batch: str, desk: Desk) -> dict[str, Any]:
    """Give what lies on the desk of a batch: a note for every row."""
    found: dict[str, Any] = json.loads(desk.store.get(KEY.format(batch)))
    return found
