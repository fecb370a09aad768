"""Novelty: ask about rows that lie far from every labelled one."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from lamplighter.arrays import F32
from lamplighter.errors import ConfigError
from lamplighter.strategies.base import Block, Choice, Context, Output, Shortlist, Strategy, require
from lamplighter.strategies.clusters import Centres, k_means
from lamplighter.strategies.geometry import column_weights

#: Rows of the pool that tell the deviations of a table's columns.
_SAMPLE = 10_000
_LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True)
class Novel(Strategy):
    """Ask about the rows farthest from all labelled rows.

    score = min over labelled rows v of |x - v|, Euclidean, as k_center measures it: it covers what no label
    tells about, whatever the model thinks of it. It finds outliers as readily as new classes, and near
    copies of one of them together, so it is for a share of a batch (`mix`) rather than for all of it.

    Exact for at most `centres` labelled rows. More of them are clustered (k-means with that many
    centres), and the score is the distance to the nearest centre: it differs from the exact one by at most
    the largest distance of a labelled row to its centre.

    In an embedding, distances are those of the vectors as they are; normalise them where only angles
    count. Columns of a table are divided by their deviations over a random sample of 10,000 rows of the
    pool, drawn in an extra pass; the labelled rows themselves may not know how a column varies. Columns
    constant over the sample count for nothing. Without any labelled row, the batch is a simple random
    sample, and the record says so. It needs no model.

    O(n K D) time in the scan with K = min(labelled rows, centres), O(l K D) before it for each of ten passes
    over l labelled rows, if they are more than K. Memory: two copies of the labelled rows on the driver,
    512 K floats on a worker. Distance to what is known as novelty: Knorr, Ng and Tucakov 2000,
    doi:10.1007/s007780050006; as a query rule, the first pick of the farthest-first traversal: Sener and
    Savarese 2018, doi:10.48550/arXiv.1708.00489.

    Attributes
    ----------
    centres
        The most rows, or centres of clusters, that each row of the pool is compared with.
    """

    centres: int = 128
    known: Centres | None = field(default=None, init=False, repr=False)
    ready: bool = field(default=False, init=False, repr=False)

    requires = frozenset({Output.EMBEDDING})

    def __post_init__(self) -> None:
        require(self.centres >= 1, lambda: f"centres is {self.centres!r}; allowed: 1 and more")

    def prepare(self, context: Context) -> Self:
        """Give the strategy with the labelled rows, or the centres of their clusters.

        Raises
        ------
        ConfigError
            The features are columns of a table, and the context has no survey of the pool.
        """
        ready = copy(self)
        object.__setattr__(ready, "ready", True)
        if len(context.labelled):
            object.__setattr__(ready, "known", self._known(context))
        return ready

    def score(self, block: Block) -> F32:
        """Give the distance to what is labelled: (n,) float32, never negative; or keyed draws, if nothing is.

        Raises
        ------
        ConfigError
            The strategy is not prepared.
        """
        require(self.ready, "novel knows no labelled rows; call prepare, and score with its result")
        if self.known is None:
            return block.uniform("novel").astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            squared = self.known.nearest(block.embedding)[1]
        # Features near the end of float32 have squares beyond it; such rows are far from all others.
        return np.fmin(np.sqrt(squared), _LARGEST)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick the first min(k, rows) of the shortlist; record how many rows were labelled."""
        first = super().choose(shortlist, context).positions
        labelled = len(context.labels)
        nothing = ("no row is labelled yet, so none is novel: the batch is a random sample",)
        return Choice(first, facts={"labelled_rows": labelled}, notices=() if labelled else nothing)

    def _known(self, context: Context) -> Centres:
        rows = np.ascontiguousarray(context.labelled)
        weights = self._weights(context, rows)
        if len(rows) > self.centres:
            return k_means(rows, self.centres, context.generator("novel"), weights=weights)
        origin = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        return Centres(origin, weights, (rows - origin) * weights, np.ones(len(rows), np.int64))

    def _weights(self, context: Context, rows: F32) -> F32:
        if context.embedding:
            return column_weights(context, rows)
        if context.survey is None:
            raise ConfigError(
                "novel scales the columns of a table by their deviations over a sample of the pool, but the "
                "context has no survey of it; give one, or store the features as one vector"
            )
        return column_weights(context, context.survey.sample(_SAMPLE))
