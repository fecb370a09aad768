"""Commit: one record, created last, makes the round part of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime

from lamplighter.rounds import (
    CollectDone,
    DispatchDone,
    EvaluateDone,
    RoundRecord,
    ScoreDone,
    SelectDone,
    Step,
    TrainDone,
)
from lamplighter.standing import Standing
from lamplighter.store.log import writer_token


def commit(standing: Standing) -> RoundRecord:
    """Append the round's record; raises RoundConflict when another driver was first."""
    done = standing.history.open.steps
    stopped = standing.current(EvaluateDone).stop is not None
    record = RoundRecord(
        round=standing.number,
        writer=writer_token(),
        committed_at=datetime.now(UTC),
        collect=standing.current(CollectDone),
        train=standing.current(TrainDone),
        evaluate=standing.current(EvaluateDone),
        score=standing.current(ScoreDone) if Step.SCORE in done and not stopped else None,
        select=standing.current(SelectDone) if Step.SELECT in done and not stopped else None,
        dispatch=standing.current(DispatchDone) if Step.DISPATCH in done and not stopped else None,
    )
    standing.driver.ledger.append(record)
    return record
