"""Train: fit the learner on every label outside the holdout."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from lamplighter import learner
from lamplighter.driver import stamp
from lamplighter.errors import TooFewClasses
from lamplighter.rounds import Artifact, TrainDone
from lamplighter.standing import Standing
from lamplighter.steps.committee import committee_for
from lamplighter.steps.weights import training_weights

log = logging.getLogger("lamplighter")


def train(standing: Standing) -> TrainDone:
    """Fit a model, or say why there is none yet, and the committee that the strategy reads, if any."""
    started, rows = datetime.now(UTC), standing.training
    try:
        model = _fit(standing)
    except TooFewClasses as error:
        log.info("no model yet: %s", error)
        return TrainDone(rows=len(rows), note=str(error), **stamp(standing.number, started))
    committee = committee_for(standing, model, standing.driver.strategy)
    members = committee.members if committee else ()
    notes = (model.note, committee.note if committee else "")
    return TrainDone(
        model=_store(standing, "model", model),
        committee=tuple(_store(standing, f"committee-{m}", member) for m, member in enumerate(members)),
        rows=len(rows),
        temperature=model.temperature,
        warm_start=model.warm_start,
        note="; ".join(note for note in notes if note),
        **stamp(standing.number, started),
    )


def _store(standing: Standing, name: str, model: learner.Model) -> Artifact:
    return standing.driver.ledger.write(standing.number, name, "skops", model.to_bytes())


def _fit(standing: Standing) -> learner.Model:
    campaign, rows = standing.driver.campaign, standing.training
    return learner.fit(
        campaign.learner,
        rows.x,
        rows.label,
        campaign.classes,
        seed=campaign.seed,
        round=standing.number,
        weights=training_weights(standing),
        previous=standing.previous_model if campaign.learner.warm_start else None,
    )
