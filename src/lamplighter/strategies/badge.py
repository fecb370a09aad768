"""BADGE: a batch of uncertain rows whose gradients point in different directions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lamplighter.arrays import F32, F64, I64
from lamplighter.strategies.clusters import ROUNDING


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
    distance to the nearest pick.
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
    return picked, walk.potential


class _Walk:
    """Squared distances to the nearest pick so far. All buffers are reused: each pick is two products."""

    def __init__(self, rows: Gradients) -> None:
        # A power of 2 changes no bit but the exponent, and keeps squares of any float32 in its range.
        self.scale = float(np.ldexp(1.0, int(np.frexp(np.abs(rows.features).max(initial=0))[1])))
        # One class, or feature, after another: so a product with one row runs fastest.
        self.residual = np.ascontiguousarray(rows.residual.T)
        self.features = np.divide(rows.features.T, self.scale, dtype=np.float32, order="C")
        self.norms: F32 = np.square(self.residual).sum(axis=0) * np.square(self.features).sum(axis=0)
        self.nearest = np.full(len(self.norms), np.inf, np.float32)
        self.cumulated = np.empty(len(self.norms))
        self.distance, self.product = np.empty_like(self.norms), np.empty_like(self.norms)

    @property
    def potential(self) -> float:
        """Sum of the squared distances to the nearest pick; infinite before the first."""
        return float(self.nearest.sum(dtype=np.float64)) * self.scale**2

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
