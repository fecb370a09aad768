"""Evaluate: the honest number of the round, and whether to stop."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute

from lamplighter import evaluation
from lamplighter.arrays import F32
from lamplighter.driver import resolved, stamp
from lamplighter.labelled_rows import Rows
from lamplighter.pool import Pool, take_manifest
from lamplighter.rounds import (
    CollectDone,
    EvaluateDone,
    Metrics,
    RoundFacts,
    TrainDone,
    decide,
    facts,
    facts_so_far,
)
from lamplighter.standing import Standing
from lamplighter.votes import positions_of


def evaluate(standing: Standing) -> EvaluateDone:
    """Measure the round's model on the holdout or the test set, then ask the stopping rules."""
    started = datetime.now(UTC)
    model = standing.model(standing.current(TrainDone))
    rows = _rows(standing) if model else None
    if model is None or rows is None or not len(rows):
        note = "no model yet" if model is None else "no labelled holdout row yet"
        return EvaluateDone(
            note=note,
            stop=decide(_history(standing, None), standing.driver.rules),
            **stamp(standing.number, started),
        )
    metrics = _measure(standing, rows, model.predict_proba(rows.x))
    stored = standing.driver.ledger.write(
        standing.number, "metrics", "json", metrics.model_dump_json(indent=1).encode()
    )
    return EvaluateDone(
        metrics=stored,
        metric=metrics.estimates[metrics.primary],
        metric_name=metrics.primary,
        stop=decide(_history(standing, metrics), standing.driver.rules),
        **stamp(standing.number, started),
    )


def _measure(standing: Standing, rows: Rows, proba: F32) -> Metrics:
    campaign = standing.driver.campaign
    return evaluation.evaluate(
        rows.label,
        proba,
        campaign.classes,
        metric=campaign.evaluation.metric,
        seed=campaign.seed,
        round=standing.number,
    )


def _history(standing: Standing, metrics: Metrics | None) -> list[RoundFacts]:
    metric = metrics.estimates[metrics.primary] if metrics else None
    now = facts_so_far(standing.current(CollectDone), metric)
    return [*(facts(r) for r in standing.history.records), now]


def _rows(standing: Standing) -> Rows:
    """Give the rows to measure on; a model has no answer for features that are not finite."""
    rows = test_rows(standing) if standing.driver.campaign.evaluation.test_set else standing.holdout
    finite = np.isfinite(rows.x).all(axis=1)
    if finite.all():
        return rows
    return Rows(rows.ids.filter(pa.array(finite)), rows.x[finite], rows.label[finite])


def test_rows(standing: Standing) -> Rows:
    """Read the labelled test set; its columns are named as the pool's, and it fits in memory.

    Raises
    ------
    UnknownClass
        A label of the test set is not one of the campaign's classes.
    """
    campaign = standing.driver.campaign
    section = resolved(campaign.evaluation)
    where = {"url": section.test_set, "display": (section.label,), "glob": campaign.pool.glob}
    config = standing.driver.pool_config.model_copy(update=where)
    pool = Pool(config, take_manifest(config))
    ids, x, extra = pool.read_all((section.label,))
    text = extra.column(section.label).cast(pa.string())
    label = positions_of(text, campaign.classes, "evaluation.test_set: ")
    return Rows(ids, x, label.astype(np.int32))
