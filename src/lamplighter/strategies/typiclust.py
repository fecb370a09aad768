"""TypiClust: with few labels, ask about the most typical row of every cluster not yet labelled."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32, F64, I32, I64
from lamplighter.strategies.base import Block, Choice, Context, Lane, Output, Shortlist, Strategy, require
from lamplighter.strategies.clusters import Centres, k_means
from lamplighter.strategies.geometry import comparable

#: Rows of the shortlist for each row of the batch, at least.
_OVERSAMPLE = 10
#: Rows whose distances to all others are in memory at a time.
_BLOCK = 256
#: Squared distances below this share of the squared norms are the rounding of float64: zero.
_ROUNDING = 1e-13


@dataclass(frozen=True)
class TypiClust(Strategy):
    """Ask about rows that are typical of a cluster which no label covers yet; for the first few rounds.

    While there are few labels, rows that stand for many others teach more than uncertain ones. Every row
    draws u in (0, 1), keyed by (seed, round, row id); the largest are a simple random sample of the pool.
    The sample and the l labelled rows are clustered together by k-means with l + k centres. Then, one row
    after the other: of the clusters with the fewest labelled and picked rows, the one with most rows of
    the sample gives its row of highest typicality not yet picked::

        typicality = 1 / mean distance to the nearest `neighbours` rows of the cluster

    Clusters of less than `smallest` rows give none until all others are empty. When every cluster is
    covered, those with the fewest go on.

    O(n) time in the scan, no model needed; then O(m K D) a pass for m rows in the sample and K clusters,
    and O(m^2 D / K) for typicality where clusters are alike in size. Memory: a few copies of the m + l
    rows. Hacohen, Dekel and Weinshall 2022, Active learning on a budget: opposite strategies suit high and
    low budgets, doi:10.48550/arXiv.2202.02794.

    Attributes
    ----------
    sample
        Rows to choose from; 10 for each row of the batch where that is more.
    clusters
        The most clusters.
    neighbours
        Nearest rows of the same cluster that make a row typical. The paper takes 20; with the small
        clusters of later rounds 5 gave better curves on letter, and no others on page_blocks.
    smallest
        Rows of the sample below which a cluster is taken for noise. The paper takes 5, which loses rare
        classes: the default takes none for noise.
    passes
        The most passes of k-means.
    """

    sample: int = 10_000
    clusters: int = 500
    neighbours: int = 5
    smallest: int = 1
    passes: int = 10

    requires = frozenset({Output.EMBEDDING})

    def __post_init__(self) -> None:
        for name in ("sample", "clusters", "neighbours", "smallest", "passes"):
            value = getattr(self, name)
            require(value >= 1, f"{name} is {value!r}; allowed: 1 and more")

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Keep a simple random sample of the pool."""
        return (Lane(max(self.sample, _OVERSAMPLE * context.k)),)

    def score(self, block: Block) -> F32:
        """Give the keyed draws: (n,) float32 in [0, 1]."""
        return block.uniform("typiclust").astype(np.float32)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, m) rows, one cluster after the other.

        Records the cluster of each pick, how many clusters have rows of the sample, and how many of those
        have neither a label nor a pick.
        """
        if not len(shortlist):
            return Choice(np.empty(0, np.int64), columns={"cluster": np.empty(0, np.int32)})
        x, labelled = comparable(context, shortlist.embedding, context.labelled)
        centres = self._centres(np.concatenate([x, labelled]), len(labelled), context)
        cluster = centres.nearest(x)[0]
        covered = np.bincount(centres.nearest(labelled)[0], minlength=len(centres))
        picked = most_typical(
            x, cluster, covered, k=context.k, neighbours=self.neighbours, small=self.smallest
        )
        filled = np.bincount(cluster, minlength=len(centres)) > 0
        covered += np.bincount(cluster[picked], minlength=len(centres))
        facts = {"clusters": int(filled.sum()), "uncovered": int((filled & (covered == 0)).sum())}
        return Choice(picked, columns={"cluster": cluster[picked]}, facts=facts)

    def _centres(self, rows: F32, labelled: int, context: Context) -> Centres:
        wanted = min(self.clusters, labelled + context.k)
        return k_means(rows, wanted, context.generator("typiclust"), passes=self.passes)


def crowding(x: F32, neighbours: int) -> F64:
    """Give the mean distance of each row to its nearest others: typicality is 1 over it.

    O(n^2 D) time, some hundred times n floats of memory.

    Parameters
    ----------
    x
        (n, D) float32.
    neighbours
        How many others count, at least 1; all n - 1 where there are fewer.

    Returns
    -------
    (n,) float64; 0 for a row that has no others.
    """
    near = min(neighbours, len(x) - 1)
    if near < 1:
        return np.zeros(len(x))
    rows = x.astype(np.float64)
    rows -= rows.mean(axis=0)
    squares = np.square(rows).sum(axis=1)
    mean = np.empty(len(x))
    for start in range(0, len(x), _BLOCK):
        own = slice(start, start + _BLOCK)
        norms = squares[own, None] + squares
        squared = norms - 2 * (rows[own] @ rows.T)
        squared[squared <= _ROUNDING * norms] = 0
        np.fill_diagonal(squared[:, own], np.inf)
        mean[own] = np.sqrt(np.sort(np.partition(squared, near - 1, axis=1)[:, :near])).mean(axis=1)
    return mean


def most_typical(x: F32, cluster: I32, labelled: I64, *, k: int, neighbours: int, small: int) -> I64:
    """Take the most typical row of one cluster after the other.

    The next cluster is the one with the fewest labelled and picked rows; of those the one with most
    rows, then the smaller number. Clusters of less than `small` rows come after all others are empty.

    O(sum over visited clusters of n_c^2 D + k log K) time.

    Parameters
    ----------
    x
        (m, D) float32 features of the candidates.
    cluster
        (m,) int32 cluster of each, 0 to K - 1.
    labelled
        (K,) labelled rows in each cluster.
    k
        Rows wanted.
    neighbours
        Nearest rows of the same cluster that make a row typical.
    small
        Rows below which a cluster is not trusted.

    Returns
    -------
    (min(k, m),) int64 distinct positions, in the order picked.
    """
    members = np.split(
        np.argsort(cluster, kind="stable"), np.cumsum(np.bincount(cluster, minlength=len(labelled)))[:-1]
    )
    queue = [
        (len(rows) < small, int(labelled[c]), -len(rows), c) for c, rows in enumerate(members) if len(rows)
    ]
    heapq.heapify(queue)
    waiting: dict[int, list[int]] = {}
    picked: list[int] = []
    while queue and len(picked) < k:
        little, covered, size, c = heapq.heappop(queue)
        if c not in waiting:
            rows = members[c]
            # The least typical first, since the last is taken.
            waiting[c] = rows[np.lexsort((rows, crowding(x[rows], neighbours)))][::-1].tolist()
        picked.append(waiting[c].pop())
        if waiting[c]:
            heapq.heappush(queue, (little, covered + 1, size, c))
    return np.array(picked, np.int64)
