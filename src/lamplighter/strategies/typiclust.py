"""TypiClust: with few labels, ask about the most typical row of every cluster not yet labelled."""

from __future__ import annotations

import heapq

import numpy as np

from lamplighter.arrays import F32, F64, I32, I64

#: Rows whose distances to all others are in memory at a time.
_BLOCK = 256
#: Squared distances below this share of the squared norms are the rounding of float64: zero.
_ROUNDING = 1e-13


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
