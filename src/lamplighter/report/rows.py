"""Rows of the report's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from lamplighter.report.data import ReportData
from lamplighter.report.plots.progress import busiest
from lamplighter.report.text import duration, size
from lamplighter.rounds import Artifact, Estimate, Metrics, RoundRecord, SelectDone, StepDone

LARGEST_CONFUSIONS = 12


@dataclass(frozen=True)
class ClassRow:
    """One class: its labels, and how it fares on the holdout."""

    name: str
    labels: int
    recall: Estimate | None
    precision: float | None


@dataclass(frozen=True)
class ConfusionRow:
    """Rows of one class that were taken for another; `share` of the true class's rows."""

    true: str
    predicted: str
    rows: int
    share: float


@dataclass(frozen=True)
class BudgetRow:
    """What is used of a limit."""

    name: str
    used: float
    limit: float

    @property
    def share(self) -> float:
        """Used share, at most 1."""
        return min(1.0, self.used / self.limit)


@dataclass(frozen=True)
class AnnotatorRow:
    """Answers of one annotator."""

    name: str
    this_round: int
    total: int


@dataclass(frozen=True)
class RoundRow:
    """One round, with what each step took."""

    round: int
    committed_at: datetime
    labels: int
    answers: int
    metric: Estimate | None
    churn: float | None
    selected: int | None
    outstanding: int
    steps: Sequence[str]
    stopped: bool


STEPS = ("collect", "train", "evaluate", "score", "select", "dispatch")


def classes(data: ReportData) -> list[ClassRow]:
    """Give every class, the worst recall first, classes that the holdout lacks last."""
    counts, metrics = data.record.collect.class_counts, data.metrics
    precision = _precision(metrics) if metrics else {}
    rows = [
        ClassRow(
            name, counts.get(name, 0), metrics.recall.get(name) if metrics else None, precision.get(position)
        )
        for position, name in enumerate(data.classes)
    ]
    return sorted(rows, key=lambda row: (row.recall is None, row.recall.value if row.recall else 0.0))


def _precision(metrics: Metrics) -> dict[int, float]:
    """Share of right ones among the predictions of each class, by position."""
    matrix = np.asarray(metrics.confusion)
    predicted = matrix.sum(axis=0)
    return {int(c): float(matrix[c, c] / predicted[c]) for c in np.flatnonzero(predicted)}


def confusions(metrics: Metrics, names: Sequence[str]) -> list[ConfusionRow]:
    """Give the most frequent confusions, most rows first."""
    matrix = np.array(metrics.confusion)
    totals = matrix.sum(axis=1)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:LARGEST_CONFUSIONS]
    pairs = [(int(p), int(q)) for p, q in zip(*np.unravel_index(order, matrix.shape), strict=True)]
    return [
        ConfusionRow(names[true], names[predicted], int(matrix[true, predicted]), rows / totals[true])
        for true, predicted in pairs
        if (rows := int(matrix[true, predicted]))
    ]


def budget(data: ReportData) -> list[BudgetRow]:
    """Give the limits that are set, with what is used of each."""
    collect = data.record.collect
    used = {
        "labels": collect.annotations_total,
        "cost": collect.cost,
        "rounds": sum(record.select is not None for record in data.records),
    }
    return [BudgetRow(name, used[name], data.budget[name]) for name in used if name in data.budget]


def annotators(data: ReportData) -> list[AnnotatorRow]:
    """Give every annotator, most answers first."""
    now = data.annotators.get(data.record.round, {})
    return [AnnotatorRow(name, now.get(name, 0), total) for name, total in busiest(data.annotators)]


def rounds(records: Sequence[RoundRecord]) -> list[RoundRow]:
    """Give every round, newest first."""
    return [_round(record) for record in reversed(records)]


def _round(record: RoundRecord) -> RoundRow:
    return RoundRow(
        round=record.round,
        committed_at=record.committed_at,
        labels=record.collect.labelled_rows,
        answers=record.collect.new_annotations,
        metric=record.evaluate.metric,
        churn=record.score.churn if record.score else None,
        selected=record.select.rows if record.select else None,
        outstanding=record.collect.outstanding,
        steps=[_took(step) for step in steps(record)],
        stopped=record.stop is not None,
    )


def steps(record: RoundRecord) -> list[StepDone | None]:
    """Give the checkpoints of a round in the order of STEPS; None for steps that it did not get to."""
    return [getattr(record, name) for name in STEPS]


def _took(step: StepDone | None) -> str:
    return "–" if step is None else duration(max(timedelta(0), step.finished_at - step.started_at))


def provenance(data: ReportData) -> list[tuple[str, str]]:
    """Give where everything on the page comes from: name and value, digests whole."""
    record = data.record
    lines = [
        ("campaign (digest)", record.collect.campaign),
        ("pool (fingerprint)", record.collect.pool_fingerprint),
        ("manifest", _artifact(record.collect.manifest)),
        ("model", _artifact(record.train.model)),
        ("metrics", _artifact(record.evaluate.metrics)),
        ("shortlist", _artifact(record.score.shortlist if record.score else None)),
        ("batch", _artifact(record.select.batch if record.select else None)),
        ("ticket", _artifact(record.dispatch.ticket if record.dispatch else None)),
        ("written by", record.writer),
    ]
    return [*lines, *data.provenance.items()]


def _artifact(artifact: Artifact | None) -> str:
    return (
        "none in this round"
        if artifact is None
        else f"{artifact.key} ({size(artifact.size)}, SHA-256 {artifact.digest})"
    )


def _facts(select: SelectDone | None) -> str:
    """Say in a line what the strategy found out about the whole batch, certificates and the like."""
    found = select.facts.items() if select else ()
    shown = [f"{name.replace('_', ' ')} {_brief(value)}" for name, value in found]
    return f"About the batch: {', '.join(shown)}." if shown else ""


def _brief(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def notices(record: RoundRecord) -> list[str]:
    """Give what a reader of this round should know: notes of the steps, and rows that were left out."""
    collect, score, select = record.collect, record.score, record.select
    said = [record.train.note, record.evaluate.note, *(select.notices if select else ()), _facts(select)]
    counted = {
        "labelled ids are not in the pool": collect.unknown_rows,
        "answered rows have no label: all who saw them skipped them, or are left out of the labels": (
            collect.abstained
        ),
        "rows of the pool were left out: NaN or infinity in their features, or invalid probabilities": (
            score.left_out if score else 0
        ),
    }
    return [*filter(None, said), *(f"{number:,} {what}." for what, number in counted.items() if number)]
