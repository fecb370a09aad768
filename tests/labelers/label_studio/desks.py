"""Campaigns whose rows people label on a real server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from lamplighter import annotations as annotation_table
from lamplighter.labelers.base import Annotation, Batch, BatchRow, Collected, Cursor, Desk, Ticket
from lamplighter.labelers.label_studio import LabelStudio
from lamplighter.labelers.label_studio.tasks import id_of
from lamplighter.steps.collect import newest
from lamplighter.testing import labelers as contract
from lamplighter.votes import newest_answers
from tests.labelers.memory import MemoryStore
from tests.servers.label_studio import LabelStudio as Server

CLASSES = contract.CLASSES
QUICK = {"backoff_s": 0.05, "timeout_s": 30.0}


@dataclass
class Campaign:
    """A campaign with an empty store, and the labeler that it talks through.

    Attributes
    ----------
    server
        Where people label; what is asked of it here goes past the code under test.
    """

    server: Server
    labeler: LabelStudio
    integer_ids: bool = True
    store: MemoryStore = field(default_factory=MemoryStore)

    @property
    def desk(self) -> Desk:
        return Desk(self.store, "campaign", CLASSES, self.integer_ids)

    def dispatch(self, batch: Batch) -> Ticket:
        return self.labeler.dispatch(batch, self.desk)

    def collect(self, *tickets: Ticket, since: Cursor | None = None) -> Collected:
        return self.labeler.collect(tickets, since or Cursor(1000), self.desk)

    @property
    def project(self) -> int:
        (key,) = self.store.list("labelers/label_studio/projects/")[-1:]
        return int(key.rpartition("/")[2].removesuffix(".json"))

    def tasks(self) -> list[dict[str, Any]]:
        """Give all tasks of the project as the server has them."""
        return self.server.tasks(self.project)

    def ids(self) -> list[int | str]:
        """Give the ids of the rows that people are asked about, in the order in which they are."""
        return [row_id for task in self.tasks() if (row_id := _row(task)) is not None]

    def task(self, row_id: int | str) -> int:
        """Give the number of a row's one task."""
        (number,) = (task["id"] for task in self.tasks() if _row(task) == row_id)
        return int(number)


def made(server: Server, rows: Sequence[int | str] = (1,), **params: Any) -> Campaign:
    """Make a campaign that makes its own project."""
    project = {} if "project" in params else {"create": True}
    labeler = LabelStudio(**{"url": server.url, "token": server.token, **QUICK, **project, **params})
    return Campaign(server, labeler, isinstance(rows[0], int))


def rows_of(batch: Batch, **changes: Any) -> Batch:
    """Give the same batch with each row changed."""
    return replace(batch, rows=tuple(replace(row, **changes) for row in batch.rows))


def asked_again(row_id: int, people: int) -> BatchRow:
    """Give a row that goes back for one more answer."""
    return BatchRow(
        id=row_id,
        purpose="again",
        rank=1,
        predicted="cat",
        proba=(0.5, 0.25, 0.25),
        display={"text": f"text of {row_id}", "size": 0.5},
        annotators=people,
        answered=people - 1,
    )


def _row(task: dict[str, Any]) -> int | str | None:
    return id_of(task["data"].get("lamplighter_id"))


class Book:
    """The rounds of a campaign: what each collected that was not stored yet."""

    def __init__(self, campaign: Campaign, *tickets: Ticket) -> None:
        self.campaign, self.tickets = campaign, list(tickets)
        self.table = annotation_table.empty(campaign.integer_ids)
        self.round = tickets[0].round

    def collect(self) -> list[Annotation]:
        """Take one round's answers in; give the new ones."""
        self.round += 1
        since = Cursor(self.round, newest(self.table), self.table)
        collected = self.campaign.collect(*self.tickets, since=since)
        assert not collected.problems
        fresh = annotation_table.new_only(collected.annotations, self.table)
        data = annotation_table.to_parquet(fresh, self.round, self.campaign.integer_ids)
        self.table = pa.concat_tables([self.table, annotation_table.from_parquet(data)])
        return fresh

    @property
    def votes(self) -> dict[tuple[Any, str], str]:
        """The label that each annotator's newest answer gives each row."""
        newest_ones = self.table.take(pa.array(newest_answers(self.table))).to_pylist()
        return {(row["id"], row["annotator"]): row["label"] for row in newest_ones if row["label"]}
