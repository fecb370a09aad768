"""Reports on made-up campaigns, large and small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from lamplighter.evaluation import evaluate
from lamplighter.labelers.base import BatchRow
from lamplighter.report import ReportData
from lamplighter.rounds import (
    Artifact,
    CollectDone,
    DispatchDone,
    EvaluateDone,
    Metrics,
    RoundRecord,
    ScoreDone,
    SelectDone,
    TrainDone,
)
from lamplighter.stopping import Stop
from tests.report.qualities import judged

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
WRITER = "night-3f9a"


def artifact(key: str) -> Artifact:
    return Artifact.of(key, key.encode())


@cache
def measured(accuracy: float, classes: tuple[str, ...], n: int = 300, seed: int = 0) -> Metrics:
    """Metrics of a made-up model; classes called "absent..." have no holdout row."""
    generator = np.random.default_rng(seed)
    present = [i for i, name in enumerate(classes) if not name.startswith("absent")]
    truth = generator.choice(present, n).astype(np.int32)
    guess = np.where(generator.random(n) < accuracy, truth, generator.choice(len(classes), n))
    proba = generator.dirichlet(np.full(len(classes), 0.3), n) * 0.3
    proba[np.arange(n), guess] += 0.7
    return evaluate(truth, proba.astype(np.float32), classes, metric="accuracy", seed=1, round=1)


def record(
    number: int, classes: Sequence[str], metrics: Metrics | None, stop: Stop | None = None
) -> RoundRecord:
    """Round `number`: 120 answers each, 100 on training rows."""
    return RoundRecord(
        round=number,
        writer=WRITER,
        committed_at=_begun(number) + timedelta(minutes=9),
        collect=_collected(number, classes),
        train=TrainDone(
            **_step(number, 3, 0.84),
            model=artifact(f"rounds/{number:06d}/train-model.skops") if metrics else None,
            note="" if metrics else "no model: no labels yet, a model needs labels of two classes",
        ),
        evaluate=EvaluateDone(
            **_step(number, 4, 1.2),
            metrics=artifact("metrics.json") if metrics else None,
            metric=metrics.estimates["accuracy"] if metrics else None,
            stop=stop,
        ),
        **({} if stop else _asked(number, "margin" if metrics else "random")),
    )


def _begun(number: int) -> datetime:
    return START + timedelta(days=number)


def _step(number: int, offset: float, seconds: float) -> dict[str, Any]:
    start = _begun(number) + timedelta(seconds=offset)
    end = start + timedelta(seconds=seconds)
    return {"round": number, "writer": WRITER, "started_at": start, "finished_at": end}


def _collected(number: int, classes: Sequence[str]) -> CollectDone:
    labelled = 100 * (number - 1)
    shares = np.random.default_rng(5).dirichlet(np.full(len(classes), 3.0)) * labelled
    return CollectDone(
        **_step(number, 0, 2.3),
        campaign="c0ffee" * 10,
        manifest=artifact(f"rounds/{number:06d}/collect-manifest.json"),
        pool_rows=4_000_000,
        pool_fingerprint="fa57f00d" * 8,
        new_annotations=120 if number > 1 else 0,
        annotations_total=120 * (number - 1),
        cost=120 * (number - 1) * 0.08,
        labelled_rows=labelled,
        labelled_holdout=min(900, 300 * (number - 1)),
        outstanding=7 * (number % 4),
        class_counts={name: int(share) for name, share in zip(classes, shares, strict=True)},
    )


def _asked(number: int, strategy: str) -> dict[str, Any]:
    scored = ScoreDone(
        **_step(number, 6, 187),
        shortlist=artifact("shortlist.parquet"),
        strategy=strategy,
        rows=3_998_800,
        churn=0.31 / number if number > 2 else None,
        shards=64,
    )
    batch, features = artifact("batch.parquet"), artifact("features.parquet")
    return {
        "score": scored,
        "select": SelectDone(**_step(number, 194, 0.5), batch=batch, features=features, rows=120),
        "dispatch": DispatchDone(**_step(number, 195, 3.1), ticket=artifact("ticket.json"), rows=120),
    }


@cache
def campaign(
    rounds: int, classes: tuple[str, ...], *, top: float = 0.93, pace: float = 3.0
) -> tuple[RoundRecord, ...]:
    """Rounds of which all but the first have a metric."""
    records = [record(1, classes, None)]
    for number in range(2, rounds + 1):
        accuracy = top - (top - 0.35) * float(np.exp(-(number - 2) / pace))
        records.append(record(number, classes, measured(accuracy, classes, seed=number)))
    return tuple(records)


def batch(classes: Sequence[str], display: Mapping[str, Any] | None = None, rows: int = 30) -> list[BatchRow]:
    generator = np.random.default_rng(3)
    made = []
    for rank in range(rows):
        proba = np.sort(generator.dirichlet(np.full(len(classes), 0.5)))[::-1]
        made.append(
            BatchRow(
                id=1_000_000 + 7919 * rank,
                purpose="batch",
                rank=rank + 1,
                score=float(1 - (proba[0] - proba[-1]) / 5 - rank / 500),
                predicted=classes[rank % len(classes)],
                proba=tuple(float(p) for p in proba),
                display=display or {"text": f"the quick brown fox number {rank} jumps", "source": "web"},
            )
        )
    return made


def full(classes: tuple[str, ...] = tuple("ABCDEFGHIJ"), rounds: int = 12) -> ReportData:
    """A campaign with everything a report can show."""
    generator = np.random.default_rng(2)
    records = campaign(rounds, classes)
    return ReportData(
        campaign="letters",
        strategy="margin",
        metric="accuracy",
        classes=classes,
        records=records,
        control=campaign(rounds, classes, top=0.91, pace=4.5),
        metrics=measured(0.92, classes, seed=rounds),
        batch=batch(classes),
        batch_scores=generator.beta(30, 3, 120).astype(np.float32),
        sample_scores=generator.beta(2, 5, 5000).astype(np.float32),
        annotators={
            r: {name: int(generator.integers(10, 50)) for name in ("ada", "grace", "edsger")}
            for r in range(2, rounds + 1)
        },
        quality={number: judged(number) for number in range(2, rounds + 1)},
        quality_bounds={"alpha": 0.6, "gold": 0.8},
        labeler="simulated",
        budget={"labels": 2000, "cost": 120.0, "rounds": 15},
        target=0.9,
        cost_per_label=0.08,
        provenance={"pool": "s3://bucket/pool/*.parquet", "lamplighter": "0.1.0"},
    )


def first_round(classes: tuple[str, ...] = ("a", "b", "c")) -> ReportData:
    """Round 1: no labels, no model, no control."""
    return ReportData(
        campaign="new",
        strategy="margin",
        metric="macro_f1",
        classes=classes,
        records=[record(1, classes, None)],
    )


def stopped(classes: tuple[str, ...] = ("a", "b", "c")) -> ReportData:
    """The last round evaluated and stopped."""
    records = campaign(5, classes)
    metrics = measured(0.95, classes)
    stop = Stop("target", "the lower bound 0.93 reaches the target 0.9")
    data = replace(full(classes, 5), records=[*records, record(6, classes, metrics, stop)], metrics=metrics)
    return replace(data, batch=(), batch_scores=None, sample_scores=None)
