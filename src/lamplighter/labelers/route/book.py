"""What a route has settled about one batch, kept in the campaign's store; it has no other memory.

============================================  ======================================================
labelers/route/<batch id>/batch.json          the batch as it was sent
labelers/route/<batch id>/entry-0003.json     the fourth decision: answers taken and not taken, and which
                                              rows go to whom; created once, before anything is sent
labelers/route/<batch id>/ticket-0003-*.json  the receipt of what that entry sent, once it is sent
============================================  ======================================================

Entries are numbered and made by an exclusive create, each from all before it. So of two drivers that
decide at the same time one is second, sees what the first has decided, and decides about the rest: a row
is settled by one entry and sent by one entry to each labeler, whatever dies when.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from lamplighter.errors import KeyExists, LabelerError
from lamplighter.labelers.base import Annotation, Batch, BatchRow, Desk, Labeler, Status, Ticket
from lamplighter.labelers.sheets import plain
from lamplighter.store.base import ObjectStore

T = TypeVar("T")
READERS = 8  #: books read at once, since every get waits for the network
PEOPLE = -1  #: the stage of the last labeler
TAKEN = -2  #: where a row is whose automated answer was taken


class Stage(NamedTuple):
    """A labeler on the route, under its registered name."""

    name: str
    labeler: Labeler


@dataclass(frozen=True)
class Sent:
    """Rows that go to one labeler: the automated one at `stage`, or PEOPLE."""

    stage: int
    ids: tuple[int | str, ...]


@dataclass(frozen=True)
class Receipt:
    """The ticket of what was sent, and the registered name of the labeler that gave it."""

    labeler: str
    ticket: Ticket


@dataclass(frozen=True)
class Entry:
    """One decision. `round` made it, at the time `at`; `plan` is what the route looked like."""

    number: int
    plan: str
    round: int
    at: datetime
    annotations: tuple[Annotation, ...] = ()
    sent: tuple[Sent, ...] = ()
    format: Literal[1] = 1


@dataclass(frozen=True)
class Place:
    """Where a row is: its stage, PEOPLE or TAKEN; and the round that first asks there."""

    stage: int
    since: int


_BATCH, _ENTRY, _RECEIPT = TypeAdapter(Batch), TypeAdapter(Entry), TypeAdapter(Receipt)


@dataclass(frozen=True)
class Book:
    """The decisions about one batch, as far as they were read or made."""

    store: ObjectStore
    ticket: Ticket
    entries: tuple[Entry, ...]
    receipts: Mapping[str, Receipt]  #: by the key of their file

    @cached_property
    def places(self) -> dict[int | str, Place]:
        """Where each row is, by its id."""
        found: dict[int | str, Place] = {}
        for entry in self.entries:
            for said in entry.annotations:
                if said.status is Status.LABELLED:
                    found[said.id] = Place(TAKEN, entry.round)
            # The first entry is made by a dispatch, whose round asks nobody.
            since = entry.round + (entry.number == 0)
            found.update((row, Place(sent.stage, since)) for sent in entry.sent for row in sent.ids)
        return found

    @property
    def annotations(self) -> Iterator[Annotation]:
        """The automated answers that were decided about, in the order of the decisions."""
        return (said for entry in self.entries for said in entry.annotations)

    @property
    def audited(self) -> set[int | str]:
        """The rows that people were to look at although a machine's answer was taken."""
        found: set[int | str] = set()
        for entry in self.entries:
            taken = {said.id for said in entry.annotations if said.status is Status.LABELLED}
            found |= {row for sent in entry.sent if sent.stage == PEOPLE for row in sent.ids if row in taken}
        return found

    @property
    def settled(self) -> bool:
        """Whether no row waits for a machine, and all that goes to people is with them."""
        return (
            bool(self.entries)
            and not any(self.unsent())
            and all(p.stage in (PEOPLE, TAKEN) for p in self.places.values())
        )

    def sendings(self) -> Iterator[tuple[Sent, Receipt]]:
        """Give what has arrived, oldest first."""
        for entry in self.entries:
            for sent in entry.sent:
                if receipt := self.receipts.get(self._receipt_key(entry, sent)):
                    yield sent, receipt

    def with_people(self) -> Iterator[tuple[Sent, Receipt]]:
        """Give what has arrived at people."""
        return ((sent, receipt) for sent, receipt in self.sendings() if sent.stage == PEOPLE)

    def unsent(self) -> Iterator[tuple[Entry, Sent]]:
        """Give what is decided and has no receipt."""
        for entry in self.entries:
            for sent in entry.sent:
                if self._receipt_key(entry, sent) not in self.receipts:
                    yield entry, sent

    def with_entry(self, entry: Entry) -> Book:
        """Make a decision; raises KeyExists if somebody else made one first."""
        self.store.create(self._entry_key(entry.number), _ENTRY.dump_json(entry))
        return replace(self, entries=(*self.entries, entry))

    def reread(self) -> Book:
        """Give the book as it is in the store now."""
        return read_book(self.store, self.ticket)

    def send(self, entry: Entry, sent: Sent, to: Stage, desk: Desk) -> Book:
        """Send what an entry decided, and keep the receipt. Repeatable."""
        receipt = Receipt(to.name, to.labeler.dispatch(self._batch(entry, sent), desk))
        key = self._receipt_key(entry, sent)
        try:
            self.store.create(key, _RECEIPT.dump_json(receipt))
        except KeyExists:  # another driver sent the same; a labeler takes a batch once
            receipt = _read(self.store, key, _RECEIPT)
        return replace(self, receipts={**self.receipts, key: receipt})

    def _batch(self, entry: Entry, sent: Sent) -> Batch:
        """Give rows as the labeler at a stage gets them, in the order of the whole batch."""
        whole, wanted = self._whole, set(sent.ids)
        named = "people" if sent.stage == PEOPLE else str(sent.stage + 1)
        return Batch(
            id=f"{whole.id}-{named}-{entry.number}",
            # Machines answer in the round that sends to them, people from the next one on.
            round=entry.round if sent.stage == PEOPLE else whole.round,
            created_at=entry.at,
            classes=whole.classes,
            rows=tuple(row for row in whole.rows if row.id in wanted),
        )

    @cached_property
    def _whole(self) -> Batch:
        return _BATCH.validate_json(self.store.get(self.ticket.params["key"]))

    def _entry_key(self, number: int) -> str:
        return f"{_folder(self.ticket.batch)}entry-{number:04d}.json"

    def _receipt_key(self, entry: Entry, sent: Sent) -> str:
        named = "people" if sent.stage == PEOPLE else str(sent.stage + 1)
        return f"{_folder(self.ticket.batch)}ticket-{entry.number:04d}-{named}.json"


