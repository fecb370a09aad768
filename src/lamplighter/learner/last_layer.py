"""What enters the last layer of a model, where it has one: strategies read gradients off it.

For a linear classifier that is the features as it sees them, scaled; for a network, the activations of
its last hidden layer. Either way the model's logits are a linear function of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn.neural_network import MLPClassifier

from lamplighter.arrays import F32, F64
from lamplighter.learner.estimator import build
from lamplighter.learner.fitted import is_linear
from lamplighter.learner.scoring import GIVES, PANEL
from lamplighter.strategies.base import Output

if TYPE_CHECKING:
    from lamplighter.config import LearnerConfig
    from lamplighter.learner.model import Model

#: A network's activations, each written over its input.
_ACTIVATIONS: dict[str, Callable[[F64], object]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0, out=z),
    "tanh": lambda z: np.tanh(z, out=z),
    "logistic": lambda z: expit(z, out=z),
}


def gives(config: LearnerConfig) -> frozenset[Output]:
    """Say what a learner will give, before anything is fitted.

    Raises
    ------
    UntrustedType, ConfigError, UnknownName
        As `build`.
    """
    weights = config.params.get("class_weight")
    names = tuple(map(str, weights)) if isinstance(weights, dict) else ()
    estimator = build(config, names, range(len(names)), 0)
    return GIVES | {Output.LAST_LAYER} if has_last_layer(estimator) else GIVES


def has_last_layer(estimator: Any) -> bool:
    """Say whether an estimator's logits are a linear function of something that can be read off it."""
    return is_linear(estimator) or type(estimator) is MLPClassifier


@dataclass(frozen=True, eq=False)
class LastLayer:
    """The way from raw features to what enters the last layer.

    Attributes
    ----------
    width
        H, width of what enters it.
    mean, sharpness
        (D,) float64 of the StandardScaler: its mean, and 1 over its scale; zeros and ones without one.
    hidden
        Weights and biases, float64, of the hidden layers; empty for a linear model.
    activation
        Of the hidden layers, by scikit-learn's name.
    """

    width: int
    mean: F64
    sharpness: F64
    hidden: tuple[tuple[F64, F64], ...] = ()
    activation: str = "identity"

    @classmethod
    def of(cls, model: Model) -> LastLayer | None:
        """Read it off a fitted model; None if there is no such thing."""
        estimator: Any = model.fitted.estimator
        if not has_last_layer(estimator):
            return None
        scaler, zeros = model.fitted.scaler, np.zeros(model.features)
        mean, sharpness = (scaler.mean_, 1 / scaler.scale_) if scaler else (zeros, zeros + 1)
        if is_linear(estimator):
            return cls(model.features, mean, sharpness)
        weights = [np.ascontiguousarray(w, np.float64) for w in estimator.coefs_]
        biases = [np.asarray(b, np.float64) for b in estimator.intercepts_]
        hidden = tuple(zip(weights, biases, strict=True))[:-1]
        return cls(len(weights[-1]), mean, sharpness, hidden, estimator.activation)

    def kernel(self, tile: int) -> LayerKernel:
        """Make what goes through one tile at a time."""
        return LayerKernel(self, tile)


class LayerKernel:
    """One tile of rows to the last layer, in float64, panel by panel so that every product has one shape.

    It owns its buffers: one for each scan and thread.
    """

    def __init__(self, layer: LastLayer, tile: int) -> None:
        self.layer, self.activate = layer, _ACTIVATIONS[layer.activation]
        self.inside = np.zeros((PANEL, len(layer.mean)))
        self.between = [np.empty((PANEL, len(bias))) for _, bias in layer.hidden]
        self.out = np.empty((tile, layer.width), np.float32)

    def __call__(self, x: F32) -> F32:
        """Give (m, H) float32 for (m, D) rows, m <= tile; overwritten by the next call."""
        with np.errstate(all="ignore"):
            for start in range(0, len(x), PANEL):
                rows = x[start : start + PANEL]
                self.out[start : start + len(rows)] = self._panel(rows)[: len(rows)]
        return self.out[: len(x)]

    def _panel(self, x: F32) -> F64:
        self.inside[: len(x)] = x
        self.inside[len(x) :] = 0
        self.inside -= self.layer.mean
        self.inside *= self.layer.sharpness
        values = self.inside
        for (weights, bias), out in zip(self.layer.hidden, self.between, strict=True):
            np.matmul(values, weights, out=out)
            np.add(out, bias, out=out)
            self.activate(out)
            values = out
        return values
