"""The crew, as a campaign file names it."""

from __future__ import annotations

import pytest

from lamplighter.labelers import LABELERS
from tests.quality_rounds.crew_labeler import Crew


@pytest.fixture(autouse=True)
def hired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let campaigns name the labeler `crew`."""
    monkeypatch.setitem(LABELERS.builtin, "crew", Crew)
