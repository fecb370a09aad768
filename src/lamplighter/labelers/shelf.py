"""What an automated labeler keeps in the campaign's store; it has no other memory.

==========================================  ========================================================
labelers/<name>/<batch id>/batch.json       the rows as they were sent: id, display columns, prediction
labelers/<name>/<batch id>/answers-*.json   a page of answers, created once and never changed; the name
                                            holds the place of its first row and a digest of its ids
==========================================  ========================================================

A row is answered once a page holds it. Pages are made by an exclusive create: where two drivers asked
about the same rows at the same time, the page that was there first counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from lamplighter.errors import KeyExists, LabelerError
from lamplighter.labelers.base import Batch, BatchRow, Ticket
from lamplighter.labelers.sheets import plain
from lamplighter.store.base import ObjectStore

READERS = 8  #: files read at once, since every get waits for the network

#: A row as it is sent: "id", "display" (a mapping) and, if switched on, "predicted" and "proba".
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What was answered about one row.

    Attributes
    ----------
    id
        The row.
    label
        One of the campaign's classes; None: abstained.
    confidence
        From 0 to 1; None where it was not said.
    said
        What was said instead of a class, if anything.
    """

    id: int | str
    label: str | None
    confidence: float | None = None
    said: str | None = None


@dataclass(frozen=True)
class Usage:
    """What a page's answers took, over all requests that were paid for them."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )


@dataclass(frozen=True)
class Answered:
    """A page: answers that came together. `round` is the one that asked, `seconds` are per row."""

    batch: str
    annotator: str
    round: int
    answered_at: datetime
    seconds: float
    answers: tuple[Answer, ...]
    usage: Usage | None = None
    format: Literal[1] = 1


@dataclass(frozen=True)
class Page:
    """A page and where it lies."""

    key: str
    answered: Answered


_ANSWERED = TypeAdapter(Answered)


@dataclass(frozen=True)
class Shelf:
    """The part of a store that belongs to the labeler registered as `name`."""

    store: ObjectStore
    name: str

    def folder(self, batch: str) -> str:
        """Give the prefix of a batch's files."""
        return f"labelers/{self.name}/{batch}/"

    def put_batch(self, batch: Batch) -> str:
        """Keep a batch's rows, once; give the key. Raises LabelerError if it had other rows before."""
        key = f"{self.folder(batch.id)}batch.json"
        data = _dumped({"format": 1, "batch": batch.id, "rows": [kept(row) for row in batch.rows]})
        try:
            self.store.create(key, data)
        except KeyExists as taken:
            if self.store.get(key) != data:
                raise LabelerError(f"batch '{batch.id}' was sent before, with other rows ({key})") from taken
        return key

    def rows(self, ticket: Ticket) -> list[dict[str, Any]]:
        """Give the rows of a batch, best first."""
        found: list[dict[str, Any]] = json.loads(self.store.get(ticket.params["key"]))["rows"]
        return found

    def pages(self, tickets: Iterable[Ticket]) -> list[Page]:
        """Give all pages of these batches, in the order of the tickets, then by key."""
        keys = [key for ticket in tickets for key in self._keys(ticket.batch)]
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self._page, keys))

    def _keys(self, batch: str) -> Iterator[str]:
        prefix = f"{self.folder(batch)}answers-"
        return (key for key in self.store.list(prefix) if key.endswith(".json"))

    def _page(self, key: str) -> Page:
        try:
            return Page(key, _ANSWERED.validate_json(self.store.get(key)))
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_url=False)[0]
            raise LabelerError(
                f"'{key}' in the store is no page of answers of this version: "
                f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}; run the version that wrote it"
            ) from None

    def keep(self, place: int, answered: Answered) -> Page:
        """Write a page whose first row is at `place` of its batch; give it, or the one that was first."""
        ids = _dumped([answer.id for answer in answered.answers])
        key = f"{self.folder(answered.batch)}answers-{place:06d}-{sha256(ids).hexdigest()[:16]}.json"
        try:
            self.store.create(key, _ANSWERED.dump_json(answered, indent=1))
        except KeyExists:
            return self._page(key)
        return Page(key, answered)


def first_answers(pages: Sequence[Page]) -> Iterator[tuple[Page, Answer]]:
    """Give each row's answer, pages in their order; of two pages with one row the earlier counts."""
    taken: dict[tuple[str, int | str], str] = {}
    for page in sorted(pages, key=lambda page: (page.answered.answered_at, page.key)):
        for answer in page.answered.answers:
            taken.setdefault((page.answered.batch, answer.id), page.key)
    for page in pages:
        for answer in page.answered.answers:
            if taken[page.answered.batch, answer.id] == page.key:
                yield page, answer


def kept(row: BatchRow) -> dict[str, Any]:
    """Give what is kept of a row; not its purpose, rank and score, so that all rows look alike."""
    shown = {name: plain(value) for name, value in row.display.items()}
    return {"id": row.id, "display": shown, "predicted": row.predicted, "proba": plain(row.proba)}


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
