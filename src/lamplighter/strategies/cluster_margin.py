"""Cluster-Margin: large batches of uncertain rows, spread over clusters."""

from __future__ import annotations

import numpy as np

from lamplighter.arrays import I32, I64
from lamplighter.strategies.clusters import turns


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
