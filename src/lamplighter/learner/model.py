"""The trained model of a round: an immutable value with a plain way to probabilities and a fast one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from lamplighter.arrays import F32, F64
from lamplighter.errors import ModelError
from lamplighter.learner import persistence
from lamplighter.learner.calibration import apply_temperature
from lamplighter.learner.fitted import Fitted
from lamplighter.learner.generic import GenericScorer
from lamplighter.learner.linear import LinearScorer
from lamplighter.learner.scoring import Scorer, check_width

if TYPE_CHECKING:
    from lamplighter.config import LearnerConfig


@dataclass(frozen=True, eq=False)
class Model:
    """What one round learned.

    Attributes
    ----------
    config
        The learner as it was fitted.
    classes
        The campaign's C class names.
    seen
        Ascending positions in `classes` that the estimator knows; the others have probability 0.
    temperature
        Of the calibration; None where there is none.
    rows
        Number of training rows.
    features
        D, number of features.
    logit_rms
        Size of the terms that add up to a logit of a linear model, over the training rows: it
        decides whether float32 is enough. 0 for other models.
    warm_start
        Whether it was continued from the previous model.
    note
        What a reader should know about the fit; empty if nothing.
    fitted
        The classifier and its scaler.
    """

    config: LearnerConfig
    classes: tuple[str, ...]
    seen: tuple[int, ...]
    temperature: float | None
    rows: int
    features: int
    logit_rms: float
    warm_start: bool
    note: str
    fitted: Fitted

    def predict_proba(self, x: F32) -> F32:
        """Give probabilities through scikit-learn itself, in float64.

        Parameters
        ----------
        x
            (n, D) finite features.

        Returns
        -------
        (n, C) float32 probabilities in the order of `classes`.

        Raises
        ------
        ModelError
            The features have the wrong width, or are not all finite.
        """
        check_width(x, self.features)
        bad = ~np.isfinite(x).all(axis=1)
        if bad.any():
            raise ModelError(
                f"{int(bad.sum())} of {len(x)} rows have NaN or infinity in their features, the first is row"
                f" {int(bad.argmax())}; leave such rows out"
            )
        return self.proba64(x.astype(np.float64)).astype(np.float32)

    def proba64(self, x: F64) -> F64:
        """Give (n, C) float64 probabilities for (n, D) finite float64 features; unchecked."""
        proba = np.zeros((len(x), len(self.classes)))
        if len(x):
            proba[:, self.seen] = apply_temperature(self.fitted.predict_proba(x), self.temperature)
        return proba

    def scorer(self) -> Scorer:
        """Give what scores blocks of the pool on the workers: the linear form, if there is one."""
        return LinearScorer.of(self) or GenericScorer.of(self)

    def to_bytes(self) -> bytes:
        """Give the model as a skops file, the same bytes for the same fit; raises UntrustedType."""
        return persistence.dump(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` gave; raises ModelError, UntrustedType."""
        return cls(**persistence.load(data))
