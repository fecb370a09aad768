"""A fitted classifier with the scaler before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier

from lamplighter.arrays import F64
from lamplighter.learner.estimator import Classifier


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted classifier and the StandardScaler before it, if any."""

    scaler: Any
    estimator: Classifier

    def predict_proba(self, x: F64) -> F64:
        """Give (n, K) float64 probabilities of the K classes it was fitted on."""
        inside = self.transform(x)
        if len(self.estimator.classes_) == 2 and is_linear(self.estimator):
            # scikit-learn gives 1 - p, which knows nothing below 1e-16; a temperature shows that.
            linear: Any = self.estimator
            decision = linear.decision_function(inside)
            return np.stack([expit(-decision), expit(decision)], axis=1)
        return self.estimator.predict_proba(inside)

    def transform(self, x: F64) -> F64:
        """Give the (n, D) float64 features as the classifier sees them."""
        if self.scaler is None:
            return x
        scaled: F64 = self.scaler.transform(x)
        return scaled


def is_linear(estimator: Any) -> bool:
    """Say whether an estimator's probabilities are a known function of its linear decision values.

    Exact types: a subclass may compute its probabilities in another way.
    """
    if type(estimator) is SGDClassifier:
        return bool(estimator.loss == "log_loss")
    return type(estimator) in (LogisticRegression, LogisticRegressionCV)
