"""Fitting: labelled rows in, an immutable model out."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from lamplighter import rng
from lamplighter.arrays import F32, F64, I32, I64
from lamplighter.errors import ConfigError, ModelError, TooFewClasses, UnknownClass
from lamplighter.learner.calibration import fit_temperature
from lamplighter.learner.estimator import Classifier, build, takes_weights
from lamplighter.learner.fitted import Fitted
from lamplighter.learner.linear import logit_rms
from lamplighter.learner.model import Model

if TYPE_CHECKING:
    from lamplighter.config import LearnerConfig


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Finite labelled rows: (n, D) float64, (n,) int64 positions in the classes, (n,) weights or None."""

    x: F64
    y: I64
    weights: F64 | None
    note: str = ""

    @property
    def seen(self) -> tuple[int, ...]:
        """Ascending positions of the classes that occur."""
        return tuple(np.unique(self.y).tolist())

    def take(self, rows: I64) -> TrainingRows:
        """Give some of the rows."""
        return TrainingRows(self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows])


def fit(
    config: LearnerConfig,
    x: F32,
    labels: I32,
    classes: tuple[str, ...],
    *,
    seed: int,
    round: int,
    weights: F32 | F64 | None = None,
    previous: Model | None = None,
) -> Model:
    """Fit the campaign's learner on labelled rows, and calibrate it.

    Rows with NaN or infinity are left out, and the model's note says so.

    Parameters
    ----------
    config
        The learner.
    x
        (n, D) float32 features.
    labels
        (n,) int32 positions in `classes`.
    classes
        The campaign's C class names.
    seed, round
        Key all randomness.
    weights
        (n,) positive sample weights.
    previous
        The last round's model, to continue from if the campaign wants a warm start.

    Raises
    ------
    TooFewClasses
        Fewer than two classes among the labels.
    UnknownClass
        A label is no position in `classes`.
    UntrustedType, ConfigError
        As `build`; or the learner takes no weights.
    ModelError
        Shapes disagree, or scikit-learn cannot fit these rows.
    """
    rows = _usable(x, labels, classes, weights)
    if len(rows.seen) < 2:
        there = ", ".join(repr(classes[c]) for c in rows.seen) or "none"
        raise TooFewClasses(
            f"a model needs labels of at least 2 classes; among {len(rows.y)} rows there is: {there}"
        )
    fresh = build(config, classes, rows.seen, _key32(seed, round, "learner"))
    if rows.weights is not None and not takes_weights(fresh):
        raise ConfigError(
            f"learner '{config.name}' takes no sample weights; leave them out, or choose another"
        )
    with _explained(config.name) as notes:
        temperature, reason = _calibrate(config, rows, fresh, _key32(seed, round, "calibration folds"))
        start, obstacle = _start(config, rows, previous)
        fitted = _continue(fresh, start, rows) if start else _fit(fresh, config.scale, rows)
    reasons = (rows.note, reason, obstacle, *dict.fromkeys(notes))
    return Model(
        config=config,
        classes=tuple(classes),
        seen=rows.seen,
        temperature=temperature,
        rows=len(rows.y),
        features=rows.x.shape[1],
        logit_rms=logit_rms(fitted, rows.x),
        warm_start=start is not None,
        note="; ".join(r for r in reasons if r),
        fitted=fitted,
    )


def _usable(x: F32, labels: I32, classes: tuple[str, ...], weights: F32 | F64 | None) -> TrainingRows:
    if x.ndim != 2 or labels.shape != (len(x),) or (weights is not None and weights.shape != (len(x),)):
        shapes = f"features {x.shape}, labels {labels.shape}"
        raise ModelError(
            f"training rows disagree: {shapes}; expected (n, D), (n,) and as many weights, if any"
        )
    outside = (labels < 0) | (labels >= len(classes))
    if outside.any():
        raise UnknownClass(
            f"label {labels[outside][0]} is no position in the {len(classes)} classes of the campaign"
        )
    if weights is not None and not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ModelError("sample weights must be finite and above 0; leave rows out instead of giving them 0")
    keep = np.flatnonzero(np.isfinite(x).all(axis=1))
    dropped = len(x) - len(keep)
    note = f"{dropped} labelled rows with NaN or infinity left out" if dropped else ""
    kept_weights = None if weights is None else weights[keep].astype(np.float64)
    return TrainingRows(x[keep].astype(np.float64), labels[keep].astype(np.int64), kept_weights, note)


def _calibrate(
    config: LearnerConfig, rows: TrainingRows, fresh: Classifier, seed: int
) -> tuple[float | None, str]:
    if not config.calibrate:
        return None, ""

    def predict_fold(train: I64, test: I64) -> F64:
        fold = _fit(clone(fresh), config.scale, rows.take(train))
        return fold.predict_proba(rows.x[test])

    columns = np.searchsorted(np.array(rows.seen), rows.y)
    return fit_temperature(columns, predict_fold, seed=seed)


def _fit(estimator: Classifier, scale: bool, rows: TrainingRows) -> Fitted:
    scaler = StandardScaler().fit(rows.x, sample_weight=rows.weights) if scale else None
    return _finish(scaler, estimator, rows)


def _finish(scaler: object, estimator: Classifier, rows: TrainingRows) -> Fitted:
    fitted = Fitted(scaler, estimator)
    options = {} if rows.weights is None else {"sample_weight": rows.weights}
    estimator.fit(fitted.transform(rows.x), rows.y, **options)
    return fitted


def _start(config: LearnerConfig, rows: TrainingRows, previous: Model | None) -> tuple[Model | None, str]:
    """Give the model to continue from, or None and why not."""
    if not config.warm_start or previous is None:
        return None, ""
    obstacle = _obstacle(config, rows, previous)
    return (None, f"fitted afresh, no warm start: {obstacle}") if obstacle else (previous, "")


def _obstacle(config: LearnerConfig, rows: TrainingRows, previous: Model) -> str:
    params = previous.fitted.estimator.get_params()
    if previous.config != config:
        return "the learner changed"
    if previous.seen != rows.seen:
        return "the classes among the labels changed"
    if previous.features != rows.x.shape[1]:
        return "the number of features changed"
    if "warm_start" not in params:
        return f"{config.name} has no warm_start"
    if "n_estimators" in params or "max_leaf_nodes" in params:
        # A warm start of an ensemble adds trees and never looks at the old ones again.
        return f"{config.name} would only add trees"
    return ""


def _continue(fresh: Classifier, previous: Model, rows: TrainingRows) -> Fitted:
    """Fit on from the previous parameters, in the coordinates of the previous scaler."""
    estimator = copy.deepcopy(previous.fitted.estimator)
    shallow = fresh.get_params(deep=False)
    estimator.set_params(**{**shallow, "warm_start": True})
    return _finish(previous.fitted.scaler, estimator, rows)


@contextmanager
def _explained(name: str) -> Iterator[list[str]]:
    """Collect warnings as notes, and name the learner in errors of scikit-learn."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield notes
        except (ModelError, ConfigError):
            raise
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ModelError(f"learner '{name}' cannot be fitted on these rows: {error}") from error
    notes += [f"{w.category.__name__}: {str(w.message).strip().splitlines()[0]}" for w in caught]


def _key32(seed: int, round_number: int, purpose: str) -> int:
    """Give a key as scikit-learn takes it: 0 <= key < 2**32."""
    return rng.key(seed, round_number, purpose) % 2**32
