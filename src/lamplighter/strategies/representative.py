"""Cold start: with no model yet, ask about rows that stand for many others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32, F64, I64
from lamplighter.strategies.base import Block, Choice, Context, Output, Shortlist, Strategy, require
from lamplighter.strategies.geometry import standardised


@dataclass(frozen=True)
class Representative(Strategy):
    """Cluster a random sample of the pool and ask about the row nearest to each centre.

    Every row draws u in (0, 1), keyed by (seed, round, row id); the shortlist of the largest is a
    simple random sample of 20k rows. `choose` standardises its features, runs mini-batch k-means with
    k clusters and takes from each cluster the row nearest to the centre, largest cluster first; picks
    are distinct since clusters are. Clusters left without rows are replaced by random rows.

    The scan costs O(n) time, each pass of the clustering O(sample * k * D). Memory: a few
    copies of the sample's features, whatever the size of the pool. Sculley 2010,
    doi:10.1145/1772690.1772862; clusters before labels: Nguyen and Smeulders 2004,
    doi:10.1145/1015330.1015349.

    Attributes
    ----------
    sample
        The most rows to cluster; a batch larger than that is clustered whole.
    passes
        The most passes of k-means over the sample.
    """

    requires = frozenset({Output.EMBEDDING})
    oversample = 20

    sample: int = 50_000
    passes: int = 10

    def __post_init__(self) -> None:
        require(self.sample >= 1, lambda: f"sample is {self.sample!r}; allowed: 1 and more rows")
        require(self.passes >= 1, lambda: f"passes is {self.passes!r}; allowed: 1 and more")

    def score(self, block: Block) -> F32:
        """Give the keyed draws: (n,) float32 in [0, 1]."""
        return block.uniform("representative").astype(np.float32)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, m) rows of the shortlist, the one that stands for most others first."""
        k = context.k
        rows = min(len(shortlist), max(k, self.sample))
        if k >= rows:
            return Choice(np.arange(rows, dtype=np.int64))
        x = standardised(shortlist.embedding[:rows])
        seed = int(context.generator("choose").integers(2**31))
        picked = _nearest_to_centres(x, k, self.passes, seed)
        rest = np.setdiff1d(np.arange(rows, dtype=np.int64), picked)
        return Choice(np.concatenate([picked, rest[: k - len(picked)]]))


def _nearest_to_centres(x: F32, k: int, passes: int, seed: int) -> I64:
    """Give one row per cluster that has any, by (size of the cluster descending, position)."""
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415 - slow to import; workers never cluster

    fitted = MiniBatchKMeans(
        k,
        max_iter=passes,
        n_init=1,
        batch_size=max(1024, 4 * k),
        # k-means++ over a few rows per centre: over all of them it would cost more than the clustering.
        init_size=min(len(x), 3 * k),
        random_state=seed,
    )
    cluster = fitted.fit_predict(x)
    distance = _squared_distance(x, fitted.cluster_centers_[cluster])
    order = np.lexsort((np.arange(len(x)), distance, cluster))
    leads = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    picked, size = order[leads], np.diff(leads, append=len(x))
    return np.asarray(picked[np.lexsort((picked, -size))], dtype=np.int64)


def _squared_distance(x: F32, centres: F32) -> F64:
    """Give |x_i - c_i|^2 of paired rows: (n,) float64, one column at a time to keep memory flat."""
    total = np.zeros(len(x))
    for column in range(x.shape[1]):
        total += np.square(x[:, column].astype(np.float64) - centres[:, column])
    return total
