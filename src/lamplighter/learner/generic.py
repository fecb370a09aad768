"""Scoring with any classifier, through its own predict_proba in blocks of one fixed size."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lamplighter.arrays import F32, F64, Bools
from lamplighter.learner.estimator import Classifier
from lamplighter.learner.fitted import Fitted
from lamplighter.learner.last_layer import LastLayer
from lamplighter.learner.scoring import NEVER, Scorer, Tile
from lamplighter.strategies.base import Output

if TYPE_CHECKING:
    from lamplighter.learner.model import Model

#: Rows of a block: enough to spread the cost of a call, few enough to pad a remainder cheaply.
BLOCK = 4096

#: How far the sum of a row's probabilities may be from 1.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class GenericScorer(Scorer):
    """Scores through the model's plain path."""

    model: Model

    @classmethod
    def of(cls, model: Model) -> GenericScorer:
        """Make the scorer of any model."""
        fitted = Fitted(model.fitted.scaler, _single_threaded(model.fitted.estimator))
        alone, layer = replace(model, fitted=fitted), LastLayer.of(model)
        return cls(BLOCK, model.features, len(model.classes), alone, layer=layer)

    def kernel(self, wanted: frozenset[Output]) -> GenericKernel:
        """Make what scores one block at a time."""
        return GenericKernel(self, Output.LOGITS in wanted)


class GenericKernel:
    """One block through predict_proba: rows that are not finite are scored as zeros and marked."""

    def __init__(self, scorer: GenericScorer, logits: bool) -> None:
        self.model, self.logits = scorer.model, logits
        self.x = np.zeros((scorer.tile, scorer.features))

    def __call__(self, x: F32) -> Tile:
        """Score (m, D) rows, m <= tile."""
        finite = np.ones(len(self.x), np.bool_)
        finite[: len(x)] = np.isfinite(x).all(axis=1)
        self.x[: len(x)] = x
        self.x[len(x) :] = 0
        self.x[~finite] = 0
        proba = self.model.proba64(self.x)
        valid = finite & _sound(proba)
        proba[~valid] = 0
        return Tile(_class_major(proba), _log(proba, valid) if self.logits else None, valid)


def _single_threaded(estimator: Classifier) -> Classifier:
    """Copy an estimator with every n_jobs at 1.

    The cluster spreads the rows already, and forests add up their trees in the order in which
    threads finish, which changes the last bits.
    """
    jobs = {name: 1 for name in estimator.get_params() if name.rpartition("__")[2] == "n_jobs"}
    return copy.deepcopy(estimator).set_params(**jobs) if jobs else estimator


def _sound(proba: F64) -> Bools:
    with np.errstate(invalid="ignore"):
        sums = proba.sum(axis=1)
        sound: Bools = (np.abs(sums - 1) <= SUM_TOLERANCE) & (proba >= 0).all(axis=1)
    return sound


def _log(proba: F64, valid: Bools) -> F32:
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(proba) - np.log(proba.max(axis=1, keepdims=True))
    logits[proba == 0] = NEVER
    logits[~valid] = 0
    return _class_major(logits)


def _class_major(array: F64) -> F32:
    return np.ascontiguousarray(array.T, dtype=np.float32)
