"""Whether one strategy is better than another: paired tests over seeds, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from lamplighter.arrays import F64, I64
from lamplighter.backtest.means import SHARE, Bounds, Mean, mean

#: A difference counts where its corrected p is below this.
LEVEL = 0.05
#: Differences of a metric behind this place are rounding.
DECIMALS = 12


@dataclass(frozen=True)
class Test:
    """Two strategies over the same seeds.

    Attributes
    ----------
    difference
        Mean of first - second, in the units of the number.
    wins, ties, losses
        Seeds in which the first was better, equal, worse.
    effect
        Rank-biserial correlation, from -1 to 1: see SignedRank.
    p, corrected
        Two-sided; `corrected` by Holm for all tests of the family.
    """

    first: str
    second: str
    difference: float
    wins: int
    ties: int
    losses: int
    effect: float
    p: float
    corrected: float
    higher_is_better: bool = True

    __test__ = False  # no case of pytest

    @property
    def significant(self) -> bool:
        """Whether the difference is more than luck, at LEVEL for the whole family.

        The test is one of ranks, and what is reported are means; where the two point different
        ways, nothing is claimed.
        """
        return self.corrected < LEVEL and self.effect * self.difference > 0

    @property
    def better(self) -> bool:
        """Whether the first is significantly better."""
        return self.significant and (self.difference > 0) == self.higher_is_better

    @property
    def worse(self) -> bool:
        """Whether the first is significantly worse."""
        return self.significant and not self.better

    @property
    def turned(self) -> Test:
        """The same test, seen from the second."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            difference=-self.difference,
            wins=self.losses,
            losses=self.wins,
            effect=-self.effect,
        )


@dataclass(frozen=True)
class Quantity:
    """One number per run, by which strategies are compared.

    Attributes
    ----------
    values
        (S, n) by strategy and seed; NaN where a run does not have it.
    """

    name: str
    strategies: tuple[str, ...]
    values: F64
    higher_is_better: bool = True
    bounds: Bounds = SHARE

    @cached_property
    def means(self) -> Mapping[str, Mean | None]:
        """Mean over seeds of each strategy."""
        return {s: mean(row, self.bounds) for s, row in zip(self.strategies, self.values, strict=True)}

    def of(self, strategy: str) -> F64:
        """Give the values of a strategy: (n,)."""
        return np.asarray(self.values[self.strategies.index(strategy)], np.float64)

    def against(self, strategy: str) -> tuple[Test, ...]:
        """Test every other strategy against one: a family of S - 1 tests."""
        return self._families[strategy]

    def between(self, first: str, second: str) -> Test:
        """Give the test of two strategies out of the family of the first, seen from the first."""
        return next(test.turned for test in self.against(first) if test.first == second)

    @cached_property
    def contenders(self) -> tuple[str, ...]:
        """Give the strategies of which none is significantly better, each in its own family.

        The truly best is among them in 95% of backtests: it is left out only if one of its own
        S - 1 tests is a false claim. So what is said of the best needs no correction for all
        S (S - 1) / 2 pairs, though the runs themselves say which is best (Hsu 1984,
        doi:10.1214/aos/1176346720, for normal means).
        """
        return tuple(s for s in self.strategies if not any(test.better for test in self.against(s)))

    def differences(self, first: str, second: str) -> F64:
        """Give first - second of the seeds that both have: (<= n,), rounding taken off."""
        both = self.of(first) - self.of(second)
        return np.asarray(np.round(both[np.isfinite(both)], DECIMALS), np.float64)

    @cached_property
    def _families(self) -> Mapping[str, tuple[Test, ...]]:
        tests = {pair: self._test(*pair) for pair in permutations(self.strategies, 2)}
        return {s: _corrected([tests[o, s] for o in self.strategies if o != s]) for s in self.strategies}

    def _test(self, first: str, second: str) -> Test:
        apart = self.differences(first, second)
        up, down = int((apart > 0).sum()), int((apart < 0).sum())
        wins, losses = (up, down) if self.higher_is_better else (down, up)
        difference = float(apart.mean()) if len(apart) else 0.0
        found = signed_rank(apart)
        return Test(
            first,
            second,
            difference,
            wins=wins,
            ties=len(apart) - wins - losses,
            losses=losses,
            effect=found.effect,
            p=found.p,
            corrected=found.p,
            higher_is_better=self.higher_is_better,
        )


