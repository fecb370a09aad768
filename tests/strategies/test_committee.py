"""Disagreement against hand-computed values, explicit divergences and the formulas of other libraries."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lamplighter.arrays import F32, F64
from lamplighter.learner.divergence import divergences
from lamplighter.strategies.base import Block, Output, Strategy
from lamplighter.strategies.committee import (
    ConsensusKl,
    MaxDisagreement,
    VoteEntropy,
    largest_of,
    mean_of,
    soft_vote_entropy,
    vote_entropy,
)
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import Case

STRATEGIES: dict[str, Strategy] = {
    "vote_entropy": VoteEntropy(),
    "vote_entropy_soft": VoteEntropy(soft=True),
    "consensus_kl": ConsensusKl(),
    "max_disagreement": MaxDisagreement(),
}
LN2 = math.log(2)


def committee(rows: int, members: int, classes: int, seed: int = 0) -> F32:
    """Draw (rows, M, C) float32 probabilities in class-major memory, some of them exactly 0 and 1."""
    draws = np.random.default_rng(seed)
    logits = draws.normal(scale=3, size=(rows, members, classes))
    values = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    sure = draws.random((rows, members)) < 0.2
    values[sure] = np.eye(classes)[draws.integers(classes, size=int(sure.sum()))]
    return class_major(values)


def class_major(values: F64) -> F32:
    """Give (n, M, C) values as a scan does: every class of every member contiguous."""
    return np.ascontiguousarray(values.transpose(1, 2, 0), dtype=np.float32).transpose(2, 0, 1)


def divergence(proba: F32) -> F32:
    """Give (n, M) divergences of (n, M, C) probabilities."""
    return divergences(np.ascontiguousarray(proba.transpose(1, 2, 0))).T


def consensus_kl(proba: F32) -> F32:
    """Score as consensus_kl does."""
    return mean_of(divergence(proba))


def max_disagreement(proba: F32) -> F32:
    """Score as max_disagreement does."""
    return largest_of(divergence(proba))


KERNELS = [vote_entropy, soft_vote_entropy, consensus_kl, max_disagreement]


def scores(strategy: Strategy, rows: list[list[list[float]]]) -> list[float]:
    """Score rows of members' probabilities."""
    values = class_major(np.array(rows * 2))
    outputs = {Output.COMMITTEE: values, Output.DIVERGENCE: divergence(values)}
    block = Block(pa.array(range(len(values)), pa.int64()), outputs, seed=1, round=1)
    return [float(s) for s in strategy.score(block)][: len(rows)]


@pytest.mark.parametrize("case", contract.cases(STRATEGIES), ids=str)
def test_contract(case: Case) -> None:
    case()


def test_only_what_a_committee_gives_is_read() -> None:
    votes, divergences = frozenset({Output.COMMITTEE}), frozenset({Output.DIVERGENCE})
    assert [strategy.requires for strategy in STRATEGIES.values()] == [votes, votes, divergences, divergences]
    assert all(strategy.needs_committee for strategy in STRATEGIES.values())


A, B, C = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
LEAN_A, LEAN_B = [0.6, 0.4, 0.0], [0.4, 0.6, 0.0]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([A, A, A, A], 0.0),
        ([A, A, B, B], LN2),
        ([LEAN_A, LEAN_A, LEAN_B, LEAN_B], LN2),
        ([A, B, C], math.log(3)),
        ([A, A, A, A, B], -0.8 * math.log(0.8) - 0.2 * math.log(0.2)),
        ([A, A, A, B, C], -0.6 * math.log(0.6) - 0.4 * math.log(0.2)),
        ([[0.5, 0.5, 0.0], A], 0.0),  # the first of equals
        ([[0.0, 0.5, 0.5], B], 0.0),
        ([[1 / 3] * 3, C], LN2),
        ([A], 0.0),
    ],
)
def test_votes_by_hand(members: list[list[float]], expected: float) -> None:
    assert scores(VoteEntropy(), [members]) == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(
    ("members", "soft", "mean", "largest"),
    [
        ([A, A], 0.0, 0.0, 0.0),
        ([A, B], LN2, LN2, LN2),
        ([[0.5, 0.5, 0.0]] * 3, LN2, 0.0, 0.0),
        ([A, A, A, B], -0.75 * math.log(0.75) + 0.25 * math.log(4), 0.5623351446, math.log(4)),
        ([A, [0.5, 0.5, 0.0]], 0.5623351446, 0.5623351446 - LN2 / 2, math.log(4 / 3)),
        ([LEAN_B], 0.6730116670, 0.0, 0.0),
    ],
)
def test_probabilities_by_hand(members: list[list[float]], soft: float, mean: float, largest: float) -> None:
    found = [scores(STRATEGIES[name], [members])[0] for name in list(STRATEGIES)[1:]]
    assert found == pytest.approx([soft, mean, largest], abs=1e-6)


SHAPES = [(1, 3), (2, 2), (5, 10), (3, 77), (12, 4), (40, 3), (300, 2), (2, 300)]


@pytest.mark.parametrize(("members", "classes"), SHAPES)
def test_equals_the_explicit_divergences(members: int, classes: int) -> None:
    proba = committee(700, members, classes)
    exact = proba.astype(np.float64)
    mean = exact.mean(axis=1)
    divergences = np.stack([stats.entropy(exact[:, m], mean, axis=1) for m in range(members)])
    np.testing.assert_allclose(consensus_kl(proba), divergences.mean(axis=0), atol=5e-6)
    np.testing.assert_allclose(max_disagreement(proba), divergences.max(axis=0), atol=5e-6)
    bald = stats.entropy(mean, axis=1) - stats.entropy(exact, axis=2).mean(axis=1)
    np.testing.assert_allclose(consensus_kl(proba), bald, atol=5e-6)
    np.testing.assert_allclose(soft_vote_entropy(proba), stats.entropy(mean, axis=1), atol=5e-6)


