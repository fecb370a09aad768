"""The labeler of these tests, by its name."""

from __future__ import annotations

import pytest

from lamplighter.labelers import LABELERS
from tests.hooks.people import People


@pytest.fixture(autouse=True)
def known_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LABELERS.builtin, "people", People)
