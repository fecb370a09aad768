"""Maximal marginal relevance: uncertain rows unlike those picked before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32, F64, I64
from lamplighter.strategies._doubt import doubt, made_of, require_doubt
from lamplighter.strategies._spread import Terms, moved, spread, to_unit
from lamplighter.strategies.base import Block, Choice, Context, Output, Shortlist, Strategy, require
from lamplighter.strategies.geometry import comparable


@dataclass(frozen=True)
class Mmr(Strategy):
    """Pick rows one by one, each uncertain and unlike those picked before.

    The shortlist holds the oversample * k most uncertain rows, and u is their uncertainty, scaled to run
    from 0 to 1 over the shortlist. With S the rows picked so far, the next is::

        argmax  relevance * u(x)  -  (1 - relevance) * max over s in S of cos(x, s)

    The first is the most uncertain row; equals go by their order in the shortlist. Columns of a table are
    standardised before, so that angles are seen from the mean; a row of zeros has cosine 0 to all.

    A heuristic: the value of a batch is not submodular, and no bound on it is known. O(nC) time in the
    scan, then O(k m D) for m rows in the shortlist of D features, as a few matrix products. Memory: a few
    numbers for each row of the shortlist. Carbonell and Goldstein 1998, doi:10.1145/290941.291025.

    Attributes
    ----------
    relevance
        How much the uncertainty counts against the likeness, from 0 to 1: lambda in the paper.
    uncertainty
        What u is made of: "margin", "entropy", "least_confidence"; of a committee "vote_entropy",
        "soft_vote_entropy", "consensus_kl", "max_disagreement".
    oversample
        Rows in the shortlist for each row of the batch.
    beyond_labelled
        Whether labelled rows count as picked before, so that rows like them are put off too.
    """

    relevance: float = 0.5
    uncertainty: str = "margin"
    oversample: int = 10
    beyond_labelled: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.relevance <= 1, lambda: f"relevance is {self.relevance!r}; allowed: from 0 to 1")
        require_doubt(self.uncertainty)
        require(self.oversample >= 1, lambda: f"oversample is {self.oversample!r}; allowed: 1 and more")

    @property
    def requires(self) -> frozenset[Output]:
        """What the uncertainty is made of, and the features."""
        return frozenset({Output.EMBEDDING, made_of(self.uncertainty)})

    def score(self, block: Block) -> F32:
        """Give the uncertainty: (n,) float32."""
        return doubt(self.uncertainty, block)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, m) rows, the most uncertain first."""
        labelled = context.labelled if self.beyond_labelled else np.empty((0, 0), np.float32)
        x, labelled = comparable(context, shortlist.embedding, labelled)
        return Choice(mmr(x, _from_0_to_1(shortlist.score), context.k, self.relevance, labelled=labelled))


def mmr(x: F32, relevant: F64, k: int, relevance: float, *, labelled: F32) -> I64:
    """Pick by maximal marginal relevance.

    Parameters
    ----------
    x
        (m, D) float32 features.
    relevant
        (m,) float64 u of each row.
    k
        Picks; more than m for all.
    relevance
        lambda, from 0 to 1.
    labelled
        (l, D) rows that count as picked before.

    Returns
    -------
    (min(k, m),) int64 distinct positions, in the order of the picks.
    """
    if not len(x) or not k:
        return np.empty(0, np.int64)
    zero = np.zeros(x.shape[1])
    scale = to_unit(x)
    norm = (scale > 0).astype(np.float64)
    terms = Terms(x, zero, scale, norm, relevance * relevant, gain=1 - relevance, drop=0.0)
    start = np.array([relevant.argmax()] if not len(labelled) else [], np.int64)
    return spread(terms, min(k, len(x)), start, moved(labelled, zero, to_unit(labelled))).positions


def _from_0_to_1(score: F32) -> F64:
    """Shift and scale to the range from 0 to 1; all 0 where there is no difference."""
    wide = score.astype(np.float64)
    low, high = wide.min(initial=np.inf), wide.max(initial=-np.inf)
    return np.asarray((wide - low) / (high - low), np.float64) if high > low else np.zeros(len(wide))