@pytest.mark.parametrize(("members", "classes"), SHAPES)
def test_votes_are_counted(members: int, classes: int) -> None:
    proba = committee(700, members, classes)
    votes = proba.argmax(axis=2)
    shares = np.stack([(votes == c).mean(axis=1) for c in range(classes)], axis=1)
    np.testing.assert_allclose(vote_entropy(proba), stats.entropy(shares, axis=1), atol=1e-5)


def skactiveml_vote_entropy(votes: F64, classes: int) -> F64:
    """Follow scikit-activeml 1.0.1: -sum of v ln v over the shares of votes, in float64."""
    shares = np.stack([(votes == c).sum(axis=1) for c in range(classes)], axis=1) / votes.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        scores: F64 = np.nansum(-shares * np.log(shares), axis=1)
    return scores


def skactiveml_average_kl(proba: F64) -> F64:
    """Follow scikit-activeml 1.0.1: mean divergence, probabilities clipped and normalised again."""
    eps = 1e-7
    clipped = np.clip(proba, eps, 1)
    clipped /= clipped.sum(axis=2, keepdims=True)
    mean = clipped.mean(axis=1, keepdims=True)
    scores: F64 = np.nansum(np.nansum(clipped * np.log(clipped / mean), axis=2), axis=1) / proba.shape[1]
    return scores


def modal_max_disagreement(proba: F64) -> F64:
    """Follow modAL 0.4.2.1: the largest divergence of a learner from the consensus."""
    mean = proba.mean(axis=1)
    return np.array(
        [
            max(stats.entropy(one, qk=consensus) for one in row)
            for row, consensus in zip(proba, mean, strict=True)
        ]
    )


def test_parity_with_other_libraries() -> None:
    proba = committee(500, 5, 6)
    exact = proba.astype(np.float64)
    votes = exact.argmax(axis=2).astype(np.float64)
    np.testing.assert_allclose(vote_entropy(proba), skactiveml_vote_entropy(votes, 6), atol=1e-6)
    np.testing.assert_allclose(consensus_kl(proba), skactiveml_average_kl(exact), atol=2e-5)
    np.testing.assert_allclose(max_disagreement(proba), modal_max_disagreement(exact), atol=5e-6)
    modal_consensus_entropy = stats.entropy(exact.mean(axis=1), axis=1)
    np.testing.assert_allclose(soft_vote_entropy(proba), modal_consensus_entropy, atol=5e-6)


@given(seed=st.integers(0, 2**32 - 1), members=st.integers(1, 9), classes=st.integers(1, 9))
def test_ranges(seed: int, members: int, classes: int) -> None:
    proba = committee(50, members, classes, seed)
    most = math.log(min(members, classes))
    assert np.all((vote_entropy(proba) >= 0) & (vote_entropy(proba) <= most + 1e-5))
    assert np.all((consensus_kl(proba) >= 0) & (consensus_kl(proba) <= most + 1e-5))
    assert np.all(max_disagreement(proba) >= consensus_kl(proba) - 1e-5)
    assert np.all(max_disagreement(proba) <= math.log(members) + 1e-5)
    assert np.all((soft_vote_entropy(proba) >= 0) & (soft_vote_entropy(proba) <= math.log(classes) + 1e-5))


@pytest.mark.parametrize("members", [3, 7, 30])
def test_equal_votes_score_equally_to_the_bit_whoever_cast_them(members: int) -> None:
    draws = np.random.default_rng(members)
    cast = draws.integers(4, size=members)
    rows = np.stack([np.eye(6)[draws.permutation(6)[draws.permutation(cast)]] for _ in range(200)])
    assert len(set(vote_entropy(class_major(rows)).tolist())) == 1


def test_one_member_never_disagrees_with_itself() -> None:
    proba = committee(300, 1, 5)
    for kernel in (vote_entropy, consensus_kl, max_disagreement):
        assert not kernel(proba).any()


def test_equal_members_hardly_disagree() -> None:
    proba = np.repeat(committee(300, 1, 5), 5, axis=1)
    assert not vote_entropy(proba).any()
    assert consensus_kl(proba).max() < 1e-6
    assert max_disagreement(proba).max() < 1e-6


@pytest.mark.parametrize("kernel", KERNELS)
def test_neither_memory_order_nor_neighbours_change_a_bit(kernel: Callable[[F32], F32]) -> None:
    proba = committee(9000, 5, 4)
    expected = kernel(proba)
    layouts = [np.ascontiguousarray(proba), np.asfortranarray(proba), np.repeat(proba, 2, axis=2)[:, :, ::2]]
    for same in layouts:
        assert kernel(same).tobytes() == expected.tobytes()
    cuts = [0, 1, 2, 9, 77, 4096, 8191, 9000]
    parts = [kernel(proba[a:b]) for a, b in pairwise(cuts)]
    assert np.concatenate(parts).tobytes() == expected.tobytes()


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_rows_no_scores(kernel: Callable[[F32], F32]) -> None:
    assert kernel(committee(3, 5, 4)[:0]).shape == (0,)
