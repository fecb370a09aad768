"""Paired tests: exact against scipy and against every sign there is, Holm by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from lamplighter.arrays import F64
from lamplighter.backtest.comparison import (
    Quantity,
    holm,
    seeds_needed,
    signed_rank,
    smallest_corrected,
)


def by_every_sign(differences: F64) -> float:
    """The p by its definition: of all signs that those other than zero could have."""
    apart = np.round(differences, 12)
    ranks = rankdata(np.abs(apart))[apart != 0]
    w = ranks[apart[apart != 0] > 0].sum()
    every = [ranks[np.array(signs, bool)].sum() for signs in product((0, 1), repeat=len(ranks))]
    return float(min(1.0, 2 * min(np.mean([v <= w for v in every]), np.mean([v >= w for v in every]))))


@pytest.mark.parametrize("n", [1, 2, 5, 6, 12, 20, 45])
def test_without_ties_it_is_scipys_exact_test(n: int) -> None:
    for seed in range(10):
        apart = np.random.default_rng([n, seed]).normal(0.3, 1, n)
        assert signed_rank(apart).p == pytest.approx(wilcoxon(apart, method="exact").pvalue, rel=1e-10)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_with_ties_and_zeros_it_is_exact(apart: list[int]) -> None:
    assert signed_rank(np.array(apart) / 10).p == pytest.approx(
        by_every_sign(np.array(apart) / 10), rel=1e-12
    )


@pytest.mark.parametrize("signs", list(product((-1, 1), repeat=6)))
def test_six_seeds_by_every_sign(signs: tuple[int, ...]) -> None:
    apart = np.array(signs) * np.array([0.1, 0.2, 0.2, 0.4, 0.5, 0.6])
    assert signed_rank(apart).p == pytest.approx(by_every_sign(apart), rel=1e-12)


def test_values_by_hand() -> None:
    # All six up: 2 / 64. One down, the smallest: W = 20, P(W >= 20) = 2/64.
    assert signed_rank(np.arange(1.0, 7)) == (0.03125, 1.0)
    assert signed_rank(np.array([-1.0, 2, 3, 4, 5, 6])).p == 0.0625
    assert signed_rank(np.array([-1.0, 2, 3, 4, 5, 6])).effect == pytest.approx(19 / 21)
    # Two zeros take the ranks 1 and 2 with them: 3, 4, 5 are left, all up: 2 / 8.
    assert signed_rank(np.array([0.0, 0, 1, 2, 3])) == (0.25, 1.0)
    # Balanced: ranks 1.5 and 1.5.
    assert signed_rank(np.array([1.0, -1.0])) == (1.0, 0.0)


def test_no_difference_is_no_evidence() -> None:
    assert signed_rank(np.zeros(20)) == (1.0, 0.0)
    assert signed_rank(np.zeros(0)) == (1.0, 0.0)
    assert signed_rank(np.full(20, 1e-14)) == (1.0, 0.0)


def test_rounding_makes_no_ranks() -> None:
    """0.3 - 0.1 and 0.2 differ in their last bit, and tie all the same."""
    rounded = np.array([0.3 - 0.1, -0.2, 0.5])
    assert rounded[0] != 0.2
    assert signed_rank(rounded) == signed_rank(np.array([0.2, -0.2, 0.5]))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=25))
def test_the_other_way_round_it_is_the_same_evidence(apart: list[float]) -> None:
    there, back = signed_rank(np.array(apart)), signed_rank(-np.array(apart))
    assert there.p == pytest.approx(back.p, rel=1e-12)
    assert there.effect == -back.effect
    assert 2.0 ** (1 - len(apart)) <= there.p * (1 + 1e-12)
    assert there.p <= 1


def test_many_seeds_agree_with_the_normal_approximation() -> None:
    apart = np.random.default_rng(5).normal(0.1, 1, 200)
    assert signed_rank(apart).p == pytest.approx(wilcoxon(apart, method="asymptotic").pvalue, rel=0.01)


def test_holm_by_hand() -> None:
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_p_and_bonferroni_and_keeps_the_order(p: list[float]) -> None:
    corrected = holm(p)
    for value, found in zip(p, corrected, strict=True):
        assert value <= found <= min(1.0, value * len(p))
    assert sorted(range(len(p)), key=lambda i: (p[i], i)) == sorted(
        range(len(p)), key=lambda i: (corrected[i], p[i], i)
    )


def test_how_many_seeds_it_takes() -> None:
    assert smallest_corrected(6, 1) == 0.03125
    assert smallest_corrected(5, 1) == 0.0625
    assert smallest_corrected(3, 5) == 1.0
    assert smallest_corrected(20, 0) == 0.0
    assert [seeds_needed(tests) for tests in (1, 2, 5, 15)] == [6, 7, 8, 10]


VALUES = np.array(
    [
        [0.5, 0.6, 0.7, 0.8, 0.5, 0.6, 0.7, 0.8],
        [0.6, 0.7, 0.8, 0.9, 0.6, 0.7, 0.8, 0.8],
        [0.5, 0.5, 0.7, 0.9, 0.5, 0.6, 0.6, 0.9],
    ]
)


def test_wins_ties_and_losses() -> None:
    quantity = Quantity("area", ("random", "margin", "badge"), VALUES)
    margin, badge = quantity.against("random")
    assert (margin.first, margin.second, margin.wins, margin.ties, margin.losses) == (
        "margin",
        "random",
        7,
        1,
        0,
    )
    assert (badge.wins, badge.ties, badge.losses) == (2, 4, 2)
    assert margin.difference == pytest.approx(0.7 / 8)
    # Seven of eight up, one zero (Pratt): 2 / 2^7; the second of the family is not corrected.
    assert margin.p == 2 / 2**7
    assert margin.corrected == 4 / 2**7
    assert margin.better
    assert not margin.worse
    assert not badge.significant
    assert badge.corrected == badge.p == 1.0


def test_every_strategy_has_its_family() -> None:
    quantity = Quantity("area", ("random", "margin", "badge"), VALUES)
    for name in quantity.strategies:
        family = quantity.against(name)
        assert {t.first for t in family} == {*quantity.strategies} - {name}
        assert {t.second for t in family} == {name}
        assert [t.corrected for t in family] == holm([t.p for t in family])


def test_a_test_is_seen_from_both_sides() -> None:
    quantity = Quantity("area", ("random", "margin", "badge"), VALUES)
    there, back = quantity.between("margin", "random"), quantity.between("random", "margin")
    assert (there.first, there.second, there.p) == ("margin", "random", back.p)
    assert (there.difference, there.effect, there.wins, there.losses) == (
        -back.difference,
        -back.effect,
        back.losses,
        back.wins,
    )
    assert there.better
    assert back.worse
    assert back.turned.turned == back


def test_those_that_nothing_beats_may_be_the_best() -> None:
    assert Quantity("area", ("random", "margin", "badge"), VALUES).contenders == ("margin", "badge")
    assert Quantity("area", ("random", "margin"), VALUES[:2]).contenders == ("margin",)
    assert Quantity("area", ("random", "margin"), VALUES[:2, :5]).contenders == ("random", "margin")
    assert Quantity("area", ("random",), VALUES[:1]).contenders == ("random",)


def test_the_best_is_rarely_ruled_out() -> None:
    """Of five equal strategies each is the best: one in particular is left out in 5% of backtests at most."""
    draws = np.random.default_rng(7).normal(0.8, 0.02, (200, 5, 9))
    left_out = sum("a" not in Quantity("area", tuple("abcde"), values).contenders for values in draws)
    assert left_out <= 20  # the chance of more is 0.02% at a rate of 5%


def test_where_less_is_better_the_lower_wins() -> None:
    margin = Quantity("area", ("random", "margin"), 1 - VALUES[:2], higher_is_better=False).against("random")[
        0
    ]
    assert (margin.wins, margin.ties, margin.losses) == (7, 1, 0)
    assert margin.difference == pytest.approx(-0.7 / 8)
    assert margin.better


def test_seeds_without_the_number_are_left_out_of_the_pair() -> None:
    values = VALUES[:2].copy()
    values[0, 0] = np.nan
    values[1, 1] = np.nan
    test = Quantity("rare", ("random", "margin"), values).between("margin", "random")
    assert (test.wins, test.ties, test.losses) == (5, 1, 0)


def test_ranks_and_means_that_point_different_ways_claim_nothing() -> None:
    """Nineteen small gains against one great loss: the ranks say better, the mean says worse."""
    apart = np.append(np.linspace(0.001, 0.002, 19), -0.9)
    test = Quantity("area", ("a", "b"), np.stack([0.95 + apart, np.full(20, 0.95)])).between("a", "b")
    assert test.corrected < 0.01
    assert test.difference < 0 < test.effect
    assert not test.significant
    assert not test.better
    assert not test.worse
