"""One driver at a time writes, and a dead one holds nobody up."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamplighter.errors import StoreUnavailable
from lamplighter.labelers.label_studio import claims
from lamplighter.labelers.label_studio.claims import TakenOver, claimed
from lamplighter.store.local import LocalStore
from lamplighter.testing.faults import LostReply
from tests.labelers.memory import MemoryStore

CLAIM = "labelers/label_studio/claims/{:08d}.json"
HOLD = """
import sys, time
from lamplighter.labelers.label_studio.claims import claimed
from lamplighter.store.local import LocalStore
with claimed(LocalStore(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_those_who_want_to_write_take_turns() -> None:
    store, inside, most = MemoryStore(), [0], [0]
    lock = threading.Lock()

    def write(_: int) -> int:
        with claimed(store) as claim:
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            with lock:
                inside[0] -= 1
            assert not claim.inherited
            return claim.number

    with ThreadPoolExecutor(6) as drivers:
        numbers = list(drivers.map(write, range(12)))
    assert most == [1]
    assert sorted(numbers) == list(range(1, 13))


def test_an_error_inside_frees_the_claim() -> None:
    store = MemoryStore()
    with pytest.raises(ZeroDivisionError), claimed(store):
        raise ZeroDivisionError
    with claimed(store) as claim:
        assert (claim.number, claim.inherited) == (2, False)


def test_the_claim_of_a_process_that_was_killed_is_taken_over_at_once(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
        holder.wait()
        with claimed(LocalStore(str(tmp_path)), silence_s=1e6) as claim:
            assert (claim.number, claim.inherited) == (2, True)


def test_a_claim_from_elsewhere_is_taken_over_once_it_is_silent() -> None:
    store = MemoryStore()
    foreign = {"owner": "x", "host": "elsewhere", "space": "", "pid": 1, "beat": 3, "free": False}
    store.put(CLAIM.format(1), json.dumps(foreign).encode())
    with claimed(store, silence_s=0.3) as claim:
        assert (claim.number, claim.inherited) == (2, True)


def test_a_claim_that_beats_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_S", 0.05)
    store, held, ended = MemoryStore(), threading.Event(), threading.Event()

    def hold() -> None:
        with claimed(store):
            held.set()
            ended.wait()

    def wait() -> bool:
        with claimed(store, silence_s=5.0) as claim:
            return claim.inherited

    with ThreadPoolExecutor(2) as drivers:
        holding = drivers.submit(hold)
        held.wait()
        waiting = drivers.submit(wait)
        try:
            with pytest.raises(TimeoutError):
                waiting.result(timeout=8.0)  # longer than silence is borne
        finally:
            ended.set()  # else the block would never end
        holding.result()
        assert waiting.result() is False


def test_who_was_taken_for_dead_is_told_before_the_next_write() -> None:
    store = MemoryStore()
    with claimed(store) as claim:
        claim.check()
        store.create(CLAIM.format(2), claim.body(0))
        with pytest.raises(TakenOver):
            claim.check()


def test_a_claim_whose_reply_was_lost_is_held() -> None:
    store = MemoryStore()
    with claimed(LostReply(store, 1)) as claim:
        assert claim.number == 1
    with claimed(store) as claim:
        assert (claim.number, claim.inherited) == (2, False)


def test_a_store_that_is_down_is_told() -> None:
    class Down(MemoryStore):
        def create(self, key: str, data: bytes) -> None:
            raise StoreUnavailable("down")

    with pytest.raises(StoreUnavailable), claimed(Down()):
        pass


@pytest.mark.parametrize("data", [b"", b"[]", b"{"])
def test_a_claim_that_cannot_be_read_ends_in_silence(data: bytes) -> None:
    store = MemoryStore()
    store.put(CLAIM.format(1), data)
    with claimed(store, silence_s=0.1) as claim:
        assert claim.inherited
