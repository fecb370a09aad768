"""Representatives of clusters, from the whole pool rather than from a sample of it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from lamplighter.arrays import F32, I64
from lamplighter.errors import ConfigError
from lamplighter.strategies.base import (
    Block,
    Choice,
    Context,
    Lane,
    Output,
    Ranked,
    Shortlist,
    Strategy,
    require,
)
from lamplighter.strategies.clusters import Centres, k_means, turns
from lamplighter.strategies.geometry import column_weights

#: Rows of the sample for each centre, at least.
_EACH = 10


@dataclass(frozen=True)
class ClusterRepresentatives(Strategy):
    """Cluster a sample of the pool, and ask about the rows of the whole pool nearest to the centres.

    Before the scan, k-means with k centres clusters a simple random sample of the pool. The scan gives
    every row its nearest centre c and::

        score = -|x - c|

    and keeps the exact best rows of each centre. The batch takes the best row of every cluster, the
    largest cluster first, then the second best of every cluster, and so on. A random sample that the same
    scan draws fills the batch where clusters have not enough rows (few distinct rows, or most of a cluster
    labelled already); the record says so.

    One sample of the pool, then O(n K D) time in the scan for K centres and no model. Memory: the sample
    and two copies of it; on a worker a panel of 512 x K distances and the best rows of K clusters.
    Clusters before labels: Nguyen and Smeulders 2004, doi:10.1145/1015330.1015349; representative rows:
    Xu et al. 2003, doi:10.1007/3-540-36618-0_28.

    Attributes
    ----------
    sample
        Rows to cluster; 10 for each centre where that is more.
    clusters
        The most clusters, whatever the batch: they are what the scan's time grows with.
    passes
        The most passes of k-means over the sample.
    """

    sample: int = 50_000
    clusters: int = 5_000
    passes: int = 10
    centres: Centres | None = field(default=None, init=False, repr=False)
    groups: int = field(default=0, init=False, repr=False)

    requires = frozenset({Output.EMBEDDING})
    carries = frozenset[Output]()

    def __post_init__(self) -> None:
        for name in ("sample", "clusters", "passes"):
            value = getattr(self, name)
            require(value >= 1, f"{name} is {value!r}; allowed: 1 and more")

    def prepare(self, context: Context) -> Self:
        """Give the strategy with centres for this round.

        Raises
        ------
        ConfigError
            The context has no survey of the pool.
        """
        if context.survey is None:
            raise ConfigError(
                "cluster_representatives clusters a sample of the pool, but the context has no survey of "
                "it; give one, or use 'representative', which clusters rows of the shortlist"
            )
        wanted = self._groups(context.k)
        sample = context.survey.sample(max(self.sample, _EACH * wanted))
        ready = copy(self)
        object.__setattr__(ready, "centres", self._centres(sample, wanted, context))
        object.__setattr__(ready, "groups", wanted)
        return ready

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Keep the best rows of each cluster, twice what it has to give and 2 more, and k random rows."""
        k, groups = context.k, self._groups(context.k)
        return Lane(2 * -(-k // groups) + 2, groups), Lane(k)

    def score(self, block: Block) -> F32:
        """Give the distance to the nearest centre, negative: (n,) float32."""
        return self.rank(block)[0].score

    def rank(self, block: Block) -> tuple[Ranked, Ranked]:
        """Rank rows by distance among those of their centre, and by keyed draws.

        Raises
        ------
        ConfigError
            The strategy is not prepared.
        """
        if self.centres is None:
            raise ConfigError(
                "cluster_representatives has no centres; call prepare, and score with its result"
            )
        group, squared = self.centres.nearest(block.embedding)
        draws = block.uniform("cluster_representatives").astype(np.float32)
        return Ranked(-np.sqrt(squared), group if self.groups > 1 else None), Ranked(draws)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, rows) rows: of every cluster in turn, then random ones.

        Records the number of the cluster of each pick, largest first, and -1 for a random row; how many
        clusters the batch has; and how many random rows.
        """
        filler = self._groups(context.at_scan().k)
        lane = shortlist.lane
        ranked = np.flatnonzero(lane < filler)
        ranked = ranked[np.lexsort((lane[ranked], turns(lane[ranked])))]
        picked = _distinct(shortlist, np.concatenate([ranked, shortlist.on(filler)]))[: context.k]
        cluster = np.where(lane[picked] < filler, lane[picked], -1).astype(np.int32)
        random = int(np.count_nonzero(cluster < 0))
        facts = {"clusters_in_batch": len(np.unique(cluster[cluster >= 0])), "random_rows": random}
        notices = (f"clusters gave {len(picked) - random} of {len(picked)} rows, the others are random",)
        return Choice(picked, {"cluster": cluster}, facts, notices if random else ())

    def _groups(self, k: int) -> int:
        return min(k, self.clusters)

    def _centres(self, sample: F32, wanted: int, context: Context) -> Centres:
        if not len(sample):  # no row to cluster, nor any to score
            return Centres.at(np.zeros((1, sample.shape[1]), np.float32))
        generator = context.generator("cluster_representatives")
        weights = column_weights(context, sample)
        return k_means(sample, wanted, generator, passes=self.passes, weights=weights)


def _distinct(shortlist: Shortlist, positions: I64) -> I64:
    """Leave out rows that have come before, from another list."""
    _, first = np.unique(shortlist.row_numbers()[positions], return_index=True)
    return positions[np.sort(first)]
