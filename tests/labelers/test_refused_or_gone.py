"""Whether another try may help is told by the class of the error: Prefect waits for minutes between tries."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from lamplighter.errors import LabelerError, LabelerRefused
from lamplighter.labelers import LABELERS, wire
from lamplighter.labelers.base import Cursor
from lamplighter.labelers.label_studio.client import Call, session
from lamplighter.testing.labelers import batch
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.service import Act, Service, chat, say

LLM: dict[str, Any] = {"model": "tiny", "prompt": "{{ id }}", "parallel": 1, "attempts": 2}
REFUSED = {
    "401": Act(401, b"no"),
    "403": Act(403, b"no"),
    "400": Act(400, b"no"),
    "a misfit": say({"what": "is this"}),
}
MAY_PASS = {"500": Act(500, b"sorry"), "429": Act(429), "cut": Act(cut=True), "no JSON": Act(200, b"<html>")}
LEGACY = "a-legacy-token"
LABELERS_THAT_ASK = pytest.mark.parametrize("name", ["http", "llm"])


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(wire, "sleep", lambda seconds: None)
    with Service(chat) as running:
        yield running


def error_of(name: str, url: str) -> LabelerError:
    """Give why nobody answers at an address."""
    params = {**LLM, "base_url": url} if name == "llm" else {"url": url, "attempts": 2}
    labeler, desk = LABELERS.build(name, params), desk_of(MemoryStore())
    ticket = labeler.dispatch(batch(3, range(100, 110)), desk)
    with pytest.raises(LabelerError) as raised:
        labeler.collect([ticket], Cursor(4), desk)
    return raised.value


def nobody_there() -> tuple[socket.socket, str]:
    """Hold a port at which nobody listens."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held, f"http://127.0.0.1:{held.getsockname()[1]}"


@LABELERS_THAT_ASK
@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_or_does_not_fit_is_told_apart(service: Service, name: str, act: Act) -> None:
    service.usual = lambda seen: act
    assert isinstance(error_of(name, service.url), LabelerRefused)


@LABELERS_THAT_ASK
@pytest.mark.parametrize("act", MAY_PASS.values(), ids=MAY_PASS)
def test_what_may_pass_is_not(service: Service, name: str, act: Act) -> None:
    service.usual = lambda seen: act
    assert not isinstance(error_of(name, service.url), LabelerRefused)


@LABELERS_THAT_ASK
def test_an_address_where_nobody_is_may_be_there_later(service: Service, name: str) -> None:
    held, url = nobody_there()
    with held:
        assert not isinstance(error_of(name, url), LabelerRefused)


def test_one_failure_that_may_pass_is_enough(service: Service) -> None:
    """Rows that are refused and rows that met an outage: the latter may be answered soon."""
    service.acts += [Act(400, b"no"), Act(503), Act(503)]
    service.usual = lambda seen: Act(400, b"no")
    assert not isinstance(error_of("llm", service.url), LabelerRefused)


# Label Studio


def refused_by_label_studio(url: str, token: str = LEGACY) -> bool:
    """Say whether the error of a request is that of a refusal."""
    patience = wire.Patience(attempts=1, timeout_s=5.0)
    with session(url, token, patience) as client, pytest.raises(LabelerError) as raised:
        client.insist(Call("POST", "/api/projects/", body={}))
    return isinstance(raised.value, LabelerRefused)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_label_studio_refuses(service: Service, status: int) -> None:
    service.usual = lambda seen: Act(status, b"no")
    assert refused_by_label_studio(service.url)


def test_label_studio_knows_of_no_such_token(service: Service) -> None:
    service.usual = lambda seen: Act(401, b"revoked")
    assert refused_by_label_studio(service.url, f"head.{b64encode(b'{}').decode()}.sign")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_label_studio_may_come_back(service: Service, status: int) -> None:
    service.usual = lambda seen: Act(status)
    assert not refused_by_label_studio(service.url)


def test_label_studio_is_not_there() -> None:
    held, url = nobody_there()
    with held:
        assert not refused_by_label_studio(url)
