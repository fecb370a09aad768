"""The ledger gives back what was written, whoever else writes, and whatever fails."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lamplighter.errors import (
    CommitUnknown,
    KeyMissing,
    RoundConflict,
    StoreError,
    StoreUnavailable,
)
from lamplighter.rounds import AnyStep, Artifact, History, OpenRound, RoundRecord, Step
from lamplighter.store import LocalStore, ObjectStore, S3Store
from lamplighter.store.log import STEPS, RoundLog, record_key, step_key, writer_token
from lamplighter.testing.faults import Counting, Flaky, LostReply
from tests.store.records import drive, plain_steps, record, steps, write_rounds


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path))


def test_an_empty_store_is_at_the_first_round(store: LocalStore) -> None:
    assert RoundLog(store).history() == History((), OpenRound(1, {}))


def test_keys(store: LocalStore) -> None:
    write_rounds(RoundLog(store), 1)
    RoundLog(store).checkpoint(plain_steps(2)[0])
    assert list(store.list()) == [
        *(f"rounds/000001/{name}.json" for name in ("collect", "dispatch", "evaluate", "record")),
        *(f"rounds/000001/{name}.json" for name in ("score", "select", "train")),
        "rounds/000002/collect.json",
    ]


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_history_is_what_was_appended(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as home:
        log = RoundLog(LocalStore(home))
        records = [record(data.draw(steps(number + 1))) for number in range(data.draw(st.integers(0, 3)))]
        for each in records:
            log.append(each)
        begun = data.draw(steps(len(records) + 1))[: data.draw(st.integers(0, 6))]
        for done in begun:
            log.checkpoint(done)
        expected = History(
            tuple(records), OpenRound(len(records) + 1, {Step(done.step): done for done in begun})
        )
        assert log.history() == expected
        assert RoundLog(LocalStore(home)).history() == expected


class Ledger(RuleBasedStateMachine):
    """Two drivers write what they please; a dict says what must have come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.store = LocalStore(self.home.name)
        self.model: dict[tuple[int, str], AnyStep | RoundRecord] = {}

    @initialize()
    def start(self) -> None:
        self.drivers = {name: RoundLog(self.store) for name in ("a", "b")}

    def teardown(self) -> None:
        self.home.cleanup()

    @property
    def open(self) -> int:
        return 1 + sum(name == "record" for _, name in self.model)

    def begun(self, round: int) -> dict[Step, AnyStep]:
        found = {step: self.model.get((round, step)) for step in STEPS}
        return {step: done for step, done in found.items() if done and not isinstance(done, RoundRecord)}

    def write(self, driver: str, place: tuple[int, str], written: AnyStep | RoundRecord) -> None:
        log = self.drivers[driver]
        first = self.model.setdefault(place, written)
        conflict = pytest.raises(RoundConflict, match=f"written by {first.writer} at .*this one is {driver}")
        with nullcontext() if first == written else conflict:
            if isinstance(written, RoundRecord):
                log.append(written)
            else:
                log.checkpoint(written)

    @rule(driver=st.sampled_from("ab"))
    def do_next_step(self, driver: str) -> None:
        at = len(self.begun(self.open))
        if at < len(STEPS):
            self.write(driver, (self.open, STEPS[at]), plain_steps(self.open, driver)[at])

    @rule(driver=st.sampled_from("ab"), at=st.integers(0, 5))
    def do_a_step_again(self, driver: str, at: int) -> None:
        if at < len(self.begun(self.open)):
            self.write(driver, (self.open, STEPS[at]), plain_steps(self.open, driver)[at])

    @precondition(lambda self: len(self.begun(self.open)) >= 3)
    @rule(driver=st.sampled_from("ab"))
    def commit_round(self, driver: str) -> None:
        begun = self.begun(self.open)
        written = record(begun.values()).model_copy(update={"writer": driver})
        self.write(driver, (self.open, "record"), written)

    @precondition(lambda self: self.open > 1)
    @rule(driver=st.sampled_from("ab"))
    def commit_a_round_again(self, driver: str) -> None:
        last = self.open - 1
        begun = self.begun(last)
        self.write(driver, (last, "record"), record(begun.values()).model_copy(update={"writer": driver}))

    @rule(driver=st.sampled_from("ab"))
    def restart(self, driver: str) -> None:
        self.drivers[driver] = RoundLog(self.store)

    @invariant()
    def both_read_the_same(self) -> None:
        records = [self.model[number, "record"] for number in range(1, self.open)]
        expected = (*records,), OpenRound(self.open, self.begun(self.open))
        for log in getattr(self, "drivers", {}).values():
            history = log.history()
            assert (history.records, history.open) == expected


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)


def test_only_new_records_are_read(store: LocalStore) -> None:
    write_rounds(RoundLog(store), 3)
    counting = Counting(store)
    log = RoundLog(counting)
    log.history()
    assert sorted(counting.calls) == [*(("get", record_key(n)) for n in (1, 2, 3)), ("list", "rounds/")]
    counting.calls.clear()
    log.checkpoint(plain_steps(4)[0])
    log.history()
    collect = step_key(4, Step.COLLECT)
    assert counting.calls == [("create", collect), ("list", "rounds/"), ("get", collect)]


