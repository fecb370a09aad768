"""Probabilities for the labelled rows themselves, each by a model that has not seen the row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lamplighter import rng
from lamplighter.arrays import F32, F64, I32, I64, RowIds
from lamplighter.errors import ConfigError, ModelError, TooFewClasses
from lamplighter.learner.calibration import FOLDS, apply_temperature, minimise
from lamplighter.learner.fitting import fit

if TYPE_CHECKING:
    from lamplighter.config import LearnerConfig


def out_of_fold(
    config: LearnerConfig,
    x: F32,
    labels: I32,
    classes: tuple[str, ...],
    *,
    seed: int,
    round: int,
    weights: F32 | F64 | None = None,
    ids: RowIds | None = None,
    folds: int = FOLDS,
) -> F64:
    """Predict each labelled row with the campaign's learner, fitted afresh on the other folds.

    What a model says of rows that it was fitted on repeats their labels, so it can neither confirm nor
    doubt them. Folds are stratified by class, and rows are dealt to them by a hash of their ids, so that
    with ids the same rows get the same probabilities in whatever order they come.

    Calibrated learners cost no further fits: each fold's temperature is fitted on the predictions for the
    other folds.

    Parameters
    ----------
    config
        The learner; it is not continued from an earlier round.
    x
        (n, D) float32 features.
    labels
        (n,) int32 positions in `classes`.
    classes
        The campaign's C class names.
    seed, round
        Key the folds and all other randomness.
    weights
        (n,) positive sample weights, for the fits; temperatures count rows alike.
    ids
        (n,) row ids; positions if None.
    folds
        At least 2; fewer where there are fewer rows. So many fits.

    Returns
    -------
    (n, C) float64, rows as in `x`. A class that is missing in the other folds has probability 0. Rows
    with NaN or infinity among their features are NaN: the model has no opinion on them.

    Raises
    ------
    TooFewClasses
        Fewer than two classes have two rows: some fold would be left with one class.
    ConfigError
        For fewer than two folds; or as `fit`.
    ModelError, UnknownClass, UntrustedType
        As `fit`.
    """
    if folds < 2:
        raise ConfigError(f"folds is {folds}; allowed: a whole number of at least 2")
    if x.ndim != 2 or labels.shape != (len(x),) or (ids is not None and len(ids) != len(x)):
        raise ModelError(f"rows disagree: features {x.shape}, labels {labels.shape}; ids must be as many")
    usable = np.flatnonzero(np.isfinite(x).all(axis=1))
    _check_classes(labels[usable], classes)
    digest = rng.row_hash(_positions(len(x)) if ids is None else ids, rng.key(seed, round, "folds"))
    # In the order of the hash, sums have the same last bit in whatever order the rows come.
    rows = usable[np.argsort(digest[usable], kind="stable")]
    fold = dealt(labels[rows], folds)
    plain = config.model_copy(update={"calibrate": False, "warm_start": False})
    found = np.zeros((len(rows), len(classes)))
    for k in range(int(fold.max()) + 1):
        train, test = rows[fold != k], rows[fold == k]
        kept = None if weights is None else weights[train]
        model = fit(plain, x[train], labels[train], classes, seed=seed, round=round, weights=kept)
        found[fold == k] = model.proba64(x[test].astype(np.float64))
    proba = np.full((len(x), len(classes)), np.nan)
    proba[rows] = _calibrated(found, labels[rows], fold) if config.calibrate else found
    return proba


def dealt(labels: I32, folds: int) -> I64:
    """Deal rows to folds, (n,) int64 from 0: class by class in their order, so that all sizes are even."""
    fold = np.empty(len(labels), np.int64)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % folds
    return fold


def _check_classes(labels: I32, classes: tuple[str, ...]) -> None:
    known, counts = np.unique(labels, return_counts=True)
    if np.count_nonzero(counts > 1) < 2:
        there = ", ".join(
            f"{int(n)} of {classes[c]!r}" if 0 <= c < len(classes) else f"{int(n)} of class number {c}"
            for c, n in zip(known.tolist(), counts, strict=True)
        )
        raise TooFewClasses(
            "predicting each row without having seen it needs 2 labelled rows with finite features in "
            f"each of 2 classes at least; there are: {there or 'none'}; label more rows"
        )


def _positions(count: int) -> RowIds:
    return pa.array(np.arange(count))


def _calibrated(proba: F64, labels: I32, fold: I64) -> F64:
    """Apply to each fold the temperature of the predictions for the others."""
    with np.errstate(divide="ignore"):
        log_proba = np.log(proba)
    y, calibrated = labels.astype(np.int64), np.empty_like(proba)
    for k in range(int(fold.max()) + 1):
        others, own = fold != k, fold == k
        temperature, _ = minimise(log_proba[others], y[others])
        calibrated[own] = apply_temperature(proba[own], temperature)
    return calibrated
