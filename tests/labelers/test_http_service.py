"""What the http labeler sends and takes, its parameters, and its secrets."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from lamplighter.errors import ConfigError, LabelerError
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Cursor, Status
from lamplighter.labelers.http_service import HttpService, Request
from lamplighter.testing.labelers import CLASSES, batch
from tests.labelers.loopback import IDS, collect, labels, service, waits
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.service import Act, Seen, Service, label_of, say

__all__ = ["service", "waits"]

SECRET = "hush-hush-4711"


def test_what_is_sent(service: Service) -> None:
    collect(service, batch_rows=2, show_prediction=True, headers={"X-Team": "owls"})
    first = service.seen[0]
    assert first.path == "/label"
    assert (first.headers["X-Team"], first.headers["Content-Type"]) == ("owls", "application/json")
    assert first.body == {
        "format": 1,
        "campaign": "campaign",
        "batch": "campaign-000003-0a1b2c3d",
        "classes": list(CLASSES),
        "rows": [
            {
                "id": 100 + n,
                "display": {"text": f"text of {100 + n}", "size": (n + 1) / 2},
                "predicted": CLASSES[n + 1],
                "proba": [0.5, 0.25, 0.25],
            }
            for n in range(2)
        ],
    }
    assert Request.model_validate(first.body).rows[1].id == 101


def test_predictions_are_not_sent_unasked(service: Service) -> None:
    collect(service)
    assert {key for row in service.seen[0].body["rows"] for key in row} == {"id", "display"}


def test_what_comes_back(service: Service) -> None:
    found = collect(service, annotator="oracle")
    assert labels(found) == {row: label_of(row) for row in IDS}
    assert {(a.annotator, a.labeler, a.confidence) for a in found.annotations} == {("oracle", "http", 0.75)}


def test_answers_may_come_in_any_order_and_with_more_in_them(service: Service) -> None:
    def shuffled(seen: Seen) -> Act:
        rows = [{"id": i, "label": label_of(i), "why": "so"} for i in reversed(seen.ids)]
        return say({"answers": rows, "model": "v2"}, status=201)

    service.usual = shuffled
    found = collect(service)
    assert [(a.id, a.label, a.confidence) for a in found.annotations] == [(i, label_of(i), None) for i in IDS]


def test_abstaining_and_labels_that_are_no_class(service: Service) -> None:
    said = {100: None, 101: "dgo", 102: "\ud800", 103: "x" * 500}
    service.usual = lambda seen: say(
        {"answers": [{"id": i, "label": said.get(int(i), "cat")} for i in seen.ids]}
    )
    store = MemoryStore()
    found = collect(service, store=store)
    assert [a.status for a in found.annotations[:5]] == [Status.ABSTAINED] * 4 + [Status.LABELLED]
    assert [problem.where.split()[-1] for problem in found.problems] == ["101", "102", "103"]
    assert "'dgo'; did you mean 'dog'?" in found.problems[0].what
    assert len(found.problems[2].what) < 350
    assert collect(service, store=store, round_number=5).problems == []
    assert len(service.seen) == 1


# Secrets


def test_no_secret_is_shown_or_kept(
    service: Service, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """Not even when the service repeats it, in an error or for a label."""
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"seen": f"Bearer {SECRET}", "key": SECRET}).encode()
    service.acts += [Act(422, echo), Act(500, echo), Act(200, b"<" + echo)]
    service.usual = lambda seen: say({"answers": [{"id": i, "label": f"no {SECRET}"} for i in seen.ids]})
    store, headers = MemoryStore(), {"Authorization": f"Bearer {SECRET}"}
    found = collect(service, store=store, batch_rows=5, headers=headers)
    assert {seen.headers["Authorization"] for seen in service.seen} == {f"Bearer {SECRET}"}
    service.usual = lambda seen: Act(401, echo)
    with pytest.raises(LabelerError, match=r"\*\*\*") as caught:
        collect(service, store=store, batch_rows=5, headers=headers, round_number=5)
    labeler = HttpService(f"{service.url}/?key={SECRET}", headers=headers)
    shown = [str(found), str(caught.value), repr(labeler), caplog.text, *map(str, store.objects.items())]
    assert [text for text in shown if SECRET in text] == []
    assert len(found.problems) == 6


def test_an_address_with_a_key_is_not_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    labeler, desk = HttpService(f"{service.url}/?key={SECRET}"), desk_of(MemoryStore())
    ticket = labeler.dispatch(batch(), desk)
    assert labeler.collect([ticket], Cursor(9), desk).annotations
    assert service.seen[0].path == f"/?key={SECRET}"
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "url"),
        ({"url": "ftp://host"}, "url is no address; allowed: http://host/path"),
        ({"url": "label"}, "url is no address"),
        ({"url": 7}, "url is no address"),
        ({"url": "http://[::1"}, "url is no address"),
        ({"url": "http://host:99999"}, "url is no address"),
        ({"url": f"http://me:{SECRET}@host"}, "url holds a user or a password"),
        ({"headers": [SECRET]}, "headers must map names to texts"),
        ({"headers": {"X": 7}}, "headers must map names to texts"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"attempts": 0}, "attempts is 0"),
        ({"backoff_s": -1}, "backoff_s is -1"),
        ({"max_wait_s": float("inf")}, "max_wait_s is inf"),
        ({"requests_per_s": "many"}, "requests_per_s is 'many'"),
        ({"parallel": 0}, "parallel is 0"),
        ({"batch_rows": 1.5}, "batch_rows is 1.5"),
        ({"annotator": " "}, "annotator is ' '"),
        ({"hedaers": {}}, "did you mean 'headers'"),
    ],
)
def test_wrong_parameters_are_refused_without_showing_secrets(params: dict[str, Any], message: str) -> None:
    given = params if "url" in params or not params else {"url": "https://host/label", **params}
    with pytest.raises(ConfigError) as caught:
        LABELERS.build("http", given)
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)
