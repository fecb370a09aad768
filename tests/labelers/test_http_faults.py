"""The http labeler against services that are busy, broken, slow, wrong or gone."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from lamplighter.errors import LabelerError
from lamplighter.labelers import wire
from lamplighter.labelers.base import Cursor
from lamplighter.labelers.http_service import HttpService
from lamplighter.testing.labelers import batch
from tests.labelers.loopback import IDS, collect, labels, service, waits
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.service import Act, Service, label_all, label_of, say

__all__ = ["service", "waits"]


# What is tried again


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_a_busy_or_broken_service_is_tried_again(service: Service, status: int, waits: list[float]) -> None:
    service.acts += [Act(status), Act(status, b"<html>sorry</html>")]
    found = collect(service)
    assert len(labels(found)) == len(IDS)
    assert found.problems == []
    assert len({seen.key for seen in service.seen}) == 1
    assert len(service.seen) == 3
    assert 0.25 < waits[0] <= 0.5 < waits[1] <= 1.0


@pytest.mark.parametrize(
    "act",
    [
        Act(cut=True),
        Act(200, b"<html>all is well</html>"),
        Act(200, b'{"answers": [{"id": 1'),
        Act(200, b""),
        Act(200, b"\xff\xfe"),
        Act(200, b"[" * 100_000),
        Act(200, b"half", {"Content-Length": "400"}, cut=True),
        Act(200, b"no gzip", {"Content-Encoding": "gzip"}),
        Act(200, b"{}", {"Content-Length": "many"}),
    ],
    ids=["cut", "html", "half json", "nothing", "no utf-8", "deep", "cut in the body", "no gzip", "odd"],
)
def test_an_answer_lost_on_the_wire_is_asked_for_under_the_same_key(
    service: Service, act: Act, waits: list[float]
) -> None:
    service.acts.append(act)
    assert labels(collect(service)) == {row: label_of(row) for row in IDS}
    first, second = service.seen
    assert first.key == second.key
    assert first.body == second.body


@pytest.mark.parametrize("act", [Act(delay_s=5), Act(200, b'{"answers": []}      ', piece_s=0.15)])
def test_an_answer_that_takes_too_long_is_asked_for_again(service: Service, act: Act) -> None:
    service.acts.append(act)
    # The second answer has as long: a busy machine may stand still for a second.
    assert len(labels(collect(service, timeout_s=2.5, backoff_s=0.001))) == len(IDS)
    assert len({seen.key for seen in service.seen}) == 1
    assert len(service.seen) == 2


def test_retry_after_is_obeyed(service: Service, waits: list[float]) -> None:
    service.acts += [Act(429, headers={"Retry-After": "7"}), Act(503, headers={"Retry-After": "0"})]
    collect(service)
    assert waits[0] == 7.0
    assert 0.5 < waits[1] <= 1.0


def test_a_wait_that_is_too_long_is_left_to_the_next_collect(service: Service, waits: list[float]) -> None:
    service.acts += [label_all, Act(429, headers={"Retry-After": "3600"})]
    store = MemoryStore()
    found = collect(service, store=store, batch_rows=5)
    assert len(labels(found)) == 5
    assert "answered 429: nothing; it wants a wait of 3600 s" in found.problems[0].what
    assert waits == []
    assert len(labels(collect(service, store=store, batch_rows=5, round_number=5))) == 10
    assert len(service.asked) == 15


def test_a_service_that_stays_broken_is_an_error(service: Service, waits: list[float]) -> None:
    service.usual = lambda seen: Act(500, b"out of memory")
    store = MemoryStore()
    with pytest.raises(
        LabelerError, match=r"none of the 10 rows .*500: 'out of memory' .tried 3 times"
    ) as caught:
        collect(service, store=store, attempts=3)
    assert "nothing is lost" in str(caught.value)
    assert list(store.objects) == ["labelers/http/campaign-000003-0a1b2c3d/batch.json"]
    service.usual = label_all
    assert len(labels(collect(service, store=store))) == len(IDS)


def test_after_three_outages_the_rest_is_not_tried(service: Service, waits: list[float]) -> None:
    service.acts += [label_all, *[Act(503)] * 6]
    found = collect(service, batch_rows=1, attempts=2)
    assert len(service.seen) == 1 + 3 * 2
    assert len(labels(found)) == 1
    assert [p.where for p in found.problems[3:]] == ["labeler 'http'"]
    assert found.problems[3].what == (
        "6 rows were not asked about: it failed 3 times in a row; they have no answer yet"
    )


def test_a_service_that_is_not_there(waits: list[float]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        labeler, desk = HttpService(f"http://127.0.0.1:{held.getsockname()[1]}"), desk_of(MemoryStore())
        ticket = labeler.dispatch(batch(), desk)
        with pytest.raises(LabelerError, match="cannot be reached: ConnectError"):
            labeler.collect([ticket], Cursor(9), desk)
    assert len(waits) == 4


# What is not


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"answers": []}, "0 answers, about 0 of 10 rows; there must be exactly one for each"),
        ({"answers": [{"id": 100, "label": "cat"}] * 10}, "10 answers, about 1 of 10 rows"),
        ({"answers": [{"id": i, "label": "cat"} for i in range(101, 111)]}, "rows that were not sent: 110"),
        ({"answers": [{"id": i, "label": "cat"} for i in range(100, 111)]}, "11 answers, about 10 of 10"),
        ({"answers": [{"id": str(i), "label": "cat"} for i in IDS]}, "were not sent: '100', '101'"),
        ({"answers": [{"id": i, "label": 1} for i in IDS]}, "schema at answers.0.label: .* 10 faults"),
        ({"answers": [{"id": i} for i in IDS]}, "schema at answers.0.label: Field required"),
        ({"answers": [{"id": True, "label": "cat"}]}, "schema at answers.0.id"),
        ({"answers": [{"id": 1, "label": "cat", "confidence": 2}]}, "answers.0.confidence: .*less than or"),
        ({"answers": [{"id": 1, "label": "cat", "confidence": float("nan")}]}, "answers.0.confidence"),
        ({"error": "overloaded"}, "schema at answers: Field required"),
        (["cat"], "schema at the answer"),
    ],
)
def test_an_answer_of_the_wrong_form_is_named_and_not_asked_for_again(
    service: Service, answer: Any, message: str
) -> None:
    service.usual = lambda seen: say(answer)
    with pytest.raises(LabelerError, match=message):
        collect(service)
    assert len(service.seen) == 1


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 405, 410])
def test_a_refusal_of_everything_ends_the_collect(service: Service, status: int) -> None:
    service.usual = lambda seen: Act(status, b"no", {"Location": "http://elsewhere.invalid/"})
    with pytest.raises(LabelerError, match=f"answered {status}: 'no'; check the address and the credentials"):
        collect(service, batch_rows=1)
    assert len(service.seen) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_chunk_stays_open_alone(service: Service, status: int) -> None:
    service.acts.append(Act(status, b"row 101 is empty"))
    found = collect(service, batch_rows=5)
    assert [*labels(found)] == [*range(105, 110)]
    assert found.problems[0].where.endswith("row 100 to 104 (5 rows)")
    assert f"answered {status}: 'row 101 is empty'" in found.problems[0].what


def test_an_endless_answer_is_cut(
    service: Service, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MOST_BYTES", 1000)
    service.acts.append(Act(200, b" " * 5000))
    assert len(labels(collect(service))) == len(IDS)


def test_requests_keep_their_distance(service: Service, waits: list[float]) -> None:
    collect(service, batch_rows=2, requests_per_s=0.1)
    assert len(waits) == 4
    assert [round(wait / 10) for wait in waits] == [1, 2, 3, 4]
