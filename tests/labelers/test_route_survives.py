"""A route may be killed at any moment: each row ends with a machine or with people, and once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import StoreUnavailable
from lamplighter.labelers.base import Annotation, Status
from lamplighter.labelers.route import Route
from lamplighter.testing.faults import Counting, Flaky
from tests.labelers.routes import (
    FILES,
    OTHER,
    Campaign,
    asked_of_machines,
    function,
    people_answer,
    route,
    sent_to_people,
)
from tests.labelers.test_answers_survive import Dead, DiesAt

IDS = tuple(range(100, 113))


@pytest.fixture(autouse=True, scope="module")
def trusted() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
        yield


def in_turn() -> Route:
    return route(function(), function(OTHER), FILES, confidence=0.97, audit=0.3)


def in_agreement() -> Route:
    return route(function(), function(OTHER), FILES, agreement=True, audit=0.9)


def finished(at: Campaign) -> list[Annotation]:
    """Go the whole way, or the rest of it; give what was answered in the end, times aside."""
    at.collect(4)
    people_answer(at.store)
    found = at.collect(5)
    return [replace(said, created_at=None, lead_time_s=None) for said in found.annotations]


def check_each_row_is_settled_once(at: Campaign, found: Sequence[Annotation]) -> None:
    """Each row is taken from one machine or sent to people, audited ones both; nobody sees one twice."""
    taken = Counter(a.id for a in found if a.labeler == "function" and a.status is Status.LABELLED)
    people = Counter(sent_to_people(at.store))
    assert set(taken) | set(people) == set(IDS)
    seen = [taken, people, Counter(asked_of_machines(at.store, 1)), Counter(asked_of_machines(at.store, 2))]
    assert {count for counts in seen for count in counts.values()} == {1}
    audited = at.labeler.rule.audited(at.batch.id, IDS, at.desk())
    assert set(taken) & set(people) == set(taken) & audited
    assert {a.id for a in found if a.status is Status.WITHDRAWN} == set(taken) & audited


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("make", [in_turn, in_agreement])
def test_death_at_any_call_of_the_store(make: Callable[[], Route], after: bool) -> None:
    undisturbed = Campaign(make(), IDS)
    counting = Counting(undisturbed.store)
    undisturbed.collect(4, counting)
    expected = finished(undisturbed)
    assert any(said.status is Status.WITHDRAWN for said in expected)
    for fatal in range(1, len(counting.calls) + 1):
        at = Campaign(make(), IDS)
        with pytest.raises(Dead):
            at.collect(4, DiesAt(at.store, fatal, after=after))
        found = finished(at)
        assert found == expected
        check_each_row_is_settled_once(at, found)


@given(
    seeds=st.lists(st.integers(0, 2**16), max_size=8),
    agreement=st.booleans(),
    confidence=st.sampled_from([None, 0.5, 0.97]),
    audit=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_any_faults_at_any_time(
    seeds: list[int], agreement: bool, confidence: float | None, audit: float
) -> None:
    """Tries that fail in the middle, in two rounds, before one that does not."""
    rule = {"agreement": agreement, "confidence": confidence, "audit": audit}
    at, undisturbed = (Campaign(route(function(), function(OTHER), FILES, **rule), IDS) for _ in range(2))
    for number, seed in enumerate(seeds):
        with suppress(StoreUnavailable):
            at.collect(4 + (number > 4), Flaky(at.store, 0.1, seed))
    found = finished(at)
    assert in_order(found) == in_order(finished(undisturbed))
    check_each_row_is_settled_once(at, found)


def in_order(found: Sequence[Annotation]) -> list[Annotation]:
    """What is decided in two rounds comes in another order, and from other pages."""
    return sorted((replace(said, source="") for said in found), key=repr)


@pytest.mark.parametrize("make", [in_turn, in_agreement])
def test_drivers_at_the_same_time_settle_each_row_once(make: Callable[[], Route]) -> None:
    expected = in_order(finished(Campaign(make(), IDS)))
    for _ in range(5):
        at, together = Campaign(make(), IDS), threading.Barrier(4, timeout=60)

        def drive(_: int, at: Campaign = at, together: threading.Barrier = together) -> None:
            at.dispatch()
            together.wait()
            at.collect(4)

        with ThreadPoolExecutor(4) as drivers:
            list(drivers.map(drive, range(4)))
        found = finished(at)
        assert in_order(found) == expected
        check_each_row_is_settled_once(at, found)
