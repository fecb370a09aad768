"""Train: fit the learner on every label outside the holdout."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from lamplighter import learner
from lamplighter.driver import stamp
from lamplighter.errors import TooFewClasses
from lamplighter.rounds import TrainDone
from lamplighter.standing import Standing

log = logging.getLogger("lamplighter")


def train(standing: Standing) -> TrainDone:
    """Fit a model, or say why there is none yet; after the first round with a model, retrain it."""
    started, rows = datetime.now(UTC), standing.training
    try:
        model = _fit(standing)
    except TooFewClasses as error:
        log.info("no model yet: %s", error)
        return TrainDone(rows=len(rows), note=str(error), **stamp(standing.number, started))
    stored = standing.driver.ledger.write(standing.number, "model", "skops", model.to_bytes())
    return TrainDone(
        model=stored,
        rows=len(rows),
        temperature=model.temperature,
        warm_start=model.warm_start,
        note=model.note,
        **stamp(standing.number, started),
    )


def _fit(standing: Standing) -> learner.Model:
    campaign, rows = standing.driver.campaign, standing.training
    return learner.fit(
        campaign.learner,
        rows.x,
        rows.label,
        campaign.classes,
        seed=campaign.seed,
        round=standing.number,
        previous=standing.previous_model if campaign.learner.warm_start else None,
    )
