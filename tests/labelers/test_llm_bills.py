"""The cap of a campaign counts all that was paid, also what brought no answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamplighter.labelers import LABELERS
from lamplighter.labelers.asking import Unheard
from lamplighter.labelers.base import Cursor, Desk, Problem, Ticket
from lamplighter.labelers.bills import Bills
from lamplighter.labelers.llm import Llm
from lamplighter.store.local import LocalStore
from lamplighter.testing.labelers import CLASSES, batch
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.model import IDS, labeler, service
from tests.labelers.service import Act, Seen, Service, chat

__all__ = ["service"]

#: A reply of `completion` costs 1 for its input and 1 for its output.
PRICES: dict[str, Any] = {"input_price": 10_000.0, "output_price": 100_000.0, "max_tokens": 10}
VOTES: dict[str, Any] = {**PRICES, "votes": 3, "temperature": 0.5, "batch_rows": 4}


def refuse_third(seen: Seen) -> Act:
    """Answer two votes of each row; the third is never answered."""
    if seen.body.get("seed") == 2:
        return Act(400, b"no")
    return chat(seen)


def paid(service: Service) -> float:
    return 2.0 * len([seen for seen in service.seen if seen.body.get("seed") != 2])


def one_row_answered(seen: Seen) -> Act:
    """Refuse the third vote of every row but the first, so that a round does not fail."""
    return chat(seen) if seen.body["messages"][-1]["content"].endswith("00") else refuse_third(seen)


def test_replies_without_an_answer_count_from_the_start(service: Service) -> None:
    """Two of three votes are paid for each row; older batches are never asked about before the newest."""
    service.usual = one_row_answered
    store, cap = MemoryStore(), 60.0
    asking, desk = labeler(service, max_cost=cap, **VOTES), desk_of(store)
    tickets: list[Ticket] = []
    said = ""
    for number in range(3, 8):
        tickets.append(asking.dispatch(batch(number, range(100 * number, 100 * number + 10)), desk))
        try:
            asking.collect(tickets, Cursor(number + 1), desk)
        except Unheard as ended:
            said = str(ended)
    true = sum(2.0 for seen in service.seen if one_row_answered(seen).status == 200)
    assert 50.0 < true <= cap
    assert "max_cost 60 leaves no room" in said


def test_on_a_route_what_rows_cost_that_have_moved_on_counts(service: Service) -> None:
    service.usual = refuse_third
    params = {"model": "tiny", "base_url": f"{service.url}/v1", "prompt": "{{ id }}", "max_cost": 60.0}
    machine = {"name": "llm", "params": {**params, **VOTES, "parallel": 1}}
    files = {"name": "files", "params": {"outbox": "out", "inbox": "in"}}
    route = LABELERS.build("route", {"labelers": [machine, files], "tries": 1, "audit": 0.0})
    desk, tickets, said = desk_of(MemoryStore()), list[Ticket](), list[Problem]()
    for number in range(3, 9):
        tickets.append(route.dispatch(batch(number, range(100 * number, 100 * number + 16)), desk))
        said += route.collect(tickets, Cursor(number + 1), desk).problems
    assert 40.0 < paid(service) <= 60.0
    assert any("max_cost 60 leaves no room" in problem.what for problem in said)


@pytest.mark.parametrize("acts", [[Act(cut=True)] * 2, [Act(cut=True), Act(400)], [Act(cut=True), Act(200)]])
def test_lost_tries_count_in_later_rounds(service: Service, acts: list[Act]) -> None:
    """A request that never got an answer may have been paid; so may one whose answer is no completion."""
    store = MemoryStore()
    service.acts += acts
    asking, desk = labeler(service, attempts=len(acts), **PRICES), desk_of(store)
    most = asking.most_cost(_body(asking))
    ticket = asking.dispatch(batch(3, [100, 101]), desk)
    asking.collect([ticket], Cursor(4), desk)
    lost = sum(act.cut or (act.status == 200) for act in acts)
    assert Bills(store).total() == pytest.approx(2.0 + lost * most)


def _body(asking: Llm) -> bytes:
    messages = asking.prompts.messages({"id": 100, "display": {}}, CLASSES, ())
    return json.dumps(asking.request(messages, CLASSES), sort_keys=True, ensure_ascii=False).encode()


def test_replies_from_before_there_were_bills_count_once(service: Service) -> None:
    store = MemoryStore()
    asking, desk = labeler(service, **PRICES), desk_of(store)
    ticket = asking.dispatch(batch(3, IDS), desk)
    asking.collect([ticket], Cursor(4), desk)
    for key in store.list("labelers/llm/paid/"):
        del store.objects[key]
    assert [Bills(store).total() for _ in range(3)] == pytest.approx([20.0] * 3)


def test_what_a_driver_paid_that_died_before_a_page_counts(service: Service) -> None:
    class Dying(MemoryStore):
        def create(self, key: str, data: bytes) -> None:
            if "/answers-" in key:
                raise KeyboardInterrupt
            super().create(key, data)

    store = Dying()
    asking, desk = labeler(service, **PRICES), Desk(store, "campaign", CLASSES)
    ticket = asking.dispatch(batch(3, IDS), desk)
    with pytest.raises(KeyboardInterrupt):
        asking.collect([ticket], Cursor(4), desk)
    assert Bills(store).total() == pytest.approx(2.0 * len(service.seen)) == pytest.approx(20.0)


def test_bills_lie_on_a_disk_and_cost_no_more_than_one_listing(tmp_path: Path) -> None:
    class Listing(LocalStore):
        def get(self, key: str) -> bytes:
            raise AssertionError(f"read {key}")

    store = Listing(str(tmp_path))
    for vote, cost in enumerate((1e-07, 0.1, 123456789.25, 5e300)):
        Bills(store).add(f"labelers/llm/replies/ab/ab12-{vote}.json", cost)
    assert Bills(store).total() == 1e-07 + 0.1 + 123456789.25 + 5e300


def test_without_prices_nothing_is_billed(service: Service) -> None:
    store = MemoryStore()
    asking, desk = labeler(service), desk_of(store)
    asking.collect([asking.dispatch(batch(3, IDS), desk)], Cursor(4), desk)
    assert store.list("labelers/llm/paid/") == []
