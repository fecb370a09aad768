"""k-center: a batch such that no row is far from all labelled ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.arrays import F32, I64
from lamplighter.strategies._spread import Terms, norms, spread

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Cover:
    """Centres among m rows, and how well they cover them.

    Attributes
    ----------
    positions
        (k,) int64, in the order of the picks.
    gap
        The smallest distance between two picks, or between a pick and a labelled row; infinite if
        there are none, or all rows are picked.
    radius
        The largest distance of a row from the nearest pick or labelled row.
    """

    positions: I64
    gap: float
    radius: float

    @property
    def optimum_at_least(self) -> float:
        """A bound that no k centres can beat.

        The picks and the farthest row are k + 1 rows, each at least min(gap, radius) from the others and
        from the labelled ones. Either two of them share a centre, and one of the two is at least half of
        that from it, or one is served by a labelled row.
        """
        return min(self.gap, self.radius) / 2

    @property
    def certificate(self) -> float:
        """How many times the optimum the radius is at most; 1 where it is 0, infinite if nothing is known."""
        if self.radius == 0:
            return 1.0
        return self.radius / self.optimum_at_least if self.optimum_at_least else np.inf


def farthest_first(x: F32, k: int, labelled: F32) -> Cover:
    """Pick the row farthest from all labelled and picked rows, again and again.

    The first pick is row 0 where nothing is labelled. Equal distances go by position. The radius is at
    most twice the smallest possible (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5). O((k + l) m D)
    operations for l labelled rows; the picks are those of float64, most of the work is float32.

    Parameters
    ----------
    x
        (m, D) float32.
    k
        Picks; at most m.
    labelled
        (l, D) float32.
    """
    if k >= len(x):
        return Cover(np.arange(len(x)), np.inf, 0.0)
    start = _NONE if len(labelled) or not k else np.zeros(1, np.int64)
    return _cover(x, k, start, labelled)


def two_rounds(
    x: F32, k: int, labelled: F32, parts: Sequence[I64], *, over: Callable[..., list[Any]]
) -> Cover:
    """Pick farthest first in every part, then farthest first among all these picks.

    The radius is at most four times the smallest possible, whatever the parts (Malkomes et al. 2015,
    Fast Distributed k-Center Clustering with Outliers on Massive Data, NeurIPS 28). One more pass over
    the parts measures it.

    Parameters
    ----------
    x, k, labelled
        As for `farthest_first`.
    parts
        Positions of the rows of each part.
    over
        Maps a function over a list: `Context.map`.
    """
    local = over(_centres_of, [(x[part], k, labelled) for part in parts])
    union = np.sort(np.concatenate([part[picks] for part, picks in zip(parts, local, strict=True)]))
    central = farthest_first(x[union], k, labelled)
    positions = union[central.positions]
    members = np.concatenate([labelled, x[positions]])
    radius = max(over(_radius_of, [(x[part], members) for part in parts]))
    return Cover(positions, central.gap, radius)


def _centres_of(part: tuple[F32, int, F32]) -> I64:
    return farthest_first(*part).positions


def _radius_of(part: tuple[F32, F32]) -> float:
    x, members = part
    return _cover(x, 0, _NONE, members).radius


def _cover(x: F32, k: int, start: I64, labelled: F32) -> Cover:
    """Spread out by squared distance: |x|^2 - max (2 x.s - |s|^2), around the mean lest the terms cancel."""
    mean, ones = x.mean(axis=0, dtype=np.float64), np.ones(len(x))
    norm = norms(x, mean, ones)
    found = spread(Terms(x, mean, ones, norm, norm, gain=2.0, drop=1.0), k, start, labelled - mean)
    gap, radius = (float(np.sqrt(max(value, 0.0))) for value in (found.last, found.left))
    return Cover(found.positions, gap, radius)