def _corrected(tests: Sequence[Test]) -> tuple[Test, ...]:
    corrected = holm([test.p for test in tests])
    return tuple(replace(test, corrected=c) for test, c in zip(tests, corrected, strict=True))


class SignedRank(NamedTuple):
    """Two-sided p of the signed-rank test, and the rank-biserial correlation.

    `effect` is (W+ - W-) / (W+ + W-), W the sums of the ranks of positive and of negative
    differences: 1 where all are positive, 0 where they balance.
    """

    p: float
    effect: float


def signed_rank(differences: F64) -> SignedRank:
    """Do Wilcoxon's signed-rank test, two-sided, exact for any ties and zeros.

    W is the sum of the ranks of |d| over positive d. Equal |d| share their mean rank; zeros are
    ranked too, and then dropped (Pratt), which is more careful than to leave them out before.
    Given the ranks, each sign is a fair coin if there is no difference, so the distribution of W is
    a convolution of as many coins as there are d other than zero: p = 2 min(P(W <= w), P(W >= w)),
    at most 1. scipy's exact method takes all ranks for distinct, and its other method is an
    approximation. O(n^3) time, O(n^2) memory; 20 seeds take microseconds.

    Two-sided p is never below 2 / 2^n: with fewer than 6 differences other than zero not below .05.

    Parameters
    ----------
    differences
        (n,); what is behind the twelfth decimal place is taken for rounding.

    References
    ----------
    Wilcoxon 1945, doi:10.2307/3001968; Pratt 1959, doi:10.1080/01621459.1959.10501526.
    """
    apart = np.round(differences, DECIMALS)
    if not apart.any():
        return SignedRank(1.0, 0.0)
    # Twice the ranks are whole numbers, half ranks of ties included.
    ranks = np.round(2 * rankdata(np.abs(apart))).astype(np.int64)
    total, w = int(ranks[apart != 0].sum()), int(ranks[apart > 0].sum())
    chances = _sums(ranks[apart != 0])
    p = min(1.0, 2 * min(float(chances[: w + 1].sum()), float(chances[w:].sum())))
    return SignedRank(p, (2 * w - total) / total)


def _sums(ranks: I64) -> F64:
    """Give the chance of every sum of a random subset of whole numbers: (total + 1,)."""
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        taken = np.zeros_like(chances)
        taken[rank:] = chances[: len(chances) - rank]
        chances = (chances + taken) / 2
    return chances


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number, so that one false claim in all has a chance of 5% at most.

    The i-th smallest of m becomes max over j <= i of min(1, (m - j + 1) p_j); it needs no
    independence.

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6, 65-70.

    >>> [round(q, 3) for q in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    steps = np.minimum(1.0, np.maximum.accumulate(np.asarray(p, np.float64)[order] * factors))
    corrected = np.empty(len(p))
    corrected[order] = steps
    return [float(value) for value in corrected]


def smallest_corrected(seeds: int, tests: int) -> float:
    """Give the least corrected p that any of so many tests can have: 2 / 2^n, times their number."""
    return float(min(1.0, tests * 2.0 ** (1 - seeds)))


def seeds_needed(tests: int) -> int:
    """Give the number of seeds from which on one of so many tests can be significant.

    >>> [seeds_needed(tests) for tests in (1, 5, 15)]
    [6, 8, 10]
    """
    seeds = 1
    while smallest_corrected(seeds, tests) >= LEVEL:
        seeds += 1
    return seeds
