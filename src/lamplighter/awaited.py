"""Awaited: the answers that were asked for and have not come, further ones and those on gold rows too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import tables, votes
from lamplighter.arrays import I64, Bools, RowIds
from lamplighter.asked import taken_back_since
from lamplighter.labelers import by_machine
from lamplighter.labelers.base import Status
from lamplighter.labelers.route.book import read_books
from lamplighter.rounds import CollectDone, DispatchDone, SelectDone

if TYPE_CHECKING:
    from lamplighter.standing import Standing


@dataclass(frozen=True, eq=False)
class Awaited:
    """Rows as they were sent out, of those that wait for an answer.

    Attributes
    ----------
    ids
        (n,) row ids; a row that also went back to one more person may stand here twice.
    round
        (n,) int64 rounds that sent them.
    answers
        (n,) int64 answers that have not come, at least 1.
    further
        (n,) bool: whether no label hangs on it: the row has an answer, or is gold.
    """

    ids: RowIds
    round: I64
    answers: I64
    further: Bools

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return len(self.ids.unique())

    @property
    def total(self) -> int:
        """How many answers are awaited."""
        return int(self.answers.sum())

    def part(self, kept: Bools) -> Awaited:
        """Give some of it: (n,) bool."""
        return Awaited(
            self.ids.filter(pa.array(kept)), self.round[kept], self.answers[kept], self.further[kept]
        )


@dataclass(frozen=True, eq=False)
class Sent:
    """Rows that one round sent: ids (n,), and people (n,) int64 that each went to."""

    round: int
    ids: RowIds
    people: I64
    purpose: Literal["", "gold", "again"] = ""

    @classmethod
    def again(cls, number: int, ids: RowIds) -> Sent:
        """Rows that went back to one more person."""
        return cls(number, ids, np.ones(len(ids), np.int64), "again")


@dataclass(frozen=True, eq=False)
class Heard:
    """Who answered or skipped.

    Attributes
    ----------
    ids
        (r,) distinct row ids.
    people
        (r,) int64 how many.
    last
        (r,) int64 the round that heard the last of them; 0 where there is none.
    machine
        (r,) bool: whether a machine's answer stands.
    """

    ids: RowIds
    people: I64
    last: I64
    machine: Bools


def awaited(standing: Standing) -> Awaited:
    """Compare what was asked with who answered."""
    sent = [*_batches(standing), *_extras(standing)]
    return still_awaited(sent, standing.annotations, audited_rows(standing))


def waiting(standing: Standing) -> Awaited:
    """Give what the campaign waits for: no further answers that are later than its patience."""
    missing = standing.awaited
    return missing.part(~(missing.further & np.isin(missing.round, late_rounds(standing))))


def still_awaited(sent: Sequence[Sent], annotations: Any, audited: RowIds) -> Awaited:
    """Give what is missing of all that was sent and not taken back. O(n log n) time.

    A machine's answer stands for all people of a batch, but on the rows that people are to audit.
    """
    ids = pa.concat_arrays([audited[:0], *(part.ids for part in sent)])
    rounds = np.repeat([part.round for part in sent], [len(part.ids) for part in sent]).astype(np.int64)
    purpose = np.repeat([part.purpose for part in sent], [len(part.ids) for part in sent])
    asked = np.concatenate([part.people for part in sent]) if sent else np.empty(0, np.int64)
    found = heard(annotations)
    place = tables.positions(ids, found.ids)
    people, last, machine = (
        np.where(place >= 0, column[place] if len(column) else 0, 0)
        for column in (found.people, found.last, found.machine)
    )
    settled = machine.astype(bool) & ~tables.is_in(ids, audited)
    missing = np.where(settled, 0, np.maximum(asked - people, 0))
    # A row goes back once all have answered: whoever answers later is the one more.
    missing = np.where(purpose == "again", last <= rounds, missing).astype(np.int64)
    further = (place >= 0) | (purpose == "gold")
    return Awaited(ids, rounds, missing, further).part(missing > 0)


def heard(annotations: Any) -> Heard:
    """Count who answered or skipped each row."""
    newest = votes.newest_with(annotations, Status.LABELLED, Status.ABSTAINED)
    machines = by_machine(newest)
    ids, row = tables.encoded(tables.ids_of(newest))
    people = np.bincount(row[~machines], minlength=len(ids)).astype(np.int64)
    last, machine = np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
    np.maximum.at(last, row[~machines], newest.column("round").to_numpy()[~machines])
    machine[row[machines]] = True
    return Heard(ids, people, last, machine)


def audited_rows(standing: Standing) -> RowIds:
    """Give the rows that a route drew for people, of those whose automated answer it took.

    Routes keep their draws, so that this is so whatever the campaign file says of audits by now.
    """
    books = read_books(standing.driver.store, standing.tickets.get("route", ()))
    drawn: set[int | str] = set().union(*(book.audited for book in books))
    return tables.as_ids(list(drawn), standing.integer_ids)


def _batches(standing: Standing) -> Iterator[Sent]:
    """Give the batches, less the rows that were taken back since."""
    stands = standing.asked.stands
    for done, table in zip(standing.steps(SelectDone), standing.batches, strict=True):
        here, stands = stands[: len(table)], stands[len(table) :]
        yield _sent(standing, done.round, table.filter(pa.array(here)))


def _extras(standing: Standing) -> Iterator[Sent]:
    """Give gold rows, and rows that went back to one more person and were not taken back since."""
    for number, table in standing.extras:
        back = taken_back_since(standing.asked.back, number, tables.ids_of(table))
        again = np.asarray(pc.equal(table.column("purpose"), "again"))
        yield _sent(standing, number, table.filter(pa.array(~again)))
        yield Sent.again(number, tables.ids_of(table.filter(pa.array(again & ~back))))


def _sent(standing: Standing, number: int, table: Any) -> Sent:
    people = table.column("annotators").fill_null(_usual(standing, number))
    gold = "purpose" in table.column_names
    return Sent(number, tables.ids_of(table), people.to_numpy().astype(np.int64), "gold" if gold else "")


def _usual(standing: Standing, number: int) -> int:
    """Give how many people answer a row of a round that does not say.

    Rounds of earlier versions did not keep it: what went to another labeler counts as one person's.
    """
    own, mine = standing.driver.campaign.labeler.name, standing.driver.labeler.answers_per_row
    done = next((done for done in standing.steps(DispatchDone) if done.round == number), None)
    if done is None:
        return mine
    return done.answers_per_row or (mine if done.labeler in ("", own) else 1)


def people_of(batch: bytes) -> Any:
    """Read a batch as a table of id and annotators; earlier versions asked nobody beyond the usual."""
    table = tables.from_parquet(batch)
    if "annotators" not in table.column_names:
        table = table.append_column("annotators", pa.nulls(len(table), pa.int64()))
    return table.select(["id", "annotators"])


def late_rounds(standing: Standing) -> list[int]:
    """Give the rounds that asked longer ago than the campaign is ready to wait, when it last collected."""
    days, collected = standing.driver.campaign.waiting.expire_after_days, standing.steps(CollectDone)
    moment = standing.began or (collected[-1].started_at if collected else None)
    if days is None or moment is None:
        return []
    since = moment - timedelta(days=days)
    return [done.round for done in standing.steps(SelectDone) if done.finished_at < since]
