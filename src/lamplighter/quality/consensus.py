"""What every method of consensus gives: a label per row, and how far to believe it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F64, I32, RowIds
from lamplighter.quality import parameters
from lamplighter.quality.answers import Answers
from lamplighter.votes import Labels, one_of_each

#: Classes whose probabilities differ by no more are tied: a last bit decides nothing.
TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Consensus:
    """One label per row.

    Attributes
    ----------
    ids
        (n,) row ids, ascending.
    label
        (n,) int32 positions of the most probable classes; among tied ones a hash of the row id, keyed
        by the campaign's seed, decides, as in `votes.consensus`.
    proba
        (n, C) float64, what the method believes of each class; rows sum to 1.
    confidence
        (n,) float64 probability of the label.
    annotators
        (n,) int32 votes on the row.
    """

    ids: RowIds
    label: I32
    proba: F64
    confidence: F64
    annotators: I32

    def __len__(self) -> int:
        return len(self.label)

    @classmethod
    def of(cls, answers: Answers, proba: F64, *, seed: int) -> Consensus:
        """Take the most probable class of each row. O(n C)."""
        best = proba.max(axis=1, keepdims=True, initial=0.0)
        row, tied = np.nonzero(proba >= best - TIE)
        label = tied[one_of_each(row.astype(np.int64), answers.ids, seed)]
        return cls(
            ids=answers.ids,
            label=label.astype(np.int32),
            proba=proba,
            confidence=np.take_along_axis(proba, label[:, None], axis=1)[:, 0],
            annotators=answers.per_row.astype(np.int32),
        )

    @property
    def labels(self) -> Labels:
        """The same as a round knows it."""
        return Labels(self.ids, self.label, self.annotators)


def sample_weights(confidence: F64, classes: int, *, least: float = 0.05) -> F64:
    """Give weights for training: how much of each label is knowledge, in [least, 1].

    With confidence q in the label and the rest of the belief spread evenly over the other classes,
    the belief is w times "this class" and 1 - w times "any class alike", with

        w = (q - 1/C) / (1 - 1/C).

    That is a smoothed label (Szegedy and others 2016, doi:10.1109/CVPR.2016.308). Its even part speaks
    for no class, so it is left out and the row weighs w: 1 when certain, nothing at chance. `least`
    keeps every weight positive, so that no class is lost because all its rows are disputed.

    Parameters
    ----------
    confidence
        (n,) in [0, 1]. O(n).
    classes
        C.
    least
        The smallest weight, in (0, 1].

    Raises
    ------
    ConfigError
        For `least` outside (0, 1].
    """
    parameters.share("least", least, positive=True)
    if classes < 2:
        return np.ones(len(confidence))
    return np.clip((confidence - 1 / classes) / (1 - 1 / classes), least, 1.0)
