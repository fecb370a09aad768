"""A round in a few plain values: what a flow returns and a terminal prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lamplighter.rounds import RoundRecord, TrainDone
from lamplighter.stopping.base import Stop


@dataclass(frozen=True)
class RoundSummary:
    """What one run of the round flow did. `stopped` says why the campaign has ended, if it has."""

    campaign: str
    round: int
    labelled_rows: int
    labels: int
    metric: float | None
    low: float | None
    high: float | None
    selected: int
    dispatched: int
    outstanding: int
    stopped: str | None
    ran: bool  #: False when the campaign had stopped before
    note: str  #: why the round has no model, or what is to be known of it

    def as_dict(self) -> dict[str, Any]:
        """Give JSON-ready values."""
        return asdict(self)


def summarise(campaign: str, record: RoundRecord, stop: Stop | None = None) -> RoundSummary:
    """Sum up a committed round; `stop` is given when the campaign had stopped before this run."""
    metric, why = record.evaluate.metric, stop or record.stop
    return RoundSummary(
        campaign=campaign,
        round=record.round,
        labelled_rows=record.collect.labelled_rows,
        labels=record.collect.annotations_total,
        metric=metric.value if metric else None,
        low=metric.low if metric else None,
        high=metric.high if metric else None,
        selected=record.select.rows if record.select else 0,
        dispatched=record.dispatch.rows if record.dispatch else 0,
        outstanding=_outstanding(record),
        stopped=f"{why.rule}: {why.reason}" if why else None,
        ran=stop is None,
        note=of_training(record.train),
    )


def of_training(done: TrainDone) -> str:
    """Give what a train step noted: why there is no model, or what is to be known of it."""
    return f"no model: {done.note}" if done.note and done.model is None else done.note


def _outstanding(record: RoundRecord) -> int:
    """Count the rows that wait after a round, those among them that it sent itself."""
    if record.dispatch is None:
        return record.collect.outstanding
    return record.collect.outstanding + record.dispatch.rows - record.dispatch.withdrawn_rows
