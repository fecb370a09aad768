"""k-center: a batch such that no row is far from all labelled ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamplighter.arrays import F32, I64
from lamplighter.strategies._doubt import doubt, made_of, require_doubt
from lamplighter.strategies._spread import Terms, moved, norms, spread
from lamplighter.strategies.base import Block, Choice, Context, Output, Shortlist, Strategy, require
from lamplighter.strategies.geometry import comparable

_NONE = np.empty(0, np.int64)
#: Numbers up to this have differences in float32.
_LARGEST = 1e38


@dataclass(frozen=True)
class KCenter(Strategy):
    """Pick rows such that no row is far from all picked and labelled ones (core-set).

    The shortlist is a simple random sample of oversample * k rows of the pool (every row draws u in
    (0, 1), keyed by seed, round and row id), or the most uncertain rows, if `uncertainty` is given. With L
    the labelled rows, S the rows picked so far and distances Euclidean, the next pick is::

        argmax over x in the shortlist of  min over s in L + S of |x - s|

    The first is the first of the shortlist where nothing is labelled. The radius of a batch is the
    largest distance of a row of the shortlist from the nearest row of L + S; that of this batch is at most
    twice the smallest possible (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5). A shortlist of more
    than `part` rows is cut at random, k rows are picked in every part, and from these the batch: at most
    four times (Malkomes et al. 2015, Fast Distributed k-Center Clustering with Outliers on Massive Data,
    NeurIPS 28). The record has the radius, and a certificate: how many times the optimum it is at most.

    Columns of a table are standardised before. Nothing holds outliers back, which are far from all
    rows; `uncertainty` does, in part. O(n) time in the scan (O(nC) with an uncertainty), then
    O((k + l) m D) for m rows in the shortlist and l labelled ones, as a few matrix products. Memory: a
    few numbers for each row, and the labelled rows. Sener and Savarese 2018, Active Learning for
    Convolutional Neural Networks: A Core-Set Approach, doi:10.48550/arXiv.1708.00489.

    Attributes
    ----------
    uncertainty
        "none" for a random sample, or what the most uncertain rows are found by: "margin", "entropy",
        "least_confidence"; of a committee "vote_entropy", "soft_vote_entropy", "consensus_kl",
        "max_disagreement".
    oversample
        Rows in the shortlist for each row of the batch.
    part
        The most rows that are chosen from in one piece.
    """

    uncertainty: str = "none"
    oversample: int = 50
    part: int = 100_000

    def __post_init__(self) -> None:
        require_doubt(self.uncertainty, "none")
        require(self.oversample >= 1, lambda: f"oversample is {self.oversample!r}; allowed: 1 and more")
        require(self.part >= 1, lambda: f"part is {self.part!r}; allowed: 1 and more rows")

    @property
    def requires(self) -> frozenset[Output]:
        """The features, and what the uncertainty is made of."""
        return frozenset(
            {Output.EMBEDDING, *([] if self.uncertainty == "none" else [made_of(self.uncertainty)])}
        )

    def score(self, block: Block) -> F32:
        """Give the uncertainty, or keyed draws: (n,) float32."""
        if self.uncertainty == "none":
            return block.uniform("k_center").astype(np.float32)
        return doubt(self.uncertainty, block)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, m) rows, the farthest first.

        Records `k_center_radius`, `k_center_optimum_at_least`, below which no batch's radius is, and
        `k_center_certificate`, the radius as a multiple of that.
        """
        x, labelled = comparable(context, shortlist.embedding, context.labelled)
        if len(x) <= max(self.part, 2 * context.k):
            cover = farthest_first(x, context.k, labelled)
        else:
            order = context.generator("k_center").permutation(len(x))
            parts = np.array_split(order, -(-len(x) // max(self.part, 2 * context.k)))
            cover = two_rounds(x, context.k, labelled, parts, over=context.map)
        return Choice(cover.positions, facts=cover.facts())


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

    def facts(self) -> dict[str, float]:
        """Give what is known of the radius; no certificate where there is none."""
        known = {"k_center_radius": self.radius, "k_center_optimum_at_least": self.optimum_at_least}
        return known | ({"k_center_certificate": self.certificate} if np.isfinite(self.certificate) else {})


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
    size = max(np.abs(x).max(), np.abs(labelled).max(initial=0))
    if size > _LARGEST:  # differences would leave float32
        quarter = _cover(x / np.float32(4), k, start, labelled / np.float32(4))
        return replace(quarter, gap=4 * quarter.gap, radius=4 * quarter.radius)
    # float32 and float64 must subtract the same number, or rows lie apart by its rounding in one of them.
    mean = x.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
    # A power of 2 changes no bit but the exponent, and keeps the squares of any float32 in its range.
    unit = float(np.ldexp(1.0, np.clip(-np.frexp(size)[1], -100, 100)))
    scale = np.full(len(x), unit)
    norm = norms(x, mean, scale)
    members = moved(labelled, mean, np.full(len(labelled), unit))
    found = spread(Terms(x, mean, scale, norm, norm, gain=2.0, drop=1.0), k, start, members)
    gap, radius = (float(np.sqrt(max(value, 0.0))) / unit for value in (found.last, found.left))
    return Cover(found.positions, gap, radius)
