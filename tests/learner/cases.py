"""Rows, configurations and models that the learner's tests share."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from lamplighter.arrays import F32, F64, I32
from lamplighter.config import LearnerConfig
from lamplighter.learner import Model, fit
from lamplighter.strategies.base import Output

LOGISTIC = "sklearn.linear_model.LogisticRegression"
SGD = "sklearn.linear_model.SGDClassifier"

#: Classifiers that must survive being stored, with parameters that make them quick.
STORED: dict[str, dict[str, Any]] = {
    LOGISTIC: {},
    SGD: {"loss": "log_loss"},
    "sklearn.ensemble.RandomForestClassifier": {"n_estimators": 8, "n_jobs": 2},
    "sklearn.ensemble.ExtraTreesClassifier": {"n_estimators": 8},
    "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 2},
    "sklearn.neural_network.MLPClassifier": {"hidden_layer_sizes": [7], "max_iter": 20},
    "sklearn.naive_bayes.GaussianNB": {},
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": {},
}

PROBA = frozenset({Output.PROBA})
ALL = frozenset({Output.PROBA, Output.LOGITS, Output.EMBEDDING})


def config(name: str = LOGISTIC, **changes: Any) -> LearnerConfig:
    """Make a learner's configuration."""
    return LearnerConfig.model_validate({"name": name, **changes})


def labelled(n: int, features: int, classes: int, *, seed: int = 0) -> tuple[F32, I32]:
    """Draw rows around one centre per class: (n, D) float32 and (n,) int32, every class at least twice."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int32) % classes
    centres = generator.normal(size=(classes, features))
    x = centres[labels] + generator.normal(size=(n, features))
    return x.astype(np.float32), labels


def names(count: int) -> tuple[str, ...]:
    """Give class names."""
    return tuple(f"class {i}" for i in range(count))


def fitted(
    learner: LearnerConfig, x: F32, labels: I32, *, classes: int | None = None, **options: Any
) -> Model:
    """Fit with a fixed seed and round."""
    count = classes or int(labels.max()) + 1
    return fit(learner, x, labels, names(count), **{"seed": 7, "round": 3, **options})


def oracle(model: Model, x: F32) -> F64:
    """Compute (n, C) float64 probabilities with scikit-learn alone."""
    inside = x.astype(np.float64)
    if model.fitted.scaler is not None:
        inside = copy.deepcopy(model.fitted.scaler).transform(inside)
    proba = np.zeros((len(x), len(model.classes)))
    raw = _exact(model.fitted.estimator, inside)
    powered = raw ** (1 / model.temperature) if model.temperature else raw
    proba[:, list(model.seen)] = powered / powered.sum(axis=1, keepdims=True)
    return proba


def _exact(estimator: Any, x: F64) -> F64:
    """Give predict_proba, and for two classes without the rounding of 1 - p."""
    raw: F64 = estimator.predict_proba(x)
    if raw.shape[1] == 2 and hasattr(estimator, "decision_function"):
        decision = estimator.decision_function(x)
        exact: F64 = 1 / (1 + np.exp(np.stack([decision, -decision], axis=1)))
        np.testing.assert_allclose(exact, raw, atol=1e-12)
        return exact
    return raw
