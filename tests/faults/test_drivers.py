"""Two drivers on one campaign: one goes on, the other stops with a clear message, nothing is asked twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import RoundConflict
from lamplighter.rounds import RoundRecord, Step
from lamplighter.steps import perform, run_round
from lamplighter.store import open_store
from lamplighter.store.base import ObjectStore
from tests.campaigns import make_campaign, write_campaign
from tests.faults.ledgers import answers, asked, ledger
from tests.servers.seaweed import Seaweed

pytestmark = pytest.mark.fault


class Meeting:
    """A store at which two drivers meet: the first create of a step's checkpoint waits for the other."""

    def __init__(self, store: ObjectStore, step: Step, barrier: threading.Barrier) -> None:
        self.store, self.step, self.barrier = store, step, barrier

    @property
    def url(self) -> str:
        """Where the store lies."""
        return self.store.url

    def get(self, key: str) -> bytes:
        """Give an object."""
        return self.store.get(key)

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.store.put(key, data)

    def list(self, prefix: str = "") -> Sequence[str]:
        """Give the keys."""
        return self.store.list(prefix)

    def create(self, key: str, data: bytes) -> None:
        """Write an object only if the key is free, at the same moment as the other driver."""
        if key.endswith(f"/{self.step}.json") or (self.step is Step.COMMIT and key.endswith("/record.json")):
            self.barrier.wait(60)
        self.store.create(key, data)


def race(driver: Driver, step: Step) -> tuple[list[object], list[RoundConflict]]:
    """Have two drivers do a step at once; give what they returned and the conflicts they met."""
    barrier = threading.Barrier(2)
    done: list[object] = []
    conflicts: list[RoundConflict] = []

    def go() -> None:
        mine = replace(driver, store_override=Meeting(open_store(driver.store.url), step, barrier))
        # Drivers of their own sign with a token of their own process; here both are one process.
        try:
            done.append(perform(mine, step))
        except RoundConflict as conflict:
            conflicts.append(conflict)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return done, conflicts


@pytest.mark.parametrize("step", list(Step))
def test_one_wins_every_step(step: Step, tmp_path: Path) -> None:
    driver = Driver(make_campaign(tmp_path)).open()
    run_round(driver)
    for earlier in list(Step)[: list(Step).index(step)]:
        perform(driver, earlier)
    done, conflicts = race(driver, step)
    assert len(done) == 1
    assert len(conflicts) == 1
    what = "round 2" if step is Step.COMMIT else f"step '{step}' of round 2"
    assert what in str(conflicts[0])
    while not isinstance(run_round(driver), RoundRecord):
        pass
    rows = asked(driver.store)
    assert len(rows) == len(set(rows))


def test_both_to_the_end_give_the_ledger_of_one(tmp_path: Path) -> None:
    expected = Driver(make_campaign(tmp_path, store="alone")).open()
    for _ in range(2):
        run_round(expected)
    campaign = load(write_campaign(tmp_path, store="together"))
    threads = [threading.Thread(target=_stubborn, args=(Driver(campaign).open(), 2)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    store = Driver(campaign).store
    # A driver that looked just before the last commit goes on with a third round.
    assert ledger(store)[:2] == ledger(expected.store)
    assert set(answers(expected.store)) <= set(answers(store))
    assert len(asked(store)) == len(set(asked(store)))


def _stubborn(driver: Driver, rounds: int) -> None:
    """Start again after every conflict, as a person or a schedule would."""
    while len(driver.history().records) < rounds:
        try:
            run_round(driver)
        except RoundConflict:
            continue


def test_the_store_is_away_for_some_seconds(tmp_path: Path, s3: Seaweed, bucket: str) -> None:
    """Every step meets the outage: the server stops just before it and comes back five seconds later."""
    make_campaign(tmp_path, store=bucket)
    campaign = load(str(tmp_path / "campaign.yaml"))
    driver = Driver(campaign).open()
    run_round(driver)
    for step in Step:
        s3.stop()
        back = threading.Timer(5, s3.start)
        back.start()
        try:
            perform(driver, step)
        finally:
            back.join()
    assert len(driver.history().records) == 2
    rows = asked(driver.store)
    assert len(rows) == len(set(rows)) == 120
