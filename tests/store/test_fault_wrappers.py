"""The wrappers that spoil a store do what they say, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lamplighter.errors import StoreUnavailable
from lamplighter.store import LocalStore, ObjectStore
from lamplighter.testing.faults import Counting, CrashAt, Flaky, LostReply, Wrapped


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path))


@pytest.mark.parametrize("wrap", [Wrapped, Counting, lambda s: CrashAt(s, 99), lambda s: LostReply(s, 99)])
def test_wrappers_hand_through(store: LocalStore, wrap: type[Wrapped]) -> None:
    wrapped: ObjectStore = wrap(store)
    wrapped.put("a", b"1")
    wrapped.create("b", b"2")
    assert wrapped.url == store.url
    assert (wrapped.get("a"), store.get("b")) == (b"1", b"2")
    assert list(wrapped.list()) == ["a", "b"]


def test_counting(store: LocalStore) -> None:
    counting = Counting(store)
    counting.put("a", b"")
    counting.get("a")
    counting.list("x")
    assert counting.calls == [("put", "a"), ("get", "a"), ("list", "x")]


def test_lost_reply_loses_one_answer_to_a_write(store: LocalStore) -> None:
    lossy = LostReply(store, write=2)
    lossy.put("a", b"1")
    assert lossy.get("a") == b"1"
    with pytest.raises(StoreUnavailable):
        lossy.create("b", b"2")
    assert lossy.get("b") == b"2"
    lossy.put("c", b"3")


def test_flaky_fails_before_and_after_the_same_each_time(tmp_path: Path) -> None:
    def outcomes(name: str) -> list[tuple[bool, bool]]:
        store, found = LocalStore(str(tmp_path / name)), []
        flaky = Flaky(store, rate=0.5, seed=3)
        for i in range(40):
            try:
                flaky.put(f"k{i}", b"")
                answered = True
            except StoreUnavailable:
                answered = False
            found.append((answered, f"k{i}" in store.list()))
        return found

    first = outcomes("first")
    assert set(first) == {(True, True), (False, True), (False, False)}
    assert outcomes("second") == first


@pytest.mark.fault
def test_a_killed_driver_is_replaced() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.crashes"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 25
