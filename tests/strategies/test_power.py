"""The power strategies draw what they say, and their recorded probabilities can be relied on."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from lamplighter.arrays import F32, F64
from lamplighter.errors import ConfigError
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Block, Output, Shortlist
from lamplighter.strategies.power import Power, PowerEntropy, PowerMargin
from lamplighter.testing.strategy_round import context


def proba_of(scores: list[float] | F64) -> F32:
    """Give two-class probabilities with these margin scores."""
    first = 1 - np.asarray(scores) / 2
    return np.asfortranarray(np.column_stack([first, 1 - first]), dtype=np.float32)


def drawn(strategy: Power, proba: F32, seed: int) -> Shortlist:
    """Draw all rows, best first."""
    ids = pa.array(range(len(proba)), pa.int64())
    score = strategy.score(Block(ids, {Output.PROBA: proba}, seed, 1))
    n = len(proba)
    where = np.zeros(n, np.int32)
    whole = Shortlist(
        ids, score, np.zeros(n, np.uint64), where, where, np.arange(n, dtype=np.int64), {Output.PROBA: proba}
    )
    return whole.take(np.argsort(-score, kind="stable"))


def test_weights_by_hand() -> None:
    weights = PowerMargin(beta=2, floor=0.1).weights(proba_of([0.0, 0.5, 1.0]))
    assert weights == pytest.approx([0.1, 0.9 * 0.25 + 0.1, 1.0])


def test_entropy_weights_by_hand() -> None:
    proba = np.asfortranarray([[0.25] * 4, [0.5, 0.5, 0, 0], [1, 0, 0, 0]], dtype=np.float32)
    assert PowerEntropy(beta=2, floor=0.1).weights(proba) == pytest.approx([1.0, 0.9 * 0.25 + 0.1, 0.1])
    assert PowerEntropy(floor=0.1).weights(np.ones((2, 1), np.float32)) == pytest.approx([0.1, 0.1])


def test_the_two_draw_by_different_numbers() -> None:
    flat = proba_of([0.3] * 50)
    a, b = (drawn(strategy, flat, seed=1).ids.to_pylist() for strategy in (PowerMargin(), PowerEntropy()))
    assert a != b


@pytest.mark.parametrize("strategy", [PowerMargin(beta=1, floor=0.05), PowerEntropy(beta=1, floor=0.05)])
def test_ordered_draws_follow_successive_sampling_exactly(strategy: Power) -> None:
    draws = 6000
    proba = proba_of([0.05, 0.2, 0.4, 0.6, 0.8, 1.0])
    weight = strategy.weights(proba)
    pairs = list(permutations(range(6), 2))
    total = weight.sum()
    expected = [draws * weight[i] / total * weight[j] / (total - weight[i]) for i, j in pairs]
    seen = [tuple(drawn(strategy, proba, seed).ids.to_pylist()[:2]) for seed in range(draws)]
    observed = [seen.count(pair) for pair in pairs]
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize("strategy", [PowerMargin(), PowerEntropy()])
def test_inclusion_probabilities_estimate_the_pool(strategy: Power) -> None:
    n, k = 3000, 150
    scores = np.random.default_rng(0).beta(0.3, 2, size=n)
    proba = proba_of(scores)
    sizes, totals = [], []
    for seed in range(200):
        shortlist = drawn(strategy, proba, seed)
        choice = strategy.choose(shortlist.take(np.arange(2 * k)), context(k))
        pi = choice.columns["inclusion_probability"]
        sizes.append(np.sum(1 / pi))
        totals.append(np.sum(scores[shortlist.row[:k]] / pi))
    for estimates, truth in ((sizes, n), (totals, scores.sum())):
        error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
        assert abs(np.mean(estimates) - truth) < 4 * error


def test_explain_by_hand() -> None:
    strategy = PowerMargin(floor=0.5)
    shortlist = drawn(strategy, proba_of([0.0, 1.0, 1.0, 0.0]), seed=4)
    columns = strategy.choose(shortlist, context(2)).columns
    tau = np.exp(-float(shortlist.score[2]))
    assert columns["power_tau"] == pytest.approx([tau, tau])
    assert columns["power_rank"].tolist() == [1, 2]
    weights = [1.0 if row in (1, 2) else 0.5 for row in shortlist.ids.to_pylist()[:2]]
    assert columns["power_weight"] == pytest.approx(weights)
    assert columns["inclusion_probability"] == pytest.approx([1 - np.exp(-w * tau) for w in weights])


def test_a_batch_of_the_whole_pool_is_certain() -> None:
    shortlist = drawn(PowerMargin(), proba_of([0.1, 0.9]), seed=1)
    columns = PowerMargin().choose(shortlist, context(2)).columns
    assert columns["inclusion_probability"].tolist() == [1, 1]


def test_the_shortlist_holds_the_row_after_the_last_pick() -> None:
    assert all(PowerMargin().oversample * k >= k + 1 for k in (1, 2, 1000))


def test_beta_zero_is_random_and_a_large_beta_is_margin() -> None:
    scores = np.linspace(0.0, 1.0, 50)
    flat = PowerMargin(beta=0).weights(proba_of(scores))
    assert np.ptp(flat) == pytest.approx(0)
    sharp = drawn(PowerMargin(beta=2000, floor=1e-12), proba_of(scores), seed=2)
    assert sharp.ids[0].as_py() == 49


@pytest.mark.parametrize("name", ["power_margin", "power_entropy"])
@pytest.mark.parametrize(
    "params", [{"beta": -1}, {"beta": float("nan")}, {"floor": 0}, {"floor": 1.5}, {"beta": "x"}]
)
def test_wrong_parameters_are_refused(name: str, params: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        STRATEGIES.build(name, params)