def racing(store: ObjectStore, racers: int) -> list[str | RoundConflict]:
    """Let drivers checkpoint one step at the same moment; give their errors, or their names."""
    together = Barrier(racers)

    def drive(racer: int) -> str | RoundConflict:
        log, name = RoundLog(store), f"driver-{racer}"
        done = plain_steps(1, name)[0]
        together.wait()
        try:
            log.checkpoint(done)
        except RoundConflict as conflict:
            return conflict
        return name

    with ThreadPoolExecutor(racers) as drivers:
        return list(drivers.map(drive, range(racers)))


def assert_one_won(store: ObjectStore, outcomes: list[str | RoundConflict]) -> None:
    winners = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(winners) == 1
    assert RoundLog(store).history().open.steps[Step.COLLECT].writer == winners[0]
    for loser, outcome in enumerate(outcomes):
        if isinstance(outcome, RoundConflict):
            text = str(outcome)
            assert f"step 'collect' of round 1 in {store.url} was written by {winners[0]} at 2026" in text
            assert f"this one is driver-{loser};" in text


def test_of_two_drivers_one_conflicts(store: LocalStore) -> None:
    assert_one_won(store, racing(store, 2))


def test_of_two_drivers_on_s3_one_conflicts(bucket: str) -> None:
    store = S3Store(bucket)
    assert_one_won(store, racing(store, 2))
    log = RoundLog(store)
    assert log.read(log.write(1, "metrics", "json", b"{}")) == b"{}"
    records = [record(plain_steps(1))]
    log.append(records[0])
    assert log.history() == RoundLog(store).history() == History((*records,), OpenRound(2, {}))


def test_a_conflict_over_a_round_names_the_first(store: LocalStore) -> None:
    RoundLog(store).append(record(plain_steps(1, "first")))
    with pytest.raises(RoundConflict, match=r"round 1 in .* written by first at 2026-05-04T12:00:00Z"):
        RoundLog(store).append(record(plain_steps(1, "second")))


def test_a_conflict_with_rubbish_is_still_one(store: LocalStore) -> None:
    store.put(step_key(1, Step.COLLECT), b"rubbish")
    with pytest.raises(RoundConflict, match="somebody unknown"):
        RoundLog(store).checkpoint(plain_steps(1)[0])


def test_no_answer_to_a_write_is_said_to_be_unknown(store: LocalStore) -> None:
    log = RoundLog(LostReply(store, write=1))
    done = plain_steps(1)[0]
    with pytest.raises(CommitUnknown, match=r"step 'collect' of round 1.*run again"):
        log.checkpoint(done)
    assert log.history().open.steps == {Step.COLLECT: done}
    log.checkpoint(done)  # the same once more is no conflict


def test_no_answer_to_a_read_is_that(store: LocalStore) -> None:
    with pytest.raises(StoreUnavailable):
        RoundLog(Flaky(store, rate=1)).history()


@pytest.mark.parametrize("seed", range(10))
def test_again_and_again_ends_like_undisturbed(tmp_path: Path, seed: int) -> None:
    undisturbed, disturbed = LocalStore(str(tmp_path / "u")), LocalStore(str(tmp_path / "d"))
    drive(RoundLog(undisturbed), 2)
    flaky, failures = Flaky(disturbed, rate=0.2, seed=seed), 0
    while True:
        try:
            drive(RoundLog(flaky), 2)
            break
        except (CommitUnknown, StoreUnavailable):
            failures += 1
    assert failures > 0
    assert disturbed.list() == undisturbed.list()
    assert all(disturbed.get(key) == undisturbed.get(key) for key in undisturbed.list())


def test_artifacts_are_named_by_their_content(store: LocalStore) -> None:
    log = RoundLog(store)
    written = log.write(7, "model", "skops", b"weights")
    assert written == Artifact.of("rounds/000007/model-9a129038d9a00aed.skops", b"weights")
    assert log.write(7, "model", "skops", b"weights") == written
    assert log.write(7, "model", "skops", b"others").key != written.key
    assert log.read(written) == b"weights"


@pytest.mark.parametrize("data", [b"weighty", b"weights2", b""])
def test_altered_artifacts_are_refused(store: LocalStore, data: bytes) -> None:
    log = RoundLog(store)
    written = log.write(7, "model", "skops", b"weights")
    store.put(written.key, data)
    with pytest.raises(StoreError, match=f"'{written.key}' in .* was altered: it has {len(data)} bytes"):
        log.read(written)


def test_missing_artifacts_are_missing(store: LocalStore) -> None:
    with pytest.raises(KeyMissing):
        RoundLog(store).read(Artifact.of("rounds/000001/gone.json", b""))


def test_each_process_signs_with_its_own_name(store: LocalStore) -> None:
    mine = writer_token()
    assert mine == writer_token() == RoundLog(store).writer_token()
    assert f"-{os.getpid()}-" in mine
