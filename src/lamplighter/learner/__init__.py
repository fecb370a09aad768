"""The learner: fits on labels, scores the pool, and is saved without pickle."""

from lamplighter.learner.estimator import check_learner, describe
from lamplighter.learner.fitting import fit
from lamplighter.learner.generic import GenericScorer
from lamplighter.learner.linear import LinearScorer
from lamplighter.learner.model import Model
from lamplighter.learner.scoring import Scored, Scorer

__all__ = [
    "GenericScorer",
    "LinearScorer",
    "Model",
    "Scored",
    "Scorer",
    "check_learner",
    "describe",
    "fit",
]
