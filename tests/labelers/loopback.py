"""An http labeler at a service that runs on a loopback port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lamplighter.labelers import LABELERS, wire
from lamplighter.labelers.base import Collected, Cursor
from lamplighter.testing.labelers import batch
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.service import Service, label_all

IDS = range(100, 110)


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(label_all) as running:
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no wait take any time, and note how long it would have been."""
    noted: list[float] = []
    monkeypatch.setattr(wire, "sleep", noted.append)
    return noted


def collect(
    service: Service, *, store: MemoryStore | None = None, round_number: int = 4, **params: Any
) -> Collected:
    labeler = LABELERS.build("http", {"url": f"{service.url}/label", **params})
    desk = desk_of(store or MemoryStore())
    ticket = labeler.dispatch(batch(3, IDS), desk)
    return labeler.collect([ticket], Cursor(round_number), desk)


def labels(found: Collected) -> dict[int | str, str | None]:
    return {a.id: a.label for a in found.annotations}
