"""Linear classifiers as one matrix: scaler, weights, calibration and padding folded together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import SGDClassifier

from lamplighter.arrays import F32, F64, I64, Bools
from lamplighter.errors import ModelError
from lamplighter.learner.fitted import Fitted, is_linear
from lamplighter.learner.last_layer import LastLayer
from lamplighter.learner.scoring import NEVER, PANEL, Scorer, Tile, tile_rows
from lamplighter.strategies.base import Output

if TYPE_CHECKING:
    from lamplighter.learner.model import Model

#: Above this size of the terms of a logit (root of their summed squares), float32 products no longer
#: give probabilities within 1e-5, and the tile is multiplied in float64.
NARROW_LIMIT = 32.0

#: Below this decision value scipy's expit is exactly 0 in float64; where that holds for every class,
#: scikit-learn gives uniform probabilities.
EXPIT_ZERO = -709.782712893384

#: Weights above this, for features of tiny numbers, come too near the end of float32.
_HUGE = 1e30

#: Columns of the weight matrix come in multiples of this: OpenBLAS is fastest so.
_PAD = 16


@dataclass(frozen=True, eq=False)
class LinearForm:
    """Class probabilities as a function of x @ weights + bias.

    Attributes
    ----------
    weights
        (D, C) float64 for raw features; the StandardScaler is folded in. Zero for unknown classes.
    bias
        (C,) float64; `NEVER` for unknown classes.
    sigmoid
        Whether each class has its own sigmoid, normalised over the classes (one against the rest).
        Otherwise a softmax.
    sharpness
        1 / temperature. Folded into weights and bias for a softmax.
    seen
        (C,) which classes the estimator knows.
    """

    weights: F64
    bias: F64
    sigmoid: bool
    sharpness: float
    seen: Bools


def linear_form(model: Model) -> LinearForm | None:
    """Give the linear form of a model; None if its classifier is not linear with known probabilities.

    Raises
    ------
    ModelError
        The fit diverged: weights are not finite.
    """
    estimator: Any = model.fitted.estimator
    if not is_linear(estimator):
        return None
    weights, bias = folded(model.fitted)
    sharpness = 1.0 / (model.temperature or 1.0)
    sigmoid = len(model.seen) > 2 and _one_against_rest(estimator)
    if not sigmoid:
        weights, bias = weights * sharpness, bias * sharpness
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise ModelError(f"{type(estimator).__name__} has weights that are not finite; its fit diverged")
    seen = np.zeros(len(model.classes), np.bool_)
    seen[list(model.seen)] = True
    wide = np.zeros((model.features, len(seen)))
    wide[:, seen] = weights
    wide_bias = np.full(len(seen), NEVER)
    wide_bias[seen] = bias
    return LinearForm(wide, wide_bias, sigmoid, sharpness, seen)


def folded(fitted: Fitted) -> tuple[F64, F64]:
    """Give (D, K) weights and (K,) bias of the decision values for raw features, in float64.

    Two classes have one decision value d; their logits are 0 and d.
    """
    estimator: Any = fitted.estimator
    weights = np.asarray(estimator.coef_, np.float64).T
    bias = np.broadcast_to(np.asarray(estimator.intercept_, np.float64), weights.shape[1]).copy()
    if fitted.scaler is not None:
        weights = weights / fitted.scaler.scale_[:, None]
        bias -= fitted.scaler.mean_ @ weights
    if weights.shape[1] == 1:
        weights = np.hstack([np.zeros_like(weights), weights])
        bias = np.concatenate([np.zeros(1), bias])
    return weights, bias


def logit_rms(fitted: Fitted, x: F64) -> float:
    """Measure the terms that add up to a logit: what float32 rounds is proportional to them.

    Parameters
    ----------
    fitted
        A linear model; for others the answer is 0.
    x
        (n, D) float64 raw training features.

    Returns
    -------
    The largest class's root of summed mean squares of weight * feature and of the bias.
    """
    if not is_linear(fitted.estimator):
        return 0.0
    weights, bias = folded(fitted)
    terms = np.square(weights) * np.square(x).mean(axis=0)[:, None]
    return float(np.sqrt((terms.sum(axis=0) + np.square(bias)).max()))


def _one_against_rest(estimator: Any) -> bool:
    # scikit-learn before 1.8 also fitted LogisticRegression one against the rest.
    old = estimator.get_params()
    return (
        type(estimator) is SGDClassifier
        or old.get("multi_class") == "ovr"
        or old.get("solver") == "liblinear"
    )


@dataclass(frozen=True, eq=False)
class LinearScorer(Scorer):
    """Scores with one matrix product per tile.

    Attributes
    ----------
    form
        The model.
    wide
        Whether the product is in float64, for badly scaled features.
    """

    form: LinearForm
    wide: bool

    @classmethod
    def of(cls, model: Model) -> LinearScorer | None:
        """Make the scorer of a linear model; None for others."""
        form = linear_form(model)
        if form is None:
            return None
        wide = model.logit_rms * form.sharpness > NARROW_LIMIT or bool(np.abs(form.weights).max() > _HUGE)
        width = len(model.classes)
        # The features and two class-major arrays.
        per_row = 4 * model.features + (8 if wide else 4) * 2 * width
        return cls(tile_rows(per_row), model.features, width, form, wide, layer=LastLayer.of(model))

    def kernel(self, wanted: frozenset[Output]) -> LinearKernel:
        """Make what scores one tile at a time."""
        return LinearKernel(self, Output.LOGITS in wanted)


class LinearKernel:
    """One tile: product, class-major copy with bias, link, softmax. Every buffer is reused.

    The product is made panel by panel: every product has one shape, and few rows need little padding.
    All else goes element by element along the classes, where the number of rows changes no bits; it
    runs over the whole tile, since each call into numpy costs as much as some hundred rows.
    """

    def __init__(self, scorer: LinearScorer, logits: bool) -> None:
        self.scorer, self.form, tile = scorer, scorer.form, scorer.tile
        dtype = np.float64 if scorer.wide else np.float32
        shape = (scorer.width, tile)
        self.matrix = np.zeros((scorer.features, _padded(scorer.width)), dtype)
        self.matrix[:, : scorer.width] = self.form.weights
        self.bias = self.form.bias.astype(dtype)[:, None]
        self.x = np.zeros((tile, scorer.features), dtype)
        self.product = np.empty((PANEL, self.matrix.shape[1]), dtype)
        self.decision: npt.NDArray[Any] = np.empty(shape, dtype)
        self.work = np.empty(shape, dtype) if self.form.sigmoid else None
        self.peak: npt.NDArray[Any] = np.empty(tile, dtype)
        # Fewer arrays in work keep more of the tile in cache.
        self.shifted: F32 = np.empty(shape, np.float32) if scorer.wide else self.decision
        self.proba = np.empty(shape, np.float32) if logits else self.shifted
        self.total = np.empty(tile, np.float32)
        self.logits = self.shifted if logits else None
        self.mender: LinearKernel | None = None
        self.shorter: dict[int, LinearKernel] = {}

    def __call__(self, x: F32) -> Tile:
        """Score (m, D) C-contiguous rows, m <= tile."""
        rows = max(-(-len(x) // PANEL), 1) * PANEL
        if rows < self.scorer.tile:
            return self._of(rows)(x)
        with np.errstate(all="ignore"):
            suspects = self._decide(x)
            self._shift()
            self._normalise()
        valid = np.ones(len(self.x), np.bool_)
        if suspects is not None:
            self._mend(x, suspects, valid)
        return Tile(self.proba, self.logits, valid)

    def _of(self, rows: int) -> LinearKernel:
        """Give the kernel for the last, shorter tile of a block."""
        if rows not in self.shorter:
            self.shorter[rows] = LinearKernel(replace(self.scorer, tile=rows), self.logits is not None)
        return self.shorter[rows]

    def _decide(self, x: F32) -> I64 | None:
        """Fill the decision values; give the rows where some are not finite, if any."""
        padded, decided = self._padded_rows(x), self.product[:, : len(self.decision)].T
        for start in range(0, self.scorer.tile, PANEL):
            np.matmul(padded[start : start + PANEL], self.matrix, out=self.product)
            np.add(decided, self.bias, out=self.decision[:, start : start + PANEL])
        # NaN and infinity in a row pass through every product, also with weights of 0.
        if np.isfinite(self.decision.max()) and np.isfinite(self.decision.min()):
            return None
        return np.flatnonzero(~np.isfinite(self.decision).all(axis=0))

    def _padded_rows(self, x: F32) -> F32 | F64:
        if len(x) == len(self.x) and not self.scorer.wide:
            return x
        self.x[: len(x)] = x
        self.x[len(x) :] = 0
        return self.x

    def _shift(self) -> None:
        """Turn decision values into logits whose largest is 0."""
        if self.work is not None:
            _log_sigmoid(self.decision, self.work)
        np.maximum.reduce(self.decision, axis=0, out=self.peak)
        if self.work is not None:
            self._level_zeros()
            np.multiply(self.decision, self.form.sharpness, out=self.decision)
            np.multiply(self.peak, self.form.sharpness, out=self.peak)
        np.subtract(self.decision, self.peak, out=self.shifted, casting="same_kind")
        if self.logits is not None:  # float32 may not reach as far down as float64
            np.maximum(self.shifted, NEVER, out=self.shifted)

    def _level_zeros(self) -> None:
        """Make rows uniform where scikit-learn finds every sigmoid to be 0."""
        zeros = self.peak < EXPIT_ZERO
        if zeros.any():
            self.decision[np.ix_(self.form.seen, zeros)] = 0
            self.peak[zeros] = 0

    def _normalise(self) -> None:
        np.exp(self.shifted, out=self.proba)
        np.add.reduce(self.proba, axis=0, out=self.total)
        np.divide(1, self.total, out=self.total)
        self.proba *= self.total

    def _mend(self, x: F32, suspects: I64, valid: Bools) -> None:
        """Score rows again in float64, where float32 overflowed; mark those that are not finite."""
        valid[suspects] = False
        self.proba[:, suspects] = 0
        self.shifted[:, suspects] = 0
        if self.scorer.wide:
            return
        self.mender = self.mender or LinearKernel(replace(self.scorer, wide=True), True)
        mended, k = self.mender(x[suspects]), len(suspects)
        valid[suspects] = mended.valid[:k]
        if self.logits is not None and mended.logits is not None:
            self.logits[:, suspects] = mended.logits[:, :k]
        self.proba[:, suspects] = mended.proba[:, :k]


def _log_sigmoid(decision: F32 | F64, work: F32 | F64) -> None:
    """Replace d by log(1 / (1 + exp(-d))), without overflow; float32 or float64."""
    np.abs(decision, out=work)
    np.negative(work, out=work)
    np.exp(work, out=work)
    work += 1
    np.log(work, out=work)
    np.minimum(decision, 0, out=decision)
    decision -= work


def _padded(columns: int) -> int:
    return -(-columns // _PAD) * _PAD
