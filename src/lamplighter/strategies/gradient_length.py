"""Expected model change: ask where a label would move the model's parameters most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32, F64
from lamplighter.strategies.base import Block, Output, Strategy

#: Rows per tile: few enough to stay in cache, many enough to pay for a call.
TILE = 4096
_LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True)
class ExpectedGradientLength(Strategy):
    """Ask where the gradient of the loss is longest, on average over the labels the model expects.

    score = |(h, 1)| sum_c p_c sqrt(1 - 2 p_c + |p|^2), with h what enters the model's last layer and p its
    probabilities: the expected Euclidean norm of the gradient of the log loss by the last layer's weights
    and biases, which for label c is (p - e_c)(h, 1)^T. Exact for a softmax over linear logits. One weight
    vector for two classes, or a temperature, only puts a constant factor before it; of classifiers that
    fit one class against the rest it takes the normalised probabilities.

    The norm of h often decides alone; with `direction_only` it is left out.

    Parameters
    ----------
    direction_only
        Whether to leave out |(h, 1)|; any learner will then do.

    Notes
    -----
    O(n(C + H)) time with one square root per class, O(n) memory; no gradient is ever made. Settles and
    Craven 2008, doi:10.3115/1613715.1613855.
    """

    direction_only: bool = False

    @property
    def requires(self) -> frozenset[Output]:
        """The probabilities, and what enters the last layer where its norm counts."""
        if self.direction_only:
            return frozenset({Output.PROBA})
        return frozenset({Output.PROBA, Output.LAST_LAYER})

    def score(self, block: Block) -> F32:
        """Give the expected length: (n,) float32."""
        layer = None if self.direction_only else block.outputs[Output.LAST_LAYER]
        return gradient_length(block.proba, layer)


def gradient_length(proba: F32, layer: F32 | None = None) -> F32:
    """Give sum_c p_c |p - e_c|, times |(h, 1)| if there is a layer.

    Parameters
    ----------
    proba
        (n, C) float32 probabilities.
    layer
        (n, H) float32 h.

    Returns
    -------
    (n,) float32, finite, not negative.
    """
    scores = np.empty(len(proba), np.float32)
    for start in range(0, len(proba), TILE):
        stop = start + TILE
        lengths = _error_length(proba[start:stop])
        if layer is not None:
            lengths *= _norm_with_bias(layer[start:stop])
        scores[start:stop] = np.minimum(lengths, _LARGEST)
    return scores


def _error_length(proba: F32) -> F64:
    """Give sum_c p_c |p - e_c| in float64: float32 would lose what is left of 1 - 2p + p^2 near p = 1."""
    columns = np.array(proba.T, np.float64, order="C")
    square, total, work = (np.zeros(columns.shape[1]) for _ in range(3))
    for p in columns:
        square += np.multiply(p, p, out=work)
    square += 1
    for p in columns:
        np.subtract(square, p, out=work)
        work -= p
        np.abs(work, out=work)  # rounding may put the square of a norm of 0 below it
        np.sqrt(work, out=work)
        work *= p
        total += work
    return total


def _norm_with_bias(layer: F32) -> F32:
    """Give |(h, 1)|; beyond float32 the largest number it has.

    The copy puts each row in one piece: the order of adding up is then that of the columns.
    """
    with np.errstate(over="ignore"):
        squares = np.square(np.ascontiguousarray(layer))
        norm = np.sqrt(np.add.reduce(squares, axis=1) + np.float32(1))
    return np.asarray(np.minimum(norm, _LARGEST), np.float32)
