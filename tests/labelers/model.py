"""An llm labeler at a model that runs on a loopback port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from lamplighter.labelers import LABELERS, wire
from lamplighter.labelers.base import Collected, Cursor
from lamplighter.labelers.llm import Llm
from lamplighter.testing.labelers import batch
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.service import Service, chat

IDS = range(100, 110)
DOG = '{"label": "dog"}'
SECRET = "sk-hush-4711"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A model; no wait takes any time."""
    monkeypatch.setattr(wire, "sleep", lambda seconds: None)
    with Service(chat) as running:
        yield running


def labeler(service: Service, **params: Any) -> Llm:
    usual = {"model": "tiny", "base_url": f"{service.url}/v1", "prompt": "{{ id }}", "parallel": 1}
    built = LABELERS.build("llm", {**usual, **params})
    assert isinstance(built, Llm)
    return built


def collect(
    service: Service,
    *,
    store: MemoryStore | None = None,
    rounds: tuple[int, int] = (3, 4),
    rows: Sequence[int] = IDS,
    **params: Any,
) -> Collected:
    asking, desk = labeler(service, **params), desk_of(store or MemoryStore())
    ticket = asking.dispatch(batch(rounds[0], rows), desk)
    return asking.collect([ticket], Cursor(rounds[1]), desk)


def labels(found: Collected) -> dict[int | str, str | None]:
    return {a.id: a.label for a in found.annotations}
