"""Temperature scaling: one number that makes probabilities honest and keeps their order.

Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", ICML
(doi:10.48550/arXiv.1706.04599). Fitted on out-of-fold predictions for the training rows, because a
model is overconfident about rows that it was fitted on, and the holdout must stay untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.model_selection import StratifiedKFold

from lamplighter.arrays import F64, I64

#: Out-of-fold folds, at most.
FOLDS = 5

#: Allowed temperatures. Perfectly separated folds would drive T to 0, and with it every probability
#: to exactly 0 or 1, which leaves nothing to rank by.
BOUNDS = (0.2, 20.0)

#: Gives (m, K) probabilities for the rows `test`, from a fit on the rows `train`.
FoldPredictor = Callable[[I64, I64], F64]


def fit_temperature(y: I64, predict_fold: FoldPredictor, *, seed: int) -> tuple[float | None, str]:
    """Fit the temperature on out-of-fold predictions.

    Parameters
    ----------
    y
        (n,) int64 labels, as columns 0..K-1 of what `predict_fold` gives; every one of them occurs.
    predict_fold
        Fits without a fold and predicts it.
    seed
        Of the shuffle into folds, 0 <= seed < 2**32.

    Returns
    -------
    The temperature and "", or None and the reason why there is none.
    """
    smallest = int(np.bincount(y).min())
    if smallest < 2:
        return None, "not calibrated: a class has fewer than 2 labelled rows"
    log_proba, truth = [], []
    for train, test in _folds(y, min(FOLDS, smallest), seed):
        with np.errstate(divide="ignore"):
            log_proba.append(np.log(predict_fold(train, test)))
        truth.append(y[test])
    return minimise(np.concatenate(log_proba), np.concatenate(truth))


def minimise(log_proba: F64, y: I64) -> tuple[float | None, str]:
    """Find the temperature T that minimises the log loss of p^(1/T), normalised.

    Rows whose true class has probability 0 have it at every temperature, and say nothing about T.

    Parameters
    ----------
    log_proba
        (n, K) float64 natural logarithms of probabilities; -inf for 0.
    y
        (n,) int64 true columns.
    """
    true = log_proba[np.arange(len(y)), y]
    told = np.isfinite(true)
    if not told.any():
        return None, "not calibrated: every true class has probability 0 out of fold"
    log_proba, true = log_proba[told], true[told]

    def loss(log_temperature: float) -> float:
        sharpness = np.exp(-log_temperature)
        return float(np.mean(_log_sum_exp(log_proba * sharpness) - true * sharpness))

    found = minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x)), ""


def apply_temperature(proba: F64, temperature: float | None) -> F64:
    """Give p^(1/T), normalised: (n, C) float64; `proba` itself where there is no temperature."""
    if temperature is None:
        return proba
    with np.errstate(divide="ignore", invalid="ignore"):
        top = proba.max(axis=1, keepdims=True)
        # Divided by the largest first: p^(1/T) alone underflows for small T.
        powered = (proba / top) ** (1.0 / temperature)
        scaled: F64 = powered / powered.sum(axis=1, keepdims=True)
    return scaled


def _folds(y: I64, folds: int, seed: int) -> Iterator[tuple[I64, I64]]:
    yield from StratifiedKFold(folds, shuffle=True, random_state=seed).split(y, y)


def _log_sum_exp(z: F64) -> F64:
    top = z.max(axis=1)
    total: F64 = np.log(np.exp(z - top[:, None]).sum(axis=1)) + top
    return total
