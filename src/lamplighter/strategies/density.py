"""Information density: ask where the model is unsure among many rows, rather than about an outlier."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from lamplighter.arrays import F32, F64
from lamplighter.errors import ConfigError
from lamplighter.strategies._doubt import doubt, made_of, require_doubt
from lamplighter.strategies.base import Block, Context, MeanDirection, Output, Strategy, require
from lamplighter.strategies.geometry import LARGE, SMALL, row_products

_NONE = "none"


@dataclass(frozen=True)
class InformationDensity(Strategy):
    """Ask where an uncertain row has many others in its direction.

    With u the uncertainty of a row x, and the mean over the n - 1 other rows v of the pool::

        density   = (1 + mean cos(x, v)) / 2,      from 0 to 1
        mean cos  = (n x^ . mu - 1) / (n - 1),     x^ = x / |x|,     mu = mean of v / |v| over all n rows
        score     = u * density ** beta

    A mean of cosines takes n comparisons a row; the right side of the second line is equal to it, since
    cosines are linear in directions, and takes one. So the density of every row is exact, with no neighbours
    searched and no sample drawn, for one extra pass over the pool. Only rows that are finite count; a row of
    zeros has the cosine 0 with all others.

    It suits embeddings, whose angles mean something and which share a direction. A table has columns with
    units and an arbitrary zero: dividing by deviations leaves that zero, and moving it to the mean leaves
    rows that point nowhere on average. Such campaigns are refused.

    O(nD) time for the extra pass, O(nD) and the time of u in the scan; D floats of memory. Settles and
    Craven 2008, "An analysis of active learning strategies for sequence labeling tasks",
    doi:10.3115/1613715.1613855, whose mean has the row itself in it.

    Attributes
    ----------
    uncertainty
        What u is: "least_confidence", "entropy", "margin" (which is near 1 on many rows of an early
        model, so that the density alone decides); of a committee "vote_entropy",
        "soft_vote_entropy", "consensus_kl", "max_disagreement"; or "none" for 1, which needs no model.
    beta
        How much the density counts, at least 0, which leaves the uncertainty alone. The paper takes 1;
        0.5 gave a better curve on the one embedding where both were tried (reuters_r8: 0.006 +- 0.002
        more macro F1 in the mean over a curve, 20 seeds), and level ones on vectors of the standardised
        columns of three tables (letter, satimage, page_blocks).
    """

    uncertainty: str = "least_confidence"
    beta: float = 0.5
    mean: tuple[float, ...] = field(default=(), init=False, repr=False)
    rows: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        require_doubt(self.uncertainty, _NONE)
        within = 0 <= self.beta < np.inf
        require(within, f"beta is {self.beta!r}; allowed: finite numbers from 0, 1 is usual")

    embedding_only = True

    @property
    def requires(self) -> frozenset[Output]:
        """The features, and what the uncertainty is made of."""
        if self.uncertainty == _NONE:
            return frozenset({Output.EMBEDDING})
        return frozenset({Output.EMBEDDING, made_of(self.uncertainty)})

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
        # Probabilities add up to 1 within rounding, so a margin may come out a little below 0.
        found = doubt(self.uncertainty, block)
        return np.maximum(found, np.float32(0), out=found)


def density(x: F32, pool: MeanDirection) -> F64:
    """Give (1 + mean cosine with all other rows) / 2 of rows of a pool: (n,) float64 from 0 to 1.

    Row-wise: the block that a row comes in changes no bit. O(nD) time.

    Parameters
    ----------
    x
        (n, D) float32.
    pool
        The mean direction of the pool, and its number of rows.
    """
    x = np.ascontiguousarray(x)
    with np.errstate(all="ignore"):  # the rows that overflow are done again
        squares: F32 = row_products(x, x)
        products: F32 = row_products(x, pool.mean.astype(np.float32))
        means: F64 = products / np.sqrt(squares, dtype=np.float64)
        _without_itself(means, pool.rows)
    spoilt = np.flatnonzero(~((squares > SMALL) & (squares < LARGE)))
    if len(spoilt):
        means[spoilt] = _wide(x[spoilt].astype(np.float64), pool)
    means += 1
    means /= 2
    return np.clip(means, 0, 1, out=means)


def _wide(x: F64, pool: MeanDirection) -> F64:
    """Give the mean cosine with all other rows in float64; 0 for rows of zeros."""
    norm = np.sqrt(row_products(x, x))
    means: F64 = row_products(x, pool.mean) / np.where(norm > 0, norm, 1)
    _without_itself(means, pool.rows)
    means[norm == 0] = 0
    return means


def _without_itself(means: F64, rows: int) -> None:
    """Turn means over all rows into means over all others; a row has the cosine 1 with itself."""
    means *= rows
    means -= 1
    means /= max(rows - 1, 1)
