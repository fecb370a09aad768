"""From the labelled holdout to the metrics document of a round."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np

from lamplighter import rng
from lamplighter.arrays import F32, F64, I32
from lamplighter.errors import LabelError, ModelError
from lamplighter.evaluation.intervals import Z, faultless, percentiles, resamples, wilson
from lamplighter.evaluation.scores import BY_NAME, METRICS, Holdout, higher_is_better, losses
from lamplighter.rounds import Estimate, Metrics

#: Bootstrap resamples; fewer, but at least MIN_RESAMPLES, where rows x classes is so large that
#: average precision would take more than a few seconds. 26 classes x 10,000 rows still get them all.
RESAMPLES = 1000
MIN_RESAMPLES = 250
_CELLS = 300_000_000
CALIBRATION_BINS = 15


def evaluate(
    truth: I32, proba: F32, classes: Sequence[str], *, metric: str, seed: int, round: int
) -> Metrics:
    """Measure a model on the labelled holdout, every metric with its 95% interval.

    Accuracy and the recall of each class have Wilson's interval. The others have a percentile
    bootstrap, seeded by (seed, round), in which a class absent from a resample is left out of that
    resample's average; so that a small holdout without a single mistake does not look certain, the
    interval reaches at least as far as `intervals.faultless`, and that of log_loss at least to
    where z^2 more rows guessed at random (loss ln C) would bring it.

    Parameters
    ----------
    truth
        (n,) positions of the true classes in `classes`.
    proba
        (n, C) probabilities, natural scale.
    classes
        C names, in the order of the columns.
    metric
        The campaign's own, one of METRICS; `seed` and `round` key the resamples.

    Raises
    ------
    UnknownName
        For another metric.
    LabelError
        For n = 0, or a class position outside [0, C).
    ModelError
        For probabilities of another shape, not finite, or that do not sum to 1 within 1e-3.
    """
    higher_is_better(metric)  # raises for an unknown one
    holdout = _checked(truth, proba, classes)
    return Metrics(
        primary=metric,
        estimates=_estimates(holdout, rng.generator(seed, round, "bootstrap")),
        recall=_recall(holdout, classes),
        confusion=holdout.confusion.tolist(),
        calibration_error=calibration_error(holdout),
        holdout_rows=len(holdout.truth),
    )


def measure(
    truth: I32, proba: F32, classes: Sequence[str]
) -> tuple[dict[str, float], dict[str, float | None]]:
    """Give every metric, and the recall of each class (None without a row of it), without intervals.

    Parameters and errors as for `evaluate`, at a thousandth of its cost.
    """
    holdout = _checked(truth, proba, classes)
    recall = {name: share.value if share else None for name, share in _recall(holdout, classes).items()}
    return {name: _value(name, holdout) for name in METRICS}, recall


def calibration_error(holdout: Holdout) -> float:
    """Give the expected calibration error of the predicted class's probability.

    sum_b n_b/n |accuracy_b - mean confidence_b| over 15 bins of equal mass, rows of equal
    confidence in one bin. Equal mass rather than equal width: confident models fill one wide bin
    and leave the others to noise (Roelofs et al. 2022, arXiv:2012.08668; Guo et al. 2017,
    arXiv:1706.04599).
    """
    confidence = holdout.proba.max(axis=1).astype(np.float64)
    right = holdout.predicted == holdout.truth
    # A bin ends at an observed confidence and includes it, so that equal ones stay together.
    lasts = -(-len(confidence) * np.arange(1, CALIBRATION_BINS) // CALIBRATION_BINS) - 1
    bins = np.searchsorted(np.sort(confidence)[lasts], confidence, side="left")
    gap = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gap).sum() / len(confidence))


def _checked(truth: I32, proba: F32, classes: Sequence[str]) -> Holdout:
    n, count = len(truth), len(classes)
    if n == 0:
        raise LabelError(
            "the holdout has no labelled row, so nothing can be measured; wait for answers on the holdout "
            "rows that were dispatched, or give evaluation.url, a labelled test set"
        )
    if proba.shape != (n, count):
        raise ModelError(
            f"probabilities of shape {proba.shape} for {n} holdout rows and {count} classes; allowed: "
            f"({n}, {count}); give one column per class of the campaign, in its order"
        )
    if truth.min() < 0 or truth.max() >= count:
        raise LabelError(
            f"class positions from {truth.min()} to {truth.max()} among {count} classes; allowed: 0 to "
            f"{count - 1}; leave out rows whose label is not one of the campaign's classes"
        )
    # ~(<=) rather than (>): a NaN fails too.
    bad = ~(np.abs(proba.sum(axis=1, dtype=np.float64) - 1) <= 1e-3) | (proba < 0).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ModelError(
            f"{int(bad.sum())} of {n} holdout rows have invalid probabilities, the first is row {row}: "
            f"{proba[row][:5].tolist()}; allowed: finite, not negative, summing to 1 within 0.001; "
            "check the learner's predict_proba"
        )
    return Holdout(truth, proba)


def _share(successes: int, n: int) -> Estimate:
    low, high = wilson(successes, n)
    return Estimate(value=successes / n, low=low, high=high, n=n)


def _recall(holdout: Holdout, classes: Sequence[str]) -> dict[str, Estimate | None]:
    confusion = holdout.confusion
    sizes = confusion.sum(axis=1)
    return {
        name: _share(int(confusion[c, c]), int(sizes[c])) if sizes[c] else None
        for c, name in enumerate(classes)
    }


def _estimates(holdout: Holdout, generator: np.random.Generator) -> dict[str, Estimate]:
    n = len(holdout.truth)
    values = {name: _value(name, holdout) for name in METRICS}
    estimates = {"accuracy": _share(int(np.trace(holdout.confusion)), n)}
    for name, drawn in _bootstrap(holdout, generator).items():
        (low, high), (at_most, at_least) = percentiles(drawn), _reach(name, holdout)
        value = values[name]
        estimates[name] = Estimate(
            value=value, low=min(low, value, at_most), high=max(high, value, at_least), n=n
        )
    return estimates


def _value(metric: str, holdout: Holdout) -> float:
    return float(BY_NAME[metric].score(holdout, np.ones((1, len(holdout.truth)), np.float32))[0])


def _bootstrap(holdout: Holdout, generator: np.random.Generator) -> dict[str, F64]:
    """Give every metric but accuracy on the same resamples."""
    n, classes = holdout.proba.shape
    count = min(RESAMPLES, max(MIN_RESAMPLES, _CELLS // (n * classes)))
    names = [name for name in METRICS if name != "accuracy"]
    drawn = [
        [BY_NAME[name].score(holdout, weights) for name in names]
        for weights in resamples(n, count, generator)
    ]
    return {
        name: np.concatenate(blocks) for name, blocks in zip(names, zip(*drawn, strict=True), strict=True)
    }


def _reach(metric: str, holdout: Holdout) -> tuple[float, float]:
    """Give the most that a lower and the least that an upper bound may be with so few rows."""
    if metric == "log_loss":
        total, n = float(losses(holdout).sum()), len(holdout.truth)
        return total / n, (total + Z * Z * log(holdout.proba.shape[1])) / (n + Z * Z)
    sizes = holdout.confusion.sum(axis=1)
    bound = faultless(sizes[sizes > 0])
    return bound, 1 - bound
