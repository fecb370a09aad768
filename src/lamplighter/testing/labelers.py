"""The contract of labelers, for ours and for anybody's.

A labeler is tried at a `Bench`: made by a function, new for every law, so that nothing is left over.
In a test of another package::

    def bench() -> Bench:
        return Bench(Mine(url=fake.url), desk, batch(), asked=fake.row_ids, answer=fake.answer_all)

    @pytest.mark.parametrize("case", cases({"mine": bench}), ids=str)
    def test_contract(case: Case) -> None:
        case()
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from pydantic import TypeAdapter

from lamplighter.errors import StoreUnavailable
from lamplighter.labelers.base import (
    Annotation,
    Batch,
    BatchRow,
    Collected,
    Cursor,
    Desk,
    Labeler,
    Status,
    Ticket,
)
from lamplighter.store.base import ObjectStore
from lamplighter.testing.contract import Case, hold
from lamplighter.testing.faults import LostReply

T = TypeVar("T")
CLASSES = ("cat", "dog", "eel")
_TICKET = TypeAdapter(Ticket)
#: Long after every batch, so that answers that take their time are there.
_LATE = Cursor(round=1000)


@dataclass(frozen=True)
class Bench:
    """A labeler at work.

    Attributes
    ----------
    labeler
        The one to try.
    desk
        Its desk, with a store that was empty.
    batch
        A batch to send, of the desk's classes and kind of ids.
    asked
        Gives the ids of the rows that the back-end was asked about, one for each time it was asked.
    answer
        Makes some or all of the answers arrive; what people do between two rounds.
    """

    labeler: Labeler
    desk: Desk
    batch: Batch
    asked: Callable[[], Sequence[int | str]]
    answer: Callable[[Ticket], None] = lambda ticket: None

    def dispatch(self) -> Ticket:
        """Send the batch."""
        return self.labeler.dispatch(self.batch, self.desk)

    def collect(self, tickets: Sequence[Ticket], since: Cursor = _LATE) -> Collected:
        """Collect, by default long after."""
        return self.labeler.collect(tickets, since, self.desk)


MakeBench = Callable[[], Bench]


def cases(benches: Mapping[str, MakeBench]) -> list[Case]:
    """Give every law for every labeler."""
    return [
        Case(f"labeler-{name}:{check.__name__}", partial(check, make))
        for name, make in benches.items()
        for check in CHECKS
    ]


def batch(round_number: int = 3, rows: Sequence[int | str] = tuple(range(100, 120))) -> Batch:
    """Make a batch with holdout rows in it."""
    return Batch(
        id=f"campaign-{round_number:06d}-0a1b2c3d",
        round=round_number,
        created_at=datetime(2026, 3, round_number, 2, 30, tzinfo=UTC),
        classes=CLASSES,
        rows=tuple(
            BatchRow(
                id=row_id,
                purpose="holdout" if rank < 5 else "batch",
                rank=rank,
                score=1 / rank,
                predicted=CLASSES[rank % 3],
                proba=(0.5, 0.25, 0.25),
                display={"text": f"text of {row_id}", "size": rank / 2},
            )
            for rank, row_id in enumerate(rows, 1)
        ),
    )


# The laws


def sent_twice_is_sent_once(make: MakeBench) -> None:
    """A repeated dispatch gives an equal ticket, and asks nobody again."""
    bench = make()
    first, again = bench.dispatch(), bench.dispatch()
    hold(first == again, f"the second dispatch gave {again}, the first {first}")
    _asked_once(bench)


def sent_at_once_is_sent_once(make: MakeBench) -> None:
    """Drivers that dispatch one batch at the same moment get equal tickets, and ask once."""
    bench, together = make(), threading.Barrier(4)

    def dispatch(_: int) -> Ticket:
        together.wait()
        return bench.dispatch()

    with ThreadPoolExecutor(4) as drivers:
        tickets = list(drivers.map(dispatch, range(4)))
    hold(all(t == tickets[0] for t in tickets), f"the tickets differ: {tickets}")
    _asked_once(bench)


def a_lost_reply_asks_nobody_twice(make: MakeBench) -> None:
    """A dispatch whose write went through without an answer can be repeated."""
    for write in (1, 2, 3):
        bench = make()
        ticket = _insist(
            lambda b: b.dispatch(), _with_store(bench, LostReply(bench.desk.store, write)), bench
        )
        hold(ticket == bench.dispatch(), "the ticket differs from an undisturbed one")
        _asked_once(bench)


def the_ticket_says_what_it_is_for(make: MakeBench) -> None:
    """A ticket carries its batch, survives JSON, and its time is the batch's, not the clock's."""
    bench = make()
    ticket = bench.dispatch()
    said = (ticket.batch, ticket.round, ticket.created_at, ticket.rows)
    sent = (bench.batch.id, bench.batch.round, bench.batch.created_at, len(bench.batch.rows))
    hold(said == sent, f"the ticket says {said}, the batch {sent}")
    hold(_through_json(ticket) == ticket, f"the ticket does not survive JSON: {ticket}")


def nothing_sent_brings_no_answers(make: MakeBench) -> None:
    """Collecting is possible before anything was sent, and before anybody answered."""
    bench = make()
    hold(not bench.collect([]).annotations, "answers without a batch")
    ticket = bench.dispatch()
    early = bench.collect([ticket], Cursor(round=bench.batch.round))
    hold(not early.annotations, "answers in the round of the dispatch")
    hold(not early.problems, f"problems before any answer: {early.problems}")


def collecting_is_repeatable(make: MakeBench) -> None:
    """The same answers come again, equal in every field and in the same order."""
    bench = make()
    ticket = _answered(bench)
    first, again = bench.collect([ticket]), bench.collect([ticket])
    hold(list(first.annotations) == list(again.annotations), "a repeated collect gave other answers")
    hold(list(first.problems) == list(again.problems), "a repeated collect gave other problems")


def answers_fit_what_was_asked(make: MakeBench) -> None:
    """Every answer is about a row of the batch, in the pool's kind of id, with a class or none."""
    bench = make()
    answers = bench.collect([_answered(bench)]).annotations
    hold(answers, "nobody answered")
    rows = {(type(row.id), row.id) for row in bench.batch.rows}
    for said in answers:
        hold((type(said.id), said.id) in rows, f"an answer about {said.id!r}, which is no row of the batch")
        _well_formed(said, bench.desk.classes)


