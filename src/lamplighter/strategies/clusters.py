"""k-means on rows of features: the same centres and the same assignment however the rows are cut.

Products with the centres are made in panels of one shape, padded with rows of zeros, since the last
bits of a matrix product depend on its shape. No step uses threads of its own or an order of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lamplighter.arrays import F32, F64, I32, I64

#: Rows of one product with the centres.
PANEL = 512
#: Squared distances below this share of the squared norms are the rounding of float32: zero.
ROUNDING = 4e-6
#: The largest number: infinite centres would have no distances.
_LARGEST = np.finfo(np.float32).max
#: Centres are drawn one by one up to this many, then in as many rounds.
_ROUNDS = 32


@dataclass(frozen=True, eq=False)
class Centres:
    """Centres of clusters, the largest cluster first.

    Two are equal if all their arrays are, bit for bit.

    Attributes
    ----------
    origin
        (D,) float32 subtracted from rows before all else: far from 0, float32 cannot tell near rows.
    weights
        (D,) float32 that every column is then multiplied by.
    points
        (K, D) float32 centres, the origin subtracted, weighted.
    size
        (K,) how many rows of the sample belong to each, never 0, descending.
    """

    origin: F32
    weights: F32
    points: F32
    size: I64

    @classmethod
    def at(cls, points: F32) -> Centres:
        """Make centres of rows as they are, of one row each."""
        width = points.shape[1]
        return cls(
            np.zeros(width, np.float32), np.ones(width, np.float32), points, np.ones(len(points), np.int64)
        )

    def __len__(self) -> int:
        return len(self.points)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Centres):
            return NotImplemented
        return self._bytes() == other._bytes()

    def __hash__(self) -> int:
        return hash(self._bytes())

    def _bytes(self) -> tuple[bytes, ...]:
        return tuple(array.tobytes() for array in (self.origin, self.weights, self.points, self.size))

    def nearest(self, x: F32) -> tuple[I32, F32]:
        """Give each row's nearest centre and the squared distance to it.

        Row-wise: the block a row comes in changes no bit. Of equally near centres the first wins.
        O(n K D) time, PANEL * (K + D) floats of memory beside the result.

        Parameters
        ----------
        x
            (n, D) float32, K >= 1 centres.

        Returns
        -------
        (n,) int32 positions of centres and (n,) float32 squared distances.
        """
        group, distance = np.empty(len(x), np.int32), np.empty(len(x), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # beyond 1e19, squares are infinitely far
            for rows, panel in self._panels(x):
                held = rows.stop - rows.start
                near = np.matmul(panel, self._matrix).argmax(axis=1)
                panel[:, :-1] -= self.points[near]
                group[rows] = near[:held]
                distance[rows] = np.einsum("ij,ij->i", panel[:, :-1], panel[:, :-1])[:held]
        return group, distance

    def _panels(self, x: F32) -> Iterator[tuple[slice, F32]]:
        """Give [(x - origin) * weights, 1] in panels of PANEL rows, in one buffer that is used again."""
        panel = np.zeros((PANEL, len(self.origin) + 1), np.float32)
        for start in range(0, len(x), PANEL):
            rows = slice(start, min(start + PANEL, len(x)))
            held = rows.stop - start
            np.subtract(x[rows], self.origin, out=panel[:held, :-1])
            panel[:held, :-1] *= self.weights
            panel[held:, :-1] = 0
            panel[:, -1] = 1
            yield rows, panel

    @cached_property
    def _matrix(self) -> F32:
        """Give (D + 1, K): [x, 1] times it is x . c - |c|^2 / 2, largest for the nearest centre."""
        half = -0.5 * np.square(self.points, dtype=np.float64).sum(axis=1)
        return np.vstack([self.points.T, half.astype(np.float32)[None]])


def k_means(
    x: F32, k: int, generator: np.random.Generator, *, passes: int = 10, weights: F32 | None = None
) -> Centres:
    """Cluster rows around at most k centres.

    Starts from rows drawn with odds in proportion to their squared distance from those drawn before
    (k-means++; for many centres in rounds of k / 32 at once, as k-means|| does), then moves each
    centre to the mean of its rows, until no row changes its centre or `passes` are made. There are
    fewer than k centres where there are fewer distinct rows, or where a centre loses all its rows.

    O(n k D) time a pass. Memory: two copies of the rows, PANEL * k floats. Lloyd 1982,
    doi:10.1109/TIT.1982.1056489; Arthur and Vassilvitskii 2007, k-means++: the advantages of careful
    seeding, SODA, pages 1027-1035; Bahmani et al. 2012, doi:10.14778/2180912.2180915.

    Parameters
    ----------
    x
        (n, D) float32, n >= 1.
    k
        Centres wanted, at least 1.
    generator
        Draws the first centres.
    passes
        The most passes over the rows, at least 1.
    weights
        (D,) float32 that every column is multiplied by in a distance; None for 1.
    """
    x = np.ascontiguousarray(x)  # the last bits of a sum depend on its order
    origin = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    weights = np.ones_like(origin) if weights is None else weights
    with np.errstate(over="ignore"):
        centred = (x - origin) * weights
    np.clip(centred, -_LARGEST, _LARGEST, out=centred)
    points = centred[_seeds(centred, k, generator)]
    cluster = np.full(len(x), -1, np.int32)
    for _ in range(passes):
        found, _distance = Centres.at(points).nearest(centred)
        if np.array_equal(found, cluster):
            break
        cluster = found
        points = _means(centred, cluster, points)
    size = np.bincount(cluster, minlength=len(points))
    order = np.lexsort((np.arange(len(size)), -size))[: np.count_nonzero(size)]
    return Centres(origin, weights, points[order], size[order].astype(np.int64))


def turns(group: I32) -> I64:
    """Count, for each row, the rows of its group that come before it: (n,) int64, O(n log n)."""
    order = np.argsort(group, kind="stable")
    leads = np.flatnonzero(np.diff(group[order], prepend=-1))
    size = np.diff(leads, append=len(group))
    turn = np.empty(len(group), np.int64)
    turn[order] = np.arange(len(group)) - np.repeat(leads, size)
    return turn


def _seeds(x: F32, k: int, generator: np.random.Generator) -> I64:
    """Draw at most k distinct rows, far from one another: positions in the order drawn."""
    picked = [int(generator.integers(len(x)))]
    norms: F64 = np.square(x, dtype=np.float64).sum(axis=1)
    nearest = np.full(len(x), np.inf)
    fresh = picked.copy()
    while len(picked) < k:
        nearest = np.minimum(nearest, _from_any(x, norms, fresh))
        wanted = min(max(1, k // _ROUNDS), k - len(picked))
        fresh = _draw(nearest, wanted, generator)
        if not fresh:  # every row has a centre on it
            break
        picked += fresh
    return np.array(picked, np.int64)


def _from_any(x: F32, norms: F64, rows: list[int]) -> F64:
    """Give the squared distance of each row to the nearest of some rows, 0 within rounding."""
    near, distance = Centres.at(x[rows]).nearest(x)
    exact = distance.astype(np.float64)
    exact[exact <= ROUNDING * (norms + norms[rows][near])] = 0
    exact[rows] = 0
    return exact


def _draw(weight: F64, count: int, generator: np.random.Generator) -> list[int]:
    """Draw rows without replacement by weight, never one of weight 0: the smallest E / w of each."""
    race = np.full(len(weight), np.inf)
    np.divide(generator.standard_exponential(len(weight)), weight, out=race, where=weight > 0)
    count = min(count, int(np.count_nonzero(weight > 0)))
    if not count:
        return []
    first = np.argpartition(race, count - 1)[:count]
    drawn: list[int] = first[np.lexsort((first, race[first]))].tolist()
    return drawn


def _means(x: F32, cluster: I32, points: F32) -> F32:
    """Give the mean of each cluster's rows; a centre without rows stays where it is."""
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    sums: F64 = np.add.reduceat(x[order], starts, axis=0, dtype=np.float64)
    means = points.copy()
    means[cluster[order[starts]]] = sums / np.diff(starts, append=len(x))[:, None]
    return means
