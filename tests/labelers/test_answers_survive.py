"""A driver may die at any moment: no row is paid twice, but for answers that never reached the store."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from lamplighter.errors import KeyMissing
from lamplighter.labelers.asking import Automated
from lamplighter.labelers.base import Cursor, Desk
from lamplighter.labelers.function import Function
from lamplighter.labelers.http_service import HttpService
from lamplighter.labelers.llm import Llm
from lamplighter.store.base import ObjectStore
from lamplighter.store.local import LocalStore
from lamplighter.testing.faults import Counting, Wrapped
from lamplighter.testing.labelers import CLASSES, batch
from tests.labelers import rules
from tests.labelers.memory import MemoryStore
from tests.labelers.service import Act, Seen, Service, chat, label_all, label_of, prompt_of

T = TypeVar("T")
IDS = range(100, 106)


class Dead(BaseException):
    """What a killed process does not catch."""


class DiesAt(Wrapped):
    """Dies at one call, before or after the store has done it, and at every call from then on."""

    def __init__(self, store: MemoryStore, fatal: int, *, after: bool) -> None:
        super().__init__(store)
        self.left = fatal
        self.after = after
        self.lock = threading.Lock()

    def call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        with self.lock:
            self.left -= 1
            if self.left == 0 and self.after:
                with suppress(KeyMissing):
                    do()
            if self.left <= 0:
                raise Dead
        return do()


def desk(store: ObjectStore) -> Desk:
    return Desk(store, "campaign", CLASSES)


def run(labeler: Automated, store: ObjectStore, ids: Sequence[int] = IDS) -> dict[int | str, str | None]:
    """Do what a driver does with a batch: dispatch, then collect in the next round."""
    at = desk(store)
    found = labeler.collect([labeler.dispatch(batch(3, ids), at)], Cursor(4), at)
    return {said.id: said.label for said in found.annotations}


def http(service: Service) -> Automated:
    return HttpService(service.url, batch_rows=2)


def llm(service: Service) -> Automated:
    return Llm("tiny", base_url=service.url, prompt="{{ id }}", batch_rows=3, parallel=1, votes=2)


def _question(seen: Seen) -> str:
    return f"{prompt_of(seen)}/{seen.body.get('seed')}" if "messages" in seen.body else str(seen.ids)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("make", [http, llm])
def test_death_at_any_call_of_the_store(make: Callable[[Service], Automated], after: bool) -> None:
    """Only what was answered and not written is asked again: at most one request, under its first key."""
    counting = Counting(MemoryStore())
    with Service(chat if make is llm else label_all) as service:
        run(make(service), counting)
        questions = len(service.seen)
    for fatal in range(1, len(counting.calls) + 1):
        with Service(chat if make is llm else label_all) as service:
            store = MemoryStore()
            with pytest.raises(Dead):
                run(make(service), DiesAt(store, fatal, after=after))
            assert run(make(service), store) == {row: label_of(row) for row in IDS}
            asked = Counter(_question(seen) for seen in service.seen)
            again = [question for question, count in asked.items() if count > 1]
            verb, key = counting.calls[fatal - 1]
            lost = verb == "create" and ("/replies/" in key or (make is http and "/answers-" in key))
            assert len(asked) == questions
            assert len(again) == (lost and not after)
            assert len({seen.key for seen in service.seen}) == questions


def test_two_drivers_at_once_keep_one_answer_for_each_row() -> None:
    """Both may ask, under the same keys; what was there first counts for both."""
    store, together = MemoryStore(), threading.Barrier(2, timeout=60)
    with Service(label_all) as service:

        def slow(seen: Seen) -> Act:
            together.wait()
            return label_all(seen)

        service.acts += [slow, slow]
        with ThreadPoolExecutor(2) as drivers:
            found = list(drivers.map(lambda _: run(http(service), store), range(2)))
        assert found[0] == found[1] == {row: label_of(row) for row in IDS}
        assert len({seen.key for seen in service.seen}) == 3
        assert len([key for key in store.objects if "/answers-" in key]) == 3


VICTIM = """
import sys
from lamplighter.labelers.base import Cursor, Desk
from lamplighter.labelers.function import Function
from lamplighter.store.base import ObjectStore
from lamplighter.store.local import LocalStore
from lamplighter.testing.labelers import CLASSES, batch

labeler, desk = Function(sys.argv[2], batch_rows=4), Desk(LocalStore(sys.argv[1]), "campaign", CLASSES)
labeler.collect([labeler.dispatch(batch(3, range(100, 112)), desk)], Cursor(4), desk)
"""


def test_a_process_that_dies_in_the_function_keeps_the_chunks_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    victim = [sys.executable, "-c", VICTIM, str(tmp_path)]
    assert subprocess.run([*victim, "tests.labelers.rules:dies_at_110"], check=False).returncode == 9
    store = LocalStore(str(tmp_path))
    kept = {key: store.get(key) for key in store.list() if "/answers-" in key}
    assert [key.split("-")[-2] for key in kept] == ["000000", "000004"]
    rules.calls.clear()
    found = run(Function("tests.labelers.rules:agree", batch_rows=4), store, range(100, 112))
    assert found == {row: label_of(row) for row in range(100, 112)}
    assert [[row["id"] for row in call] for call in rules.calls] == [[108, 109, 110, 111]]
    assert {key: store.get(key) for key in kept} == kept