def a_row_gets_as_many_answers_as_promised(make: MakeBench) -> None:
    """No annotator answers a row twice, and nobody beyond `answers_per_row` does.

    A suggestion is no answer, and neither is one that was taken back.
    """
    bench = make()
    collected = bench.collect([_answered(bench)]).annotations
    gone = {(said.id, said.annotator) for said in collected if said.status is Status.WITHDRAWN}
    answers = [
        said
        for said in collected
        if said.status in (Status.LABELLED, Status.ABSTAINED) and (said.id, said.annotator) not in gone
    ]
    pairs = [(said.id, said.annotator) for said in answers]
    hold(len(pairs) == len(set(pairs)), "an annotator answered one row twice")
    most = bench.labeler.answers_per_row
    for row in bench.batch.rows:
        hold(sum(said.id == row.id for said in answers) <= most, f"over {most} answers for row {row.id!r}")


def batches_do_not_mix(make: MakeBench) -> None:
    """A second batch gets another ticket, and leaves the answers of the first as they were."""
    bench = make()
    first = _answered(bench)
    before = set(bench.collect([first]).annotations)
    moved = tuple(replace(row, id=_next_id(row.id)) for row in bench.batch.rows)
    other = replace(bench.batch, id=f"{bench.batch.id}-next", round=bench.batch.round + 1, rows=moved)
    second = bench.labeler.dispatch(other, bench.desk)
    hold(first != second, "two batches got equal tickets")
    hold(before <= set(bench.collect([first, second]).annotations), "the first batch's answers changed")


def another_process_can_collect(make: MakeBench) -> None:
    """A labeler has no state of its own: an equal one with the stored ticket collects the same."""
    bench = make()
    ticket = _answered(bench)
    expected = list(bench.collect([ticket]).annotations)
    twin = pickle.loads(pickle.dumps(bench.labeler))  # noqa: S301 - our own bytes
    hold(twin == bench.labeler, "a pickled copy is not equal")
    found = twin.collect([_through_json(ticket)], _LATE, bench.desk).annotations
    hold(list(found) == expected, "a copy with the stored ticket collects other answers")
    hold(twin.dispatch(bench.batch, bench.desk) == ticket, "a copy gives another ticket for the same batch")
    _asked_once(bench)


CHECKS: tuple[Callable[[MakeBench], None], ...] = (
    sent_twice_is_sent_once,
    sent_at_once_is_sent_once,
    a_lost_reply_asks_nobody_twice,
    the_ticket_says_what_it_is_for,
    nothing_sent_brings_no_answers,
    collecting_is_repeatable,
    answers_fit_what_was_asked,
    a_row_gets_as_many_answers_as_promised,
    batches_do_not_mix,
    another_process_can_collect,
)


def _asked_once(bench: Bench) -> None:
    expected = sorted(str(row.id) for row in bench.batch.rows)
    found = sorted(str(row_id) for row_id in bench.asked())
    hold(found == expected, f"asked about {found}; sent were {expected}")


def _insist(do: Callable[[Bench], T], faulty: Bench, sound: Bench) -> T:
    """Do it with a fault, and again without when the fault shows."""
    try:
        return do(faulty)
    except StoreUnavailable:
        return do(sound)


def _with_store(bench: Bench, store: ObjectStore) -> Bench:
    return replace(bench, desk=replace(bench.desk, store=store))


def _answered(bench: Bench) -> Ticket:
    ticket = bench.dispatch()
    bench.answer(ticket)
    return ticket


def _through_json(ticket: Ticket) -> Ticket:
    return _TICKET.validate_json(_TICKET.dump_json(ticket))


def _next_id(row_id: int | str) -> int | str:
    return row_id + 1_000_000 if isinstance(row_id, int) else f"{row_id}+"


def _well_formed(said: Annotation, classes: Sequence[str]) -> None:
    labelled = said.status in (Status.LABELLED, Status.SUGGESTED)
    hold(labelled == (said.label is not None), f"status {said.status} with label {said.label!r}")
    hold(said.label is None or said.label in classes, f"'{said.label}' is none of the classes {classes}")
    hold(said.annotator, "an answer without an annotator")
    hold(said.created_at is None or said.created_at.tzinfo, f"a time without a zone: {said.created_at}")
