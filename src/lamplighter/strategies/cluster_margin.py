"""Cluster-Margin: large batches of uncertain rows, spread over clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32, I32, I64
from lamplighter.strategies.base import Block, Choice, Context, Output, Shortlist, Strategy, require
from lamplighter.strategies.clusters import k_means, turns
from lamplighter.strategies.geometry import comparable
from lamplighter.strategies.uncertainty import margin

#: The most clusters, unless told: a million rows find the nearest of as many in half a minute.
_MOST = 10_000

#: Rows of the sample that the centres are made from: for each centre, and at least.
_EACH, _LEAST = 16, 20_000

#: Passes of k-means over the sample.
_PASSES = 5


@dataclass(frozen=True)
class ClusterMargin(Strategy):
    """Cluster the most uncertain rows and take some from every cluster, small clusters first.

    The shortlist holds the oversample * k rows with the largest score 1 - (p1 - p2) (the margin). Its
    features are clustered, and the clusters are visited in turns, by (rows in the shortlist, best row):
    each visit takes the row with the largest score left, and a cluster without rows is passed over. So no
    cluster gives two rows before every cluster has given one, and rows of dense regions, of which
    uncertainty alone would take many alike, have to wait.

    The paper clusters the pool once, hierarchically, in O(n^2). Here k-means (on a random sample of the
    shortlist, 16 rows for each centre and at least 20,000; the rest go to the nearest centre) clusters
    each round's shortlist. There are as many clusters as rows wanted: fewer let like rows in, and with
    more only the smallest clusters, the outliers, would ever be visited.

    O(nC) time in the scan; then O(m K D) for m rows in the shortlist and K clusters. Memory: a sample
    and its copies, a panel of 512 x K distances, nothing that grows with m * K. Citovsky et al. 2021,
    Batch active learning at scale, doi:10.48550/arXiv.2107.14263.

    Attributes
    ----------
    oversample
        Rows in the shortlist for each row of the batch.
    clusters
        K; None for the size of the batch, at most 10,000.
    """

    oversample: int = 10
    clusters: int | None = None

    requires = frozenset({Output.PROBA, Output.EMBEDDING})

    def __post_init__(self) -> None:
        require(self.oversample >= 1, lambda: f"oversample is {self.oversample!r}; allowed: 1 and more")
        require(
            self.clusters is None or self.clusters >= 1,
            lambda: f"clusters is {self.clusters!r}; allowed: 1 and more, or none to follow the batch",
        )

    def score(self, block: Block) -> F32:
        """Give 1 - (p1 - p2): (n,) float32."""
        return margin(block.proba)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, m) rows, in the order in which the clusters are visited.

        Records the cluster of each pick (-1 if the batch takes all rows), how many clusters the
        shortlist has and how many of them the batch.
        """
        m = len(shortlist)
        if context.k >= m:
            return Choice(np.arange(m, dtype=np.int64), columns={"cluster": np.full(m, -1, np.int32)})
        cluster = self._clusters(shortlist, context)
        picked = round_robin(cluster, context.k)
        facts = {"clusters": len(np.unique(cluster)), "clusters_in_batch": len(np.unique(cluster[picked]))}
        return Choice(picked, columns={"cluster": cluster[picked]}, facts=facts)

    def _clusters(self, shortlist: Shortlist, context: Context) -> I32:
        """Give the cluster of every row of the shortlist: (m,) int32."""
        (x,) = comparable(context, shortlist.embedding)
        wanted = self.clusters or min(context.k, _MOST)
        generator = context.generator("cluster_margin")
        size = max(_LEAST, _EACH * wanted)
        sample = x if len(x) <= size else x[np.sort(generator.choice(len(x), size, replace=False))]
        return k_means(sample, wanted, generator, passes=_PASSES).nearest(x)[0]


def round_robin(cluster: I32, k: int) -> I64:
    """Visit the clusters in turns, the smallest first, and take the first row left of each.

    Clusters are ordered by (rows, first row). A cluster without rows left is passed over, so no two
    picks share a cluster before every cluster has given one.

    O(m log m) time.

    Parameters
    ----------
    cluster
        (m,) int32 cluster of each row, rows in the order in which they are wanted.
    k
        Rows wanted.

    Returns
    -------
    (min(k, m),) int64 distinct positions, in the order visited.
    """
    _numbers, first, number, size = np.unique(
        cluster, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first[number], size[number], turns(cluster)))
    return np.asarray(order[:k], np.int64)
