"""The state machine: from any history, one next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lamplighter.rounds import (
    STEP_RECORD,
    AnyStep,
    Artifact,
    CollectDone,
    DispatchDone,
    EvaluateDone,
    History,
    Next,
    OpenRound,
    RoundFacts,
    RoundRecord,
    ScoreDone,
    SelectDone,
    Step,
    TrainDone,
    plan,
)
from lamplighter.stopping.base import Stop, StoppingRule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILE = Artifact.of("k", b"data")
ORDER = [s for s in Step if s is not Step.COMMIT]


@dataclass(frozen=True)
class After(StoppingRule):
    """Stops once so many rounds are known."""

    rounds: int

    def decide(self, history: Sequence[RoundFacts]) -> Stop | None:
        return Stop("after", "enough") if len(history) >= self.rounds else None


def done(step: Step, number: int = 1, stop: Stop | None = None) -> AnyStep:
    stamp = {"round": number, "writer": "w", "started_at": NOW, "finished_at": NOW}
    extra: dict[Step, dict[str, object]] = {
        Step.COLLECT: {"campaign": "d", "manifest": FILE, "pool_rows": 9, "pool_fingerprint": "f"},
        Step.EVALUATE: {"stop": stop},
        Step.SCORE: {"shortlist": FILE, "strategy": "margin", "rows": 9},
        Step.SELECT: {"batch": FILE, "features": FILE, "rows": 3},
    }
    return STEP_RECORD.validate_python({"step": step, **stamp, **extra.get(step, {})})


def opened(steps: Sequence[Step], stop: Stop | None = None) -> History:
    return History((), OpenRound(1, {s: done(s, stop=stop) for s in steps}))


def record(number: int, stop: Stop | None = None) -> RoundRecord:
    steps = {s: done(s, number, stop) for s in ORDER}
    parts = {str(s): r for s, r in steps.items()}
    return RoundRecord(round=number, writer="w", committed_at=NOW, **parts)  # type: ignore[arg-type]  # parts of several types


@given(st.integers(0, len(ORDER)))
def test_steps_follow_in_order(n: int) -> None:
    expected = ORDER[n] if n < len(ORDER) else Step.COMMIT
    assert plan(opened(ORDER[:n]), ()) == Next(1, expected)


def test_a_stop_skips_to_the_commit() -> None:
    found = plan(opened([Step.COLLECT, Step.TRAIN, Step.EVALUATE], Stop("target", "reached")), ())
    assert found == Next(1, Step.COMMIT)


def test_a_stopped_campaign_stays_stopped_as_long_as_its_rule_says_so() -> None:
    history = History((record(1, Stop("after", "enough")),), OpenRound(2))
    assert plan(history, [After(1)]) == Stop("after", "enough")
    assert plan(history, [After(2)]) == Next(2, Step.COLLECT)


def test_an_open_round_is_finished_even_after_a_stop() -> None:
    history = History(
        (record(1, Stop("after", "enough")),), OpenRound(2, {Step.COLLECT: done(Step.COLLECT, 2)})
    )
    assert plan(history, [After(1)]) == Next(2, Step.TRAIN)


@given(st.sampled_from(ORDER))
def test_checkpoints_survive_json(step: Step) -> None:
    before = done(step)
    assert STEP_RECORD.validate_json(STEP_RECORD.dump_json(before)) == before


def test_record_survives_json() -> None:
    before = record(3, Stop("target", "reached"))
    assert RoundRecord.model_validate_json(before.model_dump_json()) == before


def test_kinds_cover_all_steps() -> None:
    kinds = {CollectDone, TrainDone, EvaluateDone, ScoreDone, SelectDone, DispatchDone}
    assert {type(done(s)) for s in ORDER} == kinds
