"""The metrics, for many weightings of the same holdout at once.

A bootstrap resample is a weighting of the rows by whole numbers, so one implementation gives the
value (all weights 1) and the resamples (a block of weightings), and the sorts are done once.

A class without any row in a weighting (and, for macro F1, without any prediction of it either) is
left out of that weighting's average, as it would be if the resample were the holdout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lamplighter.arrays import F32, F64, I32, I64, Bools
from lamplighter.errors import UnknownName, unknown


@dataclass(frozen=True)
class Holdout:
    """Labelled holdout rows with what the model says of them.

    Attributes
    ----------
    truth
        (n,) int32 positions of the true classes.
    proba
        (n, C) float32 probabilities.
    """

    truth: I32
    proba: F32

    @cached_property
    def predicted(self) -> I64:
        """(n,) most probable class; of equal ones the first."""
        return np.asarray(np.argmax(self.proba, axis=1), np.int64)

    @cached_property
    def confusion(self) -> I64:
        """(C, C) int64 counts: rows are true classes, columns predicted."""
        classes = self.proba.shape[1]
        cells = self.truth.astype(np.int64) * classes + self.predicted
        return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)

    @cached_property
    def cells(self) -> tuple[I64, I64, I64]:
        """Rows in order of their confusion cell, where each cell starts, and the cells themselves."""
        classes = self.proba.shape[1]
        cell = self.truth.astype(np.int64) * classes + self.predicted
        order = np.argsort(cell, kind="stable")
        found, starts = np.unique(cell[order], return_index=True)
        return order, starts, found


def accuracy(holdout: Holdout, weights: F32) -> F64:
    """Share of rows predicted right: (r,) for (r, n) weights."""
    right = (holdout.predicted == holdout.truth).astype(np.float32)
    return _ratio(weights @ right, weights.sum(axis=1))


def balanced_accuracy(holdout: Holdout, weights: F32) -> F64:
    """Mean recall over the classes that have rows.

    Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.
    """
    hits, true, _ = _totals(holdout, weights)
    return _mean_where(_ratio(hits, true), true > 0)


def macro_f1(holdout: Holdout, weights: F32) -> F64:
    """Mean over classes of F1 = 2 hits / (true + predicted), 0 for a class never hit.

    Sokolova and Lapalme 2009, doi:10.1016/j.ipm.2009.03.002; the mean of F1 values, not the F1 of
    means.
    """
    hits, true, predicted = _totals(holdout, weights)
    return _mean_where(_ratio(2 * hits, true + predicted), true + predicted > 0)


def log_loss(holdout: Holdout, weights: F32) -> F64:
    """Mean of -ln p(true class); p is kept above float32's 1.2e-7, so that one row cannot be infinite."""
    return _ratio(weights @ losses(holdout), weights.sum(axis=1))


def losses(holdout: Holdout) -> F64:
    """-ln p(true class) of each row: (n,) float64."""
    proba = holdout.proba[np.arange(len(holdout.truth)), holdout.truth].astype(np.float64)
    return -np.log(np.clip(proba, np.finfo(np.float32).eps, 1.0))


def average_precision(holdout: Holdout, weights: F32) -> F64:
    """Mean over classes of one-vs-rest average precision, sum_k (R_k - R_(k-1)) P_k.

    Rows of equal probability enter together. No interpolation: see Davis and Goadrich 2006,
    doi:10.1145/1143844.1143874.
    """
    present = np.unique(holdout.truth)
    values = np.empty((len(present), len(weights)))
    has_rows = np.empty((len(present), len(weights)), np.bool_)
    for i, c in enumerate(present):
        values[i], has_rows[i] = _one_vs_rest(holdout.proba[:, c], holdout.truth == c, weights)
    return _mean_where(values.T, has_rows.T)


def _one_vs_rest(score: F32, positive: Bools, weights: F32) -> tuple[F64, Bools]:
    """Average precision of one class, and where it has any row: (r,) each."""
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    # Precision is needed only where a run of equal scores that holds a positive ends.
    ends = np.append(np.flatnonzero(np.diff(score)) + 1, len(score))
    places = np.flatnonzero(positive)
    run, first = np.unique(np.searchsorted(ends, places, side="right"), return_index=True)
    starts = np.concatenate([[0], ends[run][:-1]])
    gained = np.add.reduceat(weights[:, order[places]], first, axis=1)
    seen = np.cumsum(np.add.reduceat(weights[:, order[: ends[run[-1]]]], starts, axis=1), axis=1)
    found = np.cumsum(gained, axis=1)
    total = found[:, -1]
    precision = _ratio(found, seen)
    return _ratio(np.einsum("rk,rk->r", gained.astype(np.float64), precision), total), total > 0


def _totals(holdout: Holdout, weights: F32) -> tuple[F64, F64, F64]:
    """Weight of hits, of true rows and of predictions per class: (r, C) float64 each."""
    order, starts, found = holdout.cells
    counts = np.add.reduceat(weights[:, order], starts, axis=1).astype(np.float64)
    classes = holdout.proba.shape[1]
    true, predicted = np.divmod(found, classes)
    is_true = (true[:, None] == np.arange(classes)).astype(np.float64)
    is_predicted = (predicted[:, None] == np.arange(classes)).astype(np.float64)
    return counts @ (is_true * is_predicted), counts @ is_true, counts @ is_predicted


def _ratio(part: F64 | F32, whole: F64 | F32 | I64) -> F64:
    """Part / whole in float64, 0 where the whole is 0; counts in float32 are exact, their quotient is not."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0, dtype=np.float64)


def _mean_where(values: F64, counts: Bools) -> F64:
    """Mean along rows over the entries that count: (r,)."""
    return _ratio(np.where(counts, values, 0.0).sum(axis=1), counts.sum(axis=1))


class Metric(NamedTuple):
    """A metric: its value per weighting, and which way is up."""

    score: Callable[[Holdout, F32], F64]
    higher_is_better: bool = True


BY_NAME = {
    "accuracy": Metric(accuracy),
    "macro_f1": Metric(macro_f1),
    "balanced_accuracy": Metric(balanced_accuracy),
    "average_precision": Metric(average_precision),
    "log_loss": Metric(log_loss, higher_is_better=False),
}
#: Names of the metrics, as in a campaign file.
METRICS: tuple[str, ...] = tuple(BY_NAME)


def higher_is_better(metric: str) -> bool:
    """Say which way is up; raises UnknownName for a metric that is not in METRICS."""
    if metric not in BY_NAME:
        raise UnknownName(unknown("metric", metric, METRICS))
    return BY_NAME[metric].higher_is_better
