"""Query by committee: ask where several models disagree.

A committee of M members arrives as (n, M, C) with every class of every member contiguous in memory.
Each formula runs over all columns, a tile of rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lamplighter.arrays import F32, I64
from lamplighter.strategies.base import Block, Output, Strategy
from lamplighter.strategies.uncertainty import entropy

#: Numbers per tile: a scan's own tiles, of 8192 rows at most, in one piece; a larger block in several.
_CELLS = 2**19

#: Vote entropies are added up as whole numbers of this: equal votes then score equally, whoever cast them.
_UNIT = 2.0**-24


@dataclass(frozen=True)
class VoteEntropy(Strategy):
    """Ask where the members vote for different classes.

    score = -sum_c (v_c / M) ln (v_c / M), in [0, ln min(M, C)], with v_c the number of members whose most
    probable class is c (the first of equals). It takes few different values, so most rows tie, and ties
    go by the keyed hash of the row's id.

    With `soft`, each member gives its probabilities instead of one vote, and the score is the entropy of
    the consensus, -sum_c q_c ln q_c with q the mean of the members' probabilities.

    Parameters
    ----------
    soft
        Whether probabilities are averaged instead of votes.

    Notes
    -----
    O(nM(C + M)) time, soft O(nMC); O(n) memory. Dagan and Engelson 1995, "Committee-based sampling for
    training probabilistic classifiers", doi:10.1016/B978-1-55860-377-6.50027-X; soft: Settles 2009, Active
    Learning Literature Survey, Computer Sciences Technical Report 1648, University of Wisconsin-Madison.
    """

    soft: bool = False

    requires = frozenset({Output.COMMITTEE})

    def score(self, block: Block) -> F32:
        """Give the entropy of votes, or of the consensus, in nats: (n,) float32."""
        committee = block.outputs[Output.COMMITTEE]
        return soft_vote_entropy(committee) if self.soft else vote_entropy(committee)


@dataclass(frozen=True)
class ConsensusKl(Strategy):
    """Ask where the members differ from their mean on average, in probabilities.

    score = (1/M) sum_m KL(p_m || q) = H(q) - (1/M) sum_m H(p_m), in [0, ln min(M, C)], with p_m the
    members' probabilities and q their mean. The second form is the mutual information between the class and
    the member: BALD. It is low where all are unsure in the same way, unlike every entropy.

    O(nMC) time, O(nM) memory. McCallum and Nigam 1998, "Employing EM and
    pool-based active learning for text classification", ICML; as BALD: Houlsby, Huszar, Ghahramani and
    Lengyel 2011, doi:10.48550/arXiv.1112.5745.
    """

    requires = frozenset({Output.DIVERGENCE})

    def score(self, block: Block) -> F32:
        """Give the mean divergence in nats: (n,) float32, never negative."""
        return mean_of(block.outputs[Output.DIVERGENCE])


@dataclass(frozen=True)
class MaxDisagreement(Strategy):
    """Ask where one member differs most from the mean of all, in probabilities.

    score = max_m KL(p_m || q), in [0, ln M], with p_m the members' probabilities and q their mean: a
    single dissenter counts in full, however many agree.

    O(nMC) time, O(nM) memory. As in modAL: Danka and Horvath 2018,
    doi:10.48550/arXiv.1805.00979.
    """

    requires = frozenset({Output.DIVERGENCE})

    def score(self, block: Block) -> F32:
        """Give the largest divergence in nats: (n,) float32, never negative."""
        return largest_of(block.outputs[Output.DIVERGENCE])


def vote_entropy(committee: F32) -> F32:
    """Give the entropy of the members' votes of (n, M, C) float32 probabilities: (n,) float32."""
    return _in_tiles(_vote_entropy_of_tile, committee)


def soft_vote_entropy(committee: F32) -> F32:
    """Give the entropy of the consensus of (n, M, C) float32 probabilities: (n,) float32."""
    return _in_tiles(lambda cube: entropy(_consensus(cube).T), committee)


def mean_of(divergence: F32) -> F32:
    """Give the mean over the members of (n, M) float32 divergences: (n,) float32."""
    # Member after member: one order of adding up, however the array lies in memory.
    total = divergence[:, 0].copy()
    for member in range(1, divergence.shape[1]):
        total += divergence[:, member]
    total *= np.float32(1 / divergence.shape[1])
    return total


def largest_of(divergence: F32) -> F32:
    """Give the largest over the members of (n, M) float32 divergences: (n,) float32."""
    return np.asarray(divergence.max(axis=1))


def _vote_entropy_of_tile(cube: F32) -> F32:
    votes = _votes(cube)
    agree = votes[:, None] == votes
    agreeing = np.add.reduce(agree.view(np.uint8), axis=0, dtype=np.min_scalar_type(len(votes)))
    total = np.add.reduce(_vote_units(len(votes)).take(agreeing), axis=0)
    return np.asarray(total * _UNIT, np.float32)


@cache
def _vote_units(members: int) -> I64:
    """Give what one member adds to the entropy if v members voted as it did: (M + 1,) whole units."""
    agreeing = np.arange(1, members + 1)
    each = np.log(members / agreeing) / members
    return np.concatenate([[0], np.rint(each / _UNIT)]).astype(np.int64)


def _votes(cube: F32) -> npt.NDArray[Any]:
    """Give each member's most probable class, the first of equals, counted down from C: (M, n) unsigned."""
    classes = cube.shape[1]
    is_best = cube == np.maximum.reduce(cube, axis=1)[:, None]
    ranks = np.arange(classes, 0, -1).astype(np.min_scalar_type(classes))
    return np.asarray(np.maximum.reduce(is_best.view(np.uint8) * ranks[:, None], axis=1))


def _consensus(cube: F32) -> F32:
    """Give the mean over the members: (C, n)."""
    mean = np.add.reduce(cube, axis=0)
    return np.asarray(np.multiply(mean, np.float32(1 / len(cube)), out=mean))


def _in_tiles(formula: Callable[[F32], F32], committee: F32) -> F32:
    """Apply a formula of (M, C, tile) probabilities, tile by tile."""
    n, members, classes = committee.shape
    rows = max(_CELLS // (members * max(members, classes)), 64)
    scores = np.empty(n, np.float32)
    for start in range(0, n, rows):
        part = committee[start : start + rows]
        scores[start : start + rows] = formula(_class_major(part))[: len(part)]
    return scores


def _class_major(part: F32) -> F32:
    """Give (M, C, n), each class contiguous: sums then run class after class, in one order of adding up.

    A single row has no such order of its own, so it is given a second one.
    """
    if part.strides[0] == part.itemsize and len(part) > 1:
        return part.transpose(1, 2, 0)
    cube = np.zeros((*part.shape[1:], max(len(part), 2)), np.float32)
    cube[:, :, : len(part)] = part.transpose(1, 2, 0)
    return cube
