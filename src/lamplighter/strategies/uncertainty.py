"""Uncertainty sampling: ask where the model is least sure.

Probabilities arrive class-major, so every formula runs down the class columns, a tile of rows at a
time: each operation is one pass over contiguous memory that stays in the first-level cache, and no
(n, C) temporary is ever made. Any other memory order gives the same bits, only more slowly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32
from lamplighter.strategies.base import Block, Strategy

#: Rows per tile: a handful of float32 columns of this length fill half of a 48 kB cache.
TILE = 4096
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class LeastConfidence(Strategy):
    """Ask where the best class has the smallest probability.

    score = 1 - p1, in [0, 1 - 1/C], with p1 the largest class probability of the row.

    O(nC) time, O(n) memory. Lewis and Gale 1994, doi:10.1007/978-1-4471-2099-5_1.
    """

    def score(self, block: Block) -> F32:
        """Give 1 - p1: (n,) float32."""
        return least_confidence(block.proba)


@dataclass(frozen=True)
class Margin(Strategy):
    """Ask where the two best classes are closest.

    score = 1 - (p1 - p2), in [0, 1], with p1 >= p2 the two largest class probabilities of the row;
    p2 = 0 where there is one class only.

    O(nC) time, O(n) memory. Scheffer, Decomain and Wrobel 2001, doi:10.1007/3-540-44816-0_31.
    """

    def score(self, block: Block) -> F32:
        """Give 1 - (p1 - p2): (n,) float32."""
        return margin(block.proba)


@dataclass(frozen=True)
class Entropy(Strategy):
    """Ask where the class distribution is most spread out.

    score = -sum_c p_c ln p_c, in [0, ln C], with 0 ln 0 = 0.

    O(nC) time with one logarithm per cell, O(n) memory. Shannon 1948,
    doi:10.1002/j.1538-7305.1948.tb01338.x; as a query rule: Settles 2009, Active Learning Literature
    Survey, Computer Sciences Technical Report 1648, University of Wisconsin-Madison.
    """

    def score(self, block: Block) -> F32:
        """Give the entropy in nats: (n,) float32."""
        return entropy(block.proba)


def least_confidence(proba: F32) -> F32:
    """Give 1 - p1 of (n, C) float32 probabilities: (n,) float32."""
    return _in_tiles(lambda tile: np.float32(1) - _largest(tile), proba)


def margin(proba: F32) -> F32:
    """Give 1 - (p1 - p2) of (n, C) float32 probabilities: (n,) float32."""
    return _in_tiles(_margin_of_tile, proba)


def entropy(proba: F32) -> F32:
    """Give -sum p ln p of (n, C) float32 probabilities: (n,) float32, never negative."""
    return _in_tiles(_entropy_of_tile, proba)


def top_two(proba: F32) -> tuple[F32, F32]:
    """Give the largest and second largest probability of each row.

    Parameters
    ----------
    proba
        (n, C) float32, not negative, C >= 1.

    Returns
    -------
    Two (n,) float32 arrays; the second is 0 where C = 1.
    """
    first = proba[:, 0].copy()
    second, lower = np.zeros_like(first), np.empty_like(first)
    for c in range(1, proba.shape[1]):
        column = proba[:, c]
        np.minimum(first, column, out=lower)
        np.maximum(second, lower, out=second)
        np.maximum(first, column, out=first)
    return first, second


def _largest(tile: F32) -> F32:
    largest = tile[:, 0].copy()
    for c in range(1, tile.shape[1]):
        np.maximum(largest, tile[:, c], out=largest)
    return largest


def _margin_of_tile(tile: F32) -> F32:
    first, second = top_two(tile)
    np.subtract(first, second, out=first)
    return np.subtract(np.float32(1), first, out=first)


def _entropy_of_tile(tile: F32) -> F32:
    total = np.zeros(len(tile), np.float32)
    column, log = np.empty_like(total), np.empty_like(total)
    for c in range(tile.shape[1]):
        # A copy first: the logarithm takes another code path, with other last bits, on strided input.
        np.copyto(column, tile[:, c])
        # The logarithm of a tiny number instead of 0 keeps 0 ln 0 = 0 without a branch. Added, not the
        # maximum: that is five times slower, and above 1e-30 the sum is the number itself.
        np.add(column, _TINY, out=log)
        np.log(log, out=log)
        np.multiply(log, column, out=log)
        np.subtract(total, log, out=total)
    # A probability that rounding has put above 1 must not make the sum negative.
    return np.maximum(total, np.float32(0), out=total)


def _in_tiles(formula: Callable[[F32], F32], proba: F32) -> F32:
    scores = np.empty(len(proba), np.float32)
    for start in range(0, len(proba), TILE):
        scores[start : start + TILE] = formula(proba[start : start + TILE])
    return scores
