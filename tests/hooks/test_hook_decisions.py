"""Who may call, what is a hint, when to look, when to say it again."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.announcing import LONGEST_GAP, Labelled, due_again
from lamplighter.errors import ConfigError
from lamplighter.hooks import SECRET, Agenda, Pace, action_of, is_secret, secret_in

PACE = Pace(quiet=2, longest=20, every=900, retry=10)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GAP = timedelta(minutes=15)
seconds = st.floats(0, 500, allow_nan=False)


@pytest.mark.parametrize(("value", "said"), [(None, "is not set"), ("", "is not set"), ("short", "has 5")])
def test_no_receiver_without_a_secret(monkeypatch: pytest.MonkeyPatch, value: str | None, said: str) -> None:
    monkeypatch.delenv(SECRET, raising=False)
    if value is not None:
        monkeypatch.setenv(SECRET, value)
    with pytest.raises(ConfigError, match=f"{SECRET} {said}") as refused:
        secret_in()
    assert "openssl rand -hex 32" in str(refused.value)
    assert not value or value not in str(refused.value)


def test_the_secret_may_have_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_SECRET", "0123456789abcdef")
    assert secret_in("OTHER_SECRET") == b"0123456789abcdef"


@given(st.text(max_size=40) | st.none(), st.text(min_size=16, max_size=40))
def test_only_the_secret_is_the_secret(tried: str | None, real: str) -> None:
    assert is_secret(tried, real.encode("utf-8", "replace")) == (
        (tried or "").encode("utf-8", "replace") == real.encode("utf-8", "replace")
    )


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_what_is_no_object_names_no_action(value: object) -> None:
    assert action_of(json.dumps(value).encode()) is None


@given(st.binary())
def test_any_bytes_may_come(body: bytes) -> None:
    assert action_of(body) is None


@pytest.mark.parametrize("body", [b"{}", b'{"action": 3}', b'{"action": null}', b"[" * 100_000, b"\xff{}"])
def test_an_object_without_a_text_action_names_none(body: bytes) -> None:
    assert action_of(body) is None


def test_the_action_is_read() -> None:
    body = {"action": "ANNOTATION_CREATED", "annotation": {"id": 3}, "task": {"data": {"text": "\u2603"}}}
    assert action_of(json.dumps(body).encode()) == "ANNOTATION_CREATED"


def test_without_hints_the_routine_decides() -> None:
    agenda = Agenda(PACE, routine=100)
    assert agenda.due == 100
    assert agenda.begun().ended(130, settled=True).due == 1030


def test_a_hint_is_followed_after_a_quiet_moment() -> None:
    agenda = Agenda(PACE, routine=900).hinted(5)
    assert agenda.due == 7
    assert agenda.hinted(6).due == 8


def test_hints_without_end_are_followed_all_the_same() -> None:
    agenda = Agenda(PACE, routine=900)
    for now in range(5, 100):
        agenda = agenda.hinted(now)
    assert agenda.due == 25


@given(st.lists(seconds, min_size=1))
def test_a_look_is_never_later_than_promised(times: list[float]) -> None:
    agenda = Agenda(PACE, routine=300)
    for now in sorted(times):
        agenda = agenda.hinted(now)
    assert min(times) <= agenda.due or agenda.due == 300
    assert agenda.due <= min(300, min(times) + PACE.longest, max(times) + PACE.quiet)


@given(seconds, seconds)
def test_a_hint_during_a_look_leads_to_another(start: float, later: float) -> None:
    agenda = Agenda(PACE, routine=0).hinted(start).begun().hinted(start + later)
    assert agenda.ended(start + later, settled=True).due == start + later + PACE.quiet


def test_what_failed_is_tried_again_soon_then_less_often() -> None:
    agenda, waits = Agenda(PACE, routine=0), []
    for _ in range(100):
        agenda = agenda.begun().ended(0, settled=False)
        waits.append(agenda.due)
    assert waits[:8] == [10, 20, 40, 80, 160, 320, 640, 900]
    assert set(waits[7:]) == {900}
    agenda = agenda.begun().ended(0, settled=True)
    assert agenda.begun().ended(0, settled=False).due == 10


def test_a_batch_is_announced_once_and_again_only_when_no_round_takes_it() -> None:
    assert due_again([], NOW, GAP)
    assert not due_again([NOW - GAP / 2], NOW, GAP)
    assert due_again([NOW - GAP], NOW, GAP)
    assert not due_again([NOW - 3 * GAP, NOW - GAP], NOW, GAP)
    assert due_again([NOW - 3 * GAP, NOW - 2 * GAP], NOW, GAP)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=200))
def test_repetitions_never_stop_and_never_crowd(ages: list[int]) -> None:
    earlier = [NOW - timedelta(seconds=age) for age in ages]
    assert due_again(earlier, max(earlier) + LONGEST_GAP, GAP)
    assert not due_again(earlier, max(earlier) + GAP * 0.99, GAP)


def test_an_announcement_has_the_same_id_wherever_it_is_made() -> None:
    found = Labelled("fruit", 3, "fruit-000003-0a1b2c3d", 20)
    assert found.event_id(0) == Labelled("fruit", 3, "fruit-000003-0a1b2c3d", 20).event_id(0)
    others = [found.event_id(1), Labelled("fruit", 3, "fruit-000003-ffffffff", 20).event_id(0)]
    assert len({found.event_id(0), *others}) == 3
    assert all(isinstance(each, uuid.UUID) for each in others)
