"""Checkpoints and records of rounds, made up, and a driver that writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from hypothesis import strategies as st

from lamplighter.rounds import (
    AnyStep,
    Artifact,
    CollectDone,
    DispatchDone,
    Estimate,
    EvaluateDone,
    Next,
    RoundRecord,
    ScoreDone,
    SelectDone,
    Step,
    TrainDone,
    plan,
)
from lamplighter.stopping.base import Stop
from lamplighter.store.log import STEPS, RoundLog

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FILE = Artifact.of("rounds/000001/some-0123456789abcdef.json", b"some")

texts = st.text(max_size=20)
counts = st.integers(0, 10**12)
times = st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1))
files = st.builds(Artifact, key=texts, digest=texts, size=counts)
numbers = st.floats(allow_nan=False)
estimates = st.builds(Estimate, value=numbers, low=numbers, high=numbers, n=counts)


def steps(round: int, writer: str = "me") -> st.SearchStrategy[list[AnyStep]]:
    """Draw the checkpoints of one round, in their order."""
    said = {"round": st.just(round), "writer": st.just(writer), "started_at": times, "finished_at": times}
    return st.tuples(
        st.builds(
            CollectDone,
            **said,
            campaign=texts,
            manifest=files,
            pool_rows=counts,
            pool_fingerprint=texts,
            annotations=st.none() | files,
            cost=st.floats(0, 1e9),
            class_counts=st.dictionaries(texts, counts, max_size=3),
            problems=st.lists(texts, max_size=2).map(tuple),
            newest=st.none() | times,
        ),
        st.builds(TrainDone, **said, model=st.none() | files, temperature=st.none() | numbers, note=texts),
        st.builds(
            EvaluateDone,
            **said,
            metric=st.none() | estimates,
            stop=st.none() | st.builds(Stop, rule=texts, reason=texts),
        ),
        st.builds(ScoreDone, **said, shortlist=files, strategy=texts, rows=counts, churn=st.none() | numbers),
        st.builds(SelectDone, **said, batch=files, features=files, rows=counts),
        st.builds(DispatchDone, **said, ticket=st.none() | files, rows=counts),
    ).map(list)


def plain_steps(round: int, writer: str = "me") -> list[AnyStep]:
    """Give checkpoints of one round, in their order, the same each time."""
    said = {"round": round, "writer": writer, "started_at": NOON, "finished_at": NOON}
    return [
        CollectDone.model_validate(
            {**said, "campaign": "c", "manifest": FILE, "pool_rows": 10, "pool_fingerprint": "p"}
        ),
        TrainDone.model_validate({**said, "model": FILE}),
        EvaluateDone.model_validate(said),
        ScoreDone.model_validate({**said, "shortlist": FILE, "strategy": "margin", "rows": 10}),
        SelectDone.model_validate({**said, "batch": FILE, "features": FILE, "rows": 5}),
        DispatchDone.model_validate({**said, "ticket": FILE, "rows": 5}),
    ]


def record(done: Iterable[AnyStep]) -> RoundRecord:
    """Join checkpoints of a round into its record."""
    parts = {step.step: step for step in done}
    first = parts["collect"]
    return RoundRecord.model_validate(
        {"round": first.round, "writer": first.writer, "committed_at": NOON, **parts}
    )


def drive(log: RoundLog, rounds: int) -> None:
    """Do what the plan says until so many rounds are committed."""
    while len((history := log.history()).records) < rounds:
        todo = plan(history, [])
        assert isinstance(todo, Next)
        if todo.step is Step.COMMIT:
            log.append(record(history.open.steps.values()))
        else:
            log.read(log.write(todo.round, todo.step, "txt", f"{todo}".encode()))
            log.checkpoint(plain_steps(todo.round)[STEPS.index(todo.step)])


def write_rounds(log: RoundLog, rounds: int) -> list[RoundRecord]:
    """Write rounds with all their steps."""
    records = [record(plain_steps(number + 1)) for number in range(rounds)]
    for each in records:
        for done in plain_steps(each.round):
            log.checkpoint(done)
        log.append(each)
    return records
