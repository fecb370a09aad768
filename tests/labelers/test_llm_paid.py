"""What the llm labeler pays and says about it, the cap, and what it never pays twice."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from lamplighter.errors import LabelerRefused
from lamplighter.labelers.asking import Unheard
from lamplighter.labelers.base import Cursor
from lamplighter.labelers.llm import Llm
from lamplighter.labelers.shelf import Page, Shelf, Usage
from lamplighter.testing.labelers import CLASSES, batch
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.model import DOG, IDS, SECRET, collect, labeler, labels, service
from tests.labelers.service import Act, Service, completion

__all__ = ["service"]

#: A reply of `completion` costs 1 for its input and 1 for its output.
PRICES: dict[str, Any] = {"input_price": 10_000.0, "output_price": 100_000.0}


def spent(pages: Sequence[Page]) -> Usage:
    """Add up what pages of answers say."""
    return sum((page.answered.usage or Usage() for page in pages), Usage())


def test_tokens_and_cost_are_kept_with_the_answers(service: Service) -> None:
    store = MemoryStore()
    collect(service, store=store, batch_rows=4, **PRICES)
    asking = labeler(service)
    ticket = asking.dispatch(batch(3, IDS), desk_of(store))
    usage = spent(Shelf(store, "llm").pages([ticket]))
    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (10, 1000, 100)
    assert usage.cost == pytest.approx(20.0)


@pytest.mark.parametrize("parallel", [1, 4])
def test_the_cap_stops_the_asking_and_leaves_the_rest(service: Service, parallel: int) -> None:
    """A reply costs 2; before it is there, the bytes of its request count for tokens."""
    store, asking = MemoryStore(), labeler(service, max_tokens=10, **PRICES)
    most = asking.most_cost(json.dumps(asking.request(_messages(asking), CLASSES), sort_keys=True).encode())
    cap = 4 * 2 + most + 0.5  # room for a fifth, then not for a sixth
    found = collect(
        service, store=store, max_cost=cap, max_tokens=10, parallel=parallel, batch_rows=3, **PRICES
    )
    assert len(labels(found)) == len(service.seen) == 5
    assert parallel > 1 or [*labels(found)] == [100, 101, 102, 103, 104]
    assert found.problems[0].where == "labeler 'llm'"
    assert "5 rows were not asked about: max_cost" in found.problems[0].what
    again = collect(
        service, store=store, max_cost=cap, max_tokens=10, parallel=parallel, batch_rows=3, **PRICES
    )
    assert len(service.seen) == 5
    assert again.annotations == found.annotations
    with pytest.raises(
        Unheard, match=r"'llm': 5 rows were not asked about: max_cost .* raise the cap"
    ) as ended:
        collect(service, store=store, rounds=(3, 5), max_cost=cap, max_tokens=10, batch_rows=3, **PRICES)
    assert isinstance(ended.value, LabelerRefused)
    assert ended.value.found.annotations == found.annotations
    assert ended.value.found.problems == []
    more = collect(service, store=store, max_cost=cap + 2, max_tokens=10, batch_rows=3, **PRICES)
    assert len(labels(more)) == len(service.seen) == 6


def _messages(asking: Llm) -> list[dict[str, str]]:
    return asking.prompts.messages({"id": 100, "display": {}}, CLASSES, ())


def test_the_cap_is_of_the_campaign(service: Service) -> None:
    store = MemoryStore()
    asking, desk = labeler(service, max_cost=5000.0, max_tokens=10, **PRICES), desk_of(store)
    first = asking.dispatch(batch(3, IDS), desk)
    asking.collect([first], Cursor(4), desk)
    second = asking.dispatch(batch(4, range(200, 210)), desk)
    poor = labeler(service, max_cost=21.0, max_tokens=10, **PRICES)
    with pytest.raises(Unheard, match="max_cost 21 leaves no room") as ended:
        poor.collect([first, second], Cursor(5), desk)
    assert len(ended.value.found.annotations) == len(service.seen) == 10


def test_a_reply_without_usage_counts_at_its_most(service: Service) -> None:
    service.usual = lambda seen: completion(DOG, tokens=None)
    store = MemoryStore()
    collect(service, store=store, rows=[100], **PRICES)
    (said,) = [json.loads(data) for key, data in store.objects.items() if "/replies/" in key]
    body = len(json.dumps(service.seen[0].body, ensure_ascii=False).encode())
    assert (said["input_tokens"], said["output_tokens"]) == (None, None)
    assert said["cost"] == pytest.approx(body * 0.01 + 200 * 0.1)


def test_tries_that_may_have_been_paid_in_vain_count_at_their_most(service: Service) -> None:
    service.acts += [Act(cut=True), Act(500)]
    store = MemoryStore()
    collect(service, store=store, rows=[100], **PRICES)
    (said,) = [json.loads(data) for key, data in store.objects.items() if "/replies/" in key]
    body = len(json.dumps(service.seen[0].body, ensure_ascii=False).encode())
    assert said["lost"] == 1
    assert said["cost"] == pytest.approx(2.0 + body * 0.01 + 200 * 0.1)


# What is paid once


def test_a_row_is_paid_once_even_in_another_batch(service: Service) -> None:
    store = MemoryStore()
    collect(service, store=store, **PRICES)
    found = collect(service, store=store, rounds=(7, 8), rows=range(105, 115), **PRICES)
    assert {*labels(found)} == {*range(105, 115)}
    assert len(service.seen) == 15
    asking, desk = labeler(service), desk_of(store)
    ticket = asking.dispatch(batch(7, range(105, 115)), desk)
    assert spent(Shelf(store, "llm").pages([ticket])).requests == 5


@pytest.mark.parametrize(
    "change",
    [{"model": "large"}, {"prompt": "{{ id }}!"}, {"temperature": 0.5}, {"options": {"top_p": 1}}],
    ids=str,
)
def test_another_question_is_another_reply(service: Service, change: dict[str, Any]) -> None:
    store = MemoryStore()
    service.usual = lambda seen: completion(DOG)
    collect(service, store=store)
    collect(service, store=store, rounds=(7, 8), **change)
    assert len(service.seen) == 20


def test_rows_that_show_the_same_are_one_request(service: Service) -> None:
    store = MemoryStore()
    service.usual = lambda seen: completion(DOG)
    found = collect(service, store=store, prompt="the same", batch_rows=4, parallel=3, **PRICES)
    assert labels(found) == dict.fromkeys(IDS, "dog")
    assert len(service.seen) == 1
    asking = labeler(service)
    pages = Shelf(store, "llm").pages([asking.dispatch(batch(3, IDS), desk_of(store))])
    assert spent(pages).requests == 1


def test_no_secret_is_shown_or_kept(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = f"your key is {SECRET}"
    service.acts += [Act(500, said.encode()), Act(400, said.encode())]
    service.usual = lambda seen: completion(said)
    store, headers = MemoryStore(), {"X-Key": f"{SECRET}-2"}
    found = collect(service, store=store, api_key=SECRET, headers=headers)
    shown = [str(found), repr(labeler(service, api_key=SECRET, headers=headers)), caplog.text]
    shown += [f"{key} {data!r}" for key, data in store.objects.items()]
    assert [text for text in shown if SECRET in text] == []
    assert any("your key is ***" in text for text in shown)


def test_what_it_cost_is_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lamplighter")
    collect(service, **PRICES)
    assert "labeler 'llm': tiny has cost 20 in this campaign so far" in caplog.text
