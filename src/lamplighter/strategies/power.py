"""Stochastic batches: uncertain rows win more often, not always, and the odds are recorded."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32, F64
from lamplighter.strategies.base import Block, Choice, Context, Shortlist, Strategy, require
from lamplighter.strategies.uncertainty import entropy, margin


@dataclass(frozen=True)
class Power(Strategy):
    """Draw rows without replacement, with odds that grow with an uncertainty score s in [0, 1].

    The weight and the key of a row are::

        w   = (1 - floor) * s**beta + floor              in [floor, 1]
        key = ln w + G,  G = -ln(-ln u)                  u in (0, 1) keyed by (seed, round, row id)

    The k largest keys are k successive draws with probability proportional to w. The top k by s alone
    is the limit of large beta with floor -> 0; floor = 1 or beta = 0 is random sampling. The weights
    need no sum over the pool, so nothing has to be known before the scan.

    The (k+1)-th key makes the inclusion probability of every pick known: with tau = exp(-key_(k+1)),
    a row is picked iff its exponential variable exp(-G) is below w * tau, so pi = 1 - exp(-w * tau)
    (bottom-k sampling). The batch records them: sum of 1 / pi over the batch estimates the number of
    rows in the pool, sum of y / pi any pool total of y.

    O(nC) time, O(n) memory; the shortlist holds 2k rows, of which k + 1 are used. Kirsch et al. 2023,
    Stochastic Batch Acquisition, doi:10.48550/arXiv.2106.12059; Efraimidis and Spirakis 2006,
    doi:10.1016/j.ipl.2005.11.003; Cohen and Kaplan 2008, doi:10.48550/arXiv.0802.3448.

    Attributes
    ----------
    beta
        How strongly the odds follow the score; at least 0.
    floor
        Weight of a row that the model is sure of, as a share of the largest weight; in (0, 1]. It
        bounds how much one row can count for in an estimate: 1 / pi of any two picks differs at most
        by the factor 1 / floor.
    """

    oversample = 2

    beta: float = 1.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        require(0 <= self.beta < np.inf, lambda: f"beta is {self.beta!r}; allowed: a number from 0 on")
        require(0 < self.floor <= 1, lambda: f"floor is {self.floor!r}; allowed: above 0, at most 1")

    @property
    @abstractmethod
    def purpose(self) -> str:
        """What keys the draws."""

    @abstractmethod
    def uncertainty(self, proba: F32) -> F64:
        """Give s of (n, C) probabilities: (n,) float64, in [0, 1] but for rounding."""

    def score(self, block: Block) -> F32:
        """Give the keys: (n,) float32."""
        gumbel = -np.log(-np.log(block.uniform(self.purpose)))
        return (np.log(self.weights(block.proba)) + gumbel).astype(np.float32)

    def weights(self, proba: F32) -> F64:
        """Give the weight of each row of (n, C) probabilities: (n,) float64 in [floor, 1]."""
        # Probabilities may sum to a little more than 1, which can put the score a little outside [0, 1].
        scores = np.clip(self.uncertainty(proba), 0, 1)
        return (1 - self.floor) * scores**self.beta + self.floor

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick the largest keys; record weight, rank by key (from 1), tau and inclusion probability.

        A batch that took the whole shortlist took the whole pool: every inclusion probability is 1.
        """
        picked = np.arange(min(context.k, len(shortlist)), dtype=np.int64)
        weight = self.weights(shortlist.proba[picked])
        left = shortlist.score[len(picked) :].astype(np.float64)
        tau = np.exp(-left.max()) if len(left) else np.inf
        columns = {
            "power_weight": weight,
            "power_rank": picked + 1,
            "power_tau": np.full(len(picked), tau),
            "inclusion_probability": -np.expm1(-weight * tau),
        }
        return Choice(picked, columns)


@dataclass(frozen=True)
class PowerMargin(Power):
    """Draw rows with odds that grow with the margin score: s = 1 - (p1 - p2), see `Power`.

    p1 >= p2 are the two largest class probabilities of the row. O(nC) time, O(n) memory. Kirsch et
    al. 2023, doi:10.48550/arXiv.2106.12059.
    """

    purpose = "power_margin"

    def uncertainty(self, proba: F32) -> F64:
        """Give 1 - (p1 - p2): (n,) float64."""
        return margin(proba).astype(np.float64)


@dataclass(frozen=True)
class PowerEntropy(Power):
    """Draw rows with odds that grow with the entropy: s = -sum_c p_c ln p_c / ln C, see `Power`.

    0 ln 0 = 0, and s = 0 where there is one class only. O(nC) time with one logarithm per cell, O(n)
    memory. Kirsch et al. 2023, doi:10.48550/arXiv.2106.12059.
    """

    purpose = "power_entropy"

    def uncertainty(self, proba: F32) -> F64:
        """Give the entropy as a share of the largest there is: (n,) float64."""
        most = float(np.log(max(proba.shape[1], 2)))  # of one class the entropy is 0, whatever divides it
        return entropy(proba).astype(np.float64) / most
