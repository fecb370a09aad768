"""BADGE: a batch of uncertain rows whose gradients point in different directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from lamplighter.arrays import F32, F64, I64
from lamplighter.strategies.base import Block, Choice, Context, Lane, Output, Shortlist, Strategy, require
from lamplighter.strategies.clusters import ROUNDING
from lamplighter.strategies.geometry import comparable
from lamplighter.strategies.uncertainty import margin

#: What may enter the last layer.
LAYERS = {"features": Output.EMBEDDING, "last": Output.LAST_LAYER}

#: Batches from this size on are picked part by part, each part giving about `_SHARE` rows.
_PARTITIONED, _SHARE = 5000, 1000

#: Rows of the shortlist for each row of the batch, at least.
_OVERSAMPLE = 10


@dataclass(frozen=True)
class Badge(Strategy):
    """Pick uncertain rows that would change the model in different ways.

    The shortlist holds the rows with the largest score 1 - (p1 - p2) (the margin). Were the predicted
    class right, the gradient of a row's loss by the last layer's weights would be::

        g = (p - e) h^T      p (C,) probabilities, e (C,) unit vector of the predicted class,
                             h (H,) what enters the last layer

    Long gradients are uncertain rows, distant ones unlike each other. k-means++ on the gradients picks
    the longest first, then each row with odds in proportion to its squared distance from the nearest
    pick. The C x H numbers of a gradient are never made: distances follow from |p - e|, |h| and two
    products. No row is picked twice; copies of picks come last, in the order of the shortlist.

    The original draws from the whole pool. Sure rows have short gradients, hence small odds, so the
    batch from the most uncertain 10,000 is hardly another one; raise `candidates` to come nearer.

    Batches of 5000 and more: the shortlist is cut at random into a part for each 1000 picks, and every
    part gives its share, over the workers where there are any. That is a heuristic, which the bound on
    k-means++ (8 (ln k + 2) times the least potential, in expectation) does not cover.

    O(nC) time in the scan; then O(k m (C + H)) for m rows in the shortlist, at most
    O(1000 m (C + H)) in parts. Memory: three copies of the m (C + H) factors. Ash et al. 2020, Deep
    batch active learning by diverse, uncertain gradient lower bounds, doi:10.48550/arXiv.1906.03671;
    parts: Citovsky et al. 2021, doi:10.48550/arXiv.2107.14263.

    Attributes
    ----------
    candidates
        Rows in the shortlist; 10 for each row of the batch where that is more.
    layer
        What h is: "features" of the pool, or "last" for what enters the model's last layer (for a
        linear model its scaled features, for an MLP the last hidden activations).
    """

    candidates: int = 10_000
    layer: str = "features"

    def __post_init__(self) -> None:
        require(self.candidates >= 1, lambda: f"candidates is {self.candidates!r}; allowed: 1 and more rows")
        require(
            self.layer in LAYERS,
            lambda: (
                f"layer is {self.layer!r}; allowed: 'features', or 'last' for the input of the last layer"
            ),
        )

    @property
    def requires(self) -> frozenset[Output]:
        """Probabilities, and what enters the last layer."""
        return frozenset({Output.PROBA, LAYERS[self.layer]})

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Keep the most uncertain rows."""
        return (Lane(max(self.candidates, _OVERSAMPLE * context.k)),)

    def score(self, block: Block) -> F32:
        """Give 1 - (p1 - p2): (n,) float32."""
        return margin(block.proba)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, m) rows, the longest gradient first.

        Records how many parts there were and, where it was one, `unlike`: the sum over the shortlist of
        the squared distance to the nearest pick, as a share of the sum of the squared lengths.
        """
        k = min(context.k, len(shortlist))
        if not k:
            return Choice(np.empty(0, np.int64))
        rows = gradients(shortlist.proba, self._features(shortlist, context))
        generator = context.generator("badge")
        if k >= _PARTITIONED:
            order = generator.permutation(len(shortlist))
            parts = cut(order, generator.random(k), -(-k // _SHARE))
            return Choice(spread_in_parts(rows, parts, context.map), facts={"parts": len(parts)})
        picked, unlike = spread(rows, generator.random(k))
        return Choice(picked, facts={"parts": 1, "unlike": unlike})

    def _features(self, shortlist: Shortlist, context: Context) -> F32:
        if self.layer == "last":
            return shortlist.outputs[Output.LAST_LAYER]
        return comparable(context, shortlist.embedding)[0]


class Gradients(NamedTuple):
    """Gradients of the loss by the last layer's weights, as factors: row i is the outer product a_i h_i.

    Attributes
    ----------
    residual
        (m, C) float32 a = p - e, with e the unit vector of the predicted class.
    features
        (m, H) float32 h, what enters the last layer.
    """

    residual: F32
    features: F32


#: What a worker needs to pick from a part.
Task: TypeAlias = tuple[Gradients, F64]


def gradients(proba: F32, features: F32) -> Gradients:
    """Give the gradients as if the predicted class (the first of equals) were the label.

    Parameters
    ----------
    proba
        (m, C) float32, C >= 1.
    features
        (m, H) float32.
    """
    residual = np.array(proba, np.float32, order="C")
    residual[np.arange(len(residual)), proba.argmax(axis=1)] -= 1
    return Gradients(residual, np.ascontiguousarray(features, np.float32))


def spread(rows: Gradients, draws: F64) -> tuple[I64, float]:
    """Pick rows far from one another: k-means++ on the gradients, without making them.

    The first pick has the largest gradient. Each next row is drawn with odds in proportion to its
    squared distance from the nearest pick::

        |g_i - g_j|^2 = |a_i|^2 |h_i|^2 + |a_j|^2 |h_j|^2 - 2 (a_i . a_j) (h_i . h_j)

    Picks, and rows that equal one within the rounding of float32, have odds 0. When no other row is
    left, the rest are taken in order.

    O(k m (C + H)) time instead of O(k m C H); memory for one more copy of the factors.

    Parameters
    ----------
    rows
        Gradients of m rows.
    draws
        (k,) float64 in [0, 1), k <= m; the first is not used.

    Returns
    -------
    (k,) int64 distinct positions in the order picked, and the sum over all rows of the squared
    distance to the nearest pick, as a share of the sum of the squared lengths (0 if all are 0).
    """
    walk = _Walk(rows)
    picked = np.empty(len(draws), np.int64)
    for i, draw in enumerate(draws.tolist()):
        pick = walk.draw(draw) if i else int(walk.norms.argmax())
        if pick is None:
            rest = np.setdiff1d(np.arange(len(rows.residual)), picked[:i])
            picked[i:] = rest[: len(draws) - i]
            break
        picked[i] = pick
        walk.visit(pick)
    return picked, walk.unlike


class Part(NamedTuple):
    """A part of the shortlist: positions of its rows, ascending, and a draw for each of its picks."""

    rows: I64
    draws: F64


def cut(order: I64, draws: F64, parts: int) -> list[Part]:
    """Cut rows in random order into parts, each with its share of the picks; sizes differ by at most 1."""
    cuts = zip(np.array_split(order, parts), np.array_split(draws, parts), strict=True)
    return [Part(np.sort(rows), share) for rows, share in cuts]


def spread_in_parts(
    rows: Gradients, parts: Sequence[Part], run: Callable[[Callable[[Task], I64], Sequence[Task]], list[I64]]
) -> I64:
    """Pick from each part alone; the first picks of all parts come first, then the second ones.

    Parameters
    ----------
    rows
        Gradients of m rows.
    parts
        No row is in two.
    run
        Maps a function over tasks, here or on workers.
    """
    tasks = [(Gradients(rows.residual[part.rows], rows.features[part.rows]), part.draws) for part in parts]
    picked = [part.rows[found] for part, found in zip(parts, run(_spread_part, tasks), strict=True)]
    turn = np.concatenate([np.arange(len(own)) for own in picked])
    # A stable order: of one turn, the parts in their order.
    in_turns: I64 = np.concatenate(picked)[np.argsort(turn, kind="stable")]
    return in_turns


def _spread_part(task: Task) -> I64:
    return spread(*task)[0]


class _Walk:
    """Squared distances to the nearest pick so far. All buffers are reused: each pick is two products."""

    def __init__(self, rows: Gradients) -> None:
        # A power of 2 changes no bit but the exponent, and keeps squares of any float32 in its range.
        exponent = int(np.frexp(np.abs(rows.features).max(initial=0))[1])
        scale = np.float32(2.0 ** np.clip(-exponent, -126, 126))
        # One class, or feature, after another: so a product with one row runs fastest.
        self.residual = np.ascontiguousarray(rows.residual.T)
        self.features = np.multiply(rows.features.T, scale, dtype=np.float32, order="C")
        self.norms: F32 = np.square(self.residual).sum(axis=0) * np.square(self.features).sum(axis=0)
        self.nearest = np.full(len(self.norms), np.inf, np.float32)
        self.cumulated = np.empty(len(self.norms))
        self.distance, self.product = np.empty_like(self.norms), np.empty_like(self.norms)

    @property
    def unlike(self) -> float:
        """Sum of the squared distances to the nearest pick, as a share of that of squared lengths."""
        lengths = float(self.norms.sum(dtype=np.float64))
        return float(self.nearest.sum(dtype=np.float64)) / lengths if lengths else 0.0

    def visit(self, pick: int) -> None:
        """Take a row for a pick."""
        distance, product, norm = self.distance, self.product, self.norms[pick]
        np.matmul(np.ascontiguousarray(self.residual[:, pick]), self.residual, out=product)
        np.matmul(np.ascontiguousarray(self.features[:, pick]), self.features, out=distance)
        distance *= product
        distance *= np.float32(-2)
        # product becomes |g_i|^2 + |g_pick|^2, of which rounding is a share.
        np.add(self.norms, norm, out=product)
        distance += product
        product *= np.float32(ROUNDING)
        distance[distance <= product] = 0
        np.minimum(self.nearest, distance, out=self.nearest)
        self.nearest[pick] = 0

    def draw(self, uniform: float) -> int | None:
        """Draw a row in proportion to its squared distance; None if all are 0."""
        total = np.cumsum(self.nearest, dtype=np.float64, out=self.cumulated)[-1]
        if not total > 0:
            return None
        drawn = int(np.searchsorted(self.cumulated, uniform * total, side="right"))
        # uniform * total may be rounded up to total: then it is the last row with odds.
        return drawn if drawn < len(self.nearest) else int(np.flatnonzero(self.nearest)[-1])
