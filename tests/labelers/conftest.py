"""What the tests of labelers share."""

from __future__ import annotations

import pytest

from tests.labelers import rules


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let campaigns call the functions of `rules`, which have not been called yet."""
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    rules.calls.clear()
