"""Waits, paces and what a service asks for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.labelers import wire
from lamplighter.labelers.wire import Pace, Patience, encoded, retry_after, secrets_in


@given(st.text(), st.integers(1, 2000), st.floats(0.001, 10), st.floats(0.001, 1000))
def test_a_wait_lies_in_the_upper_half_of_what_doubles_up_to_the_longest(
    key: str, attempt: int, first: float, longest: float
) -> None:
    patience = Patience(backoff_s=first, max_wait_s=longest)
    most = min(first * 2.0 ** min(attempt - 1, 60), longest)
    wait = patience.wait(key, attempt, None)
    assert most / 2 <= wait <= most
    assert wait == patience.wait(key, attempt, None)
    assert patience.wait(key, attempt, 5000.0) == 5000.0


def test_different_requests_wait_differently() -> None:
    waits = {Patience().wait(f"request {n}", 1, None) for n in range(100)}
    assert len(waits) == 100
    assert max(waits) - min(waits) > 0.2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    assert 590 < (retry_after(later) or 0) <= 600


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still, and the waits that were asked for."""
    waits: list[float] = []
    monkeypatch.setattr(wire, "monotonic", lambda: 100.0)
    monkeypatch.setattr(wire, "sleep", waits.append)
    return waits


def test_a_pace_is_kept_by_all_threads_together(clock: list[float]) -> None:
    pace = Pace(4.0)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: pace.keep(), range(9)))
    assert sorted(clock) == [n / 4 for n in range(1, 9)]


def test_without_a_rate_nobody_waits(clock: list[float]) -> None:
    pace = Pace(None)
    for _ in range(5):
        pace.keep()
    assert clock == []


def test_equal_content_is_equal_bytes() -> None:
    assert encoded({"b": 1, "a": "ü"}) == encoded({"a": "ü", "b": 1}) == '{"a": "ü", "b": 1}'.encode()


def test_the_secrets_of_headers() -> None:
    assert secrets_in({"Authorization": "Bearer abc", "X-Key": "k"}) == ("Bearer abc", "k", "abc", "k")
