"""A fitted classifier with the scaler before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lamplighter.arrays import F64
from lamplighter.learner.estimator import Classifier


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted classifier and the StandardScaler before it, if any."""

    scaler: Any
    estimator: Classifier

    def predict_proba(self, x: F64) -> F64:
        """Give (n, K) float64 probabilities of the K classes it was fitted on."""
        return self.estimator.predict_proba(self.transform(x))

    def transform(self, x: F64) -> F64:
        """Give the (n, D) float64 features as the classifier sees them."""
        if self.scaler is None:
            return x
        scaled: F64 = self.scaler.transform(x)
        return scaled