def new_book(batch: Batch, store: ObjectStore, first: Entry) -> Book:
    """Keep a batch, and its first entry unless it has one.

    Raises
    ------
    LabelerError
        That batch had other rows before.
    """
    key = f"{_folder(batch.id)}batch.json"
    data = _BATCH.dump_json(replace(batch, rows=tuple(map(_plain_row, batch.rows))))
    try:
        store.create(key, data)
    except KeyExists as taken:
        if store.get(key) != data:
            raise LabelerError(f"batch '{batch.id}' was sent before, with other rows ({key})") from taken
    ticket = Ticket(batch.id, batch.round, batch.created_at, len(batch.rows), {"key": key})
    with suppress(KeyExists):
        Book(store, ticket, (), {}).with_entry(first)
    return read_book(store, ticket)


def read_book(store: ObjectStore, ticket: Ticket) -> Book:
    """Read a book."""
    folder = _folder(ticket.batch)
    keys = [key for key in store.list(folder) if key.endswith(".json")]
    entries = [_read(store, key, _ENTRY) for key in keys if key.startswith(f"{folder}entry-")]
    receipts = {key: _read(store, key, _RECEIPT) for key in keys if key.startswith(f"{folder}ticket-")}
    return Book(store, ticket, tuple(sorted(entries, key=lambda entry: entry.number)), receipts)


def read_books(store: ObjectStore, tickets: Sequence[Ticket]) -> list[Book]:
    """Read books, several at once."""
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(lambda ticket: read_book(store, ticket), tickets))


def _read(store: ObjectStore, key: str, kind: TypeAdapter[T]) -> T:
    try:
        return kind.validate_json(store.get(key))
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        raise LabelerError(
            f"'{key}' in the store is none of this version: {'.'.join(map(str, wrong['loc']))}: "
            f"{wrong['msg']}; run the version that wrote it"
        ) from None


def _folder(batch: str) -> str:
    return f"labelers/route/{batch}/"


def _plain_row(row: BatchRow) -> BatchRow:
    """Give a row as JSON can keep it, so that whoever gets it gets the same after any retry."""
    shown = {name: plain(value) for name, value in row.display.items()}
    return replace(row, display=json.loads(json.dumps(shown, allow_nan=False)))
