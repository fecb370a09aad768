"""The committee of a round: fitted where the strategy reads one, scored beside the model."""

from __future__ import annotations

from lamplighter.learner import Committee, CommitteeScorer, Model, Scorer, fit_committee
from lamplighter.rounds import TrainDone
from lamplighter.standing import Standing
from lamplighter.steps.weights import training_weights
from lamplighter.strategies.base import Strategy


def committee_for(standing: Standing, model: Model, strategy: Strategy) -> Committee | None:
    """Fit the round's committee; None if the strategy reads none."""
    wanted, rows = standing.driver.campaign.committee, standing.training
    if not strategy.needs_committee or wanted is None:
        return None
    return fit_committee(
        wanted,
        model,
        rows.x,
        rows.label,
        seed=standing.driver.campaign.seed,
        round=standing.number,
        weights=training_weights(standing),
    )


def scorer_of(standing: Standing, strategy: Strategy) -> Scorer | None:
    """Give what scores the pool: the round's model, with its committee if the strategy reads one.

    A strategy that came into the campaign file after the round was trained gets a committee now: the
    same in every process, since it is made of the labels and the seed.
    """
    done = standing.current(TrainDone)
    model = standing.model(done)
    if model is None:
        return None
    if not strategy.needs_committee:
        return model.scorer()
    members = standing.committee(done)
    late = None if members else committee_for(standing, model, strategy)
    return CommitteeScorer.of(model, late.members if late else members)
