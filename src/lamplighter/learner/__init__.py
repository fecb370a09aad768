"""The learner: fits on labels, scores the pool, and is saved without pickle."""

from lamplighter.learner.committee import Committee, fit_committee
from lamplighter.learner.estimator import can_weigh, check_learner, describe
from lamplighter.learner.fitting import fit
from lamplighter.learner.generic import GenericScorer
from lamplighter.learner.last_layer import LastLayer, gives
from lamplighter.learner.linear import LinearScorer
from lamplighter.learner.model import Model
from lamplighter.learner.out_of_fold import out_of_fold
from lamplighter.learner.scoring import Scored, Scorer
from lamplighter.learner.stacked import CommitteeScorer

__all__ = [
    "Committee",
    "CommitteeScorer",
    "GenericScorer",
    "LastLayer",
    "LinearScorer",
    "Model",
    "Scored",
    "Scorer",
    "can_weigh",
    "check_learner",
    "describe",
    "fit",
    "fit_committee",
    "gives",
    "out_of_fold",
]
