"""Information density: ask where the model is unsure among many rows, rather than about an outlier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from lamplighter.arrays import F32, F64
from lamplighter.errors import ConfigError, unknown
from lamplighter.strategies.base import Block, Context, MeanDirection, Output, Strategy, require
from lamplighter.strategies.committee import (
    consensus_kl,
    max_disagreement,
    soft_vote_entropy,
    vote_entropy,
)
from lamplighter.strategies.uncertainty import entropy, least_confidence, margin

_OF_PROBA: Mapping[str, Callable[[F32], F32]] = {
    "entropy": entropy,
    "least_confidence": least_confidence,
    "margin": margin,
}
_OF_COMMITTEE: Mapping[str, Callable[[F32], F32]] = {
    "consensus_kl": consensus_kl,
    "max_disagreement": max_disagreement,
    "soft_vote_entropy": soft_vote_entropy,
    "vote_entropy": vote_entropy,
}
_NONE = "none"

#: Between these, a sum of squares in float32 neither overflows nor loses digits.
_SMALL, _LARGE = 1e-24, 1e36


@dataclass(frozen=True)
class InformationDensity(Strategy):
    """Ask where an uncertain row has many others in its direction.

    With u the uncertainty of a row x, and the mean over the n - 1 other rows v of the pool::

        density = max(mean cos(x, v), 0) = max(n x^ . mu - 1, 0) / (n - 1)
        score   = u * density ** beta,     x^ = x / |x|,     mu = mean of v / |v| over all n rows

    The left mean takes n comparisons a row; the right side is equal to it, since cosines are linear in
    directions, and takes one. So the density of every row is exact, with no neighbours searched and no
    sample drawn, for one extra pass over the pool. Only rows that are finite count; a row of zeros has the
    cosine 0 with all others.

    It suits embeddings, whose angles mean something and which share a direction. A table has columns with
    units and an arbitrary zero: dividing by deviations leaves that zero, and moving it to the mean leaves
    rows that point nowhere on average. Such campaigns are refused.

    O(nD) time for the extra pass, O(nD) and the time of u in the scan; D floats of memory. Settles and
    Craven 2008, "An analysis of active learning strategies for sequence labeling tasks",
    doi:10.3115/1613715.1613855, whose mean has the row itself in it.

    Attributes
    ----------
    uncertainty
        What u is: "entropy", "margin", "least_confidence"; of a committee "vote_entropy",
        "soft_vote_entropy", "consensus_kl", "max_disagreement"; or "none" for 1, which needs no model.
    beta
        How much the density counts, at least 0, which leaves the uncertainty alone.
    """

    uncertainty: str = "entropy"
    beta: float = 1.0
    mean: tuple[float, ...] = field(default=(), init=False, repr=False)
    rows: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        known = [*_OF_PROBA, *_OF_COMMITTEE, _NONE]
        require(self.uncertainty in known, lambda: unknown("uncertainty", self.uncertainty, known))
        within = 0 <= self.beta < np.inf
        require(within, f"beta is {self.beta!r}; allowed: finite numbers from 0, 1 is usual")

    @property
    def requires(self) -> frozenset[Output]:
        """The features, and what the uncertainty is made of."""
        if self.uncertainty == _NONE:
            return frozenset({Output.EMBEDDING})
        made_of = Output.PROBA if self.uncertainty in _OF_PROBA else Output.COMMITTEE
        return frozenset({Output.EMBEDDING, made_of})

    def prepare(self, context: Context) -> Self:
        """Give the strategy with the mean direction of the pool.

        Raises
        ------
        ConfigError
            The features are columns of a table, or the context has no survey of the pool.
        """
        require(
            context.embedding,
            "information_density compares directions, but the features are columns of a table, whose zero "
            "and units are arbitrary; use cluster_representatives or cluster_margin, which scale columns, or "
            "store an embedding in one vector column",
        )
        if context.survey is None:
            raise ConfigError(
                "information_density needs the mean direction of the pool, but the context has no survey of "
                "it; give one"
            )
        found, ready = context.survey.mean_direction(), copy(self)
        object.__setattr__(ready, "mean", tuple(found.mean.tolist()))
        object.__setattr__(ready, "rows", found.rows)
        return ready

    def score(self, block: Block) -> F32:
        """Give u * density ** beta: (n,) float32, never negative.

        Raises
        ------
        ConfigError
            The strategy is not prepared.
        """
        require(
            bool(self.mean),
            "information_density knows no mean direction; call prepare, and score with its result",
        )
        scores = density(block.embedding, MeanDirection(np.array(self.mean), self.rows))
        if self.beta != 1:
            np.power(scores, self.beta, out=scores)
        if self.uncertainty != _NONE:
            scores *= self._uncertainty(block)
        return scores.astype(np.float32)

    def _uncertainty(self, block: Block) -> F32:
        if self.uncertainty in _OF_PROBA:
            found = _OF_PROBA[self.uncertainty](block.proba)
        else:
            found = _OF_COMMITTEE[self.uncertainty](block.outputs[Output.COMMITTEE])
        # Probabilities add up to 1 within rounding, so a margin may come out a little below 0.
        return np.maximum(found, np.float32(0), out=found)


def density(x: F32, pool: MeanDirection) -> F64:
    """Give the mean cosine of rows of a pool with all its other rows, 0 where it is negative.

    Row-wise: the block that a row comes in changes no bit. O(nD) time.

    Parameters
    ----------
    x
        (n, D) float32.
    pool
        The mean direction of the pool, and its number of rows.
    """
    means = _cosine(np.ascontiguousarray(x), pool.mean)
    means *= pool.rows
    means -= 1  # the row itself
    means /= max(pool.rows - 1, 1)
    return np.maximum(means, 0, out=means)


def _cosine(x: F32, mean: F64) -> F64:
    """Give x . mean / |x| of C-contiguous rows: (n,) float64, 0 for rows of zeros."""
    with np.errstate(all="ignore"):  # the rows that overflow are done again
        squares: F32 = np.einsum("ij,ij->i", x, x)
        products: F32 = np.einsum("ij,j->i", x, mean.astype(np.float32))
        cosine: F64 = products / np.sqrt(squares, dtype=np.float64)
    spoilt = np.flatnonzero(~((squares > _SMALL) & (squares < _LARGE)))
    if len(spoilt):
        cosine[spoilt] = _wide_cosine(x[spoilt].astype(np.float64), mean)
    return cosine


def _wide_cosine(x: F64, mean: F64) -> F64:
    norm = np.sqrt(np.einsum("ij,ij->i", x, x))
    cosine: F64 = np.einsum("ij,j->i", x, mean) / np.where(norm > 0, norm, 1)
    return cosine
