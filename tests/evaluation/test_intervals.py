"""Intervals: Wilson's by hand and by its defining equation, the bootstrap by its coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import evaluation
from lamplighter.evaluation.intervals import Z, faultless, percentiles, resamples, wilson
from lamplighter.evaluation.scores import BY_NAME, Holdout, balanced_accuracy
from lamplighter.rounds import Metrics
from tests.evaluation.holdouts import holdout, names


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, pages 857 to 872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_equals_the_published_table(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_bounds_are_where_the_score_test_turns(case: tuple[int, int]) -> None:
    successes, n = case
    p = successes / n
    low, high = wilson(successes, n)
    assert 0 <= low <= p <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1 and bound != p:
            assert abs(p - bound) == pytest.approx(Z * (bound * (1 - bound) / n) ** 0.5, rel=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="allowed: 0 <= successes <= n"):
        wilson(successes, n)


def test_resamples_draw_n_rows_with_replacement() -> None:
    blocks = list(resamples(50, 3000, np.random.default_rng(0)))
    weights = np.concatenate(blocks)
    assert weights.shape == (3000, 50)
    assert (weights.sum(axis=1) == 50).all()
    # Binomial(50, 1/50): mean 1, variance 0.98, P(0) = 0.98^50.
    assert weights.mean() == 1
    assert weights.var() == pytest.approx(0.98, abs=0.02)
    assert (weights == 0).mean() == pytest.approx(0.98**50, abs=0.005)


def test_resamples_come_in_blocks_of_bounded_size() -> None:
    shapes = [block.shape for block in resamples(500_000, 10, np.random.default_rng(0))]
    assert shapes == [(4, 500_000), (4, 500_000), (2, 500_000)]


def test_faultless_of_one_class_is_wilson() -> None:
    assert faultless(np.array([37])) == pytest.approx(wilson(37, 37)[0])


def test_faultless_knows_that_one_row_proves_little() -> None:
    """One row right of a rare class: its recall may be next to anything, the mean moves by up to half."""
    even, skewed = faultless(np.array([500, 500])), faultless(np.array([999, 1]))
    assert even > 0.99
    assert skewed < 0.61


def _measured(n: int, classes: int, seed: int, signal: float = 1.5) -> Metrics:
    truth, proba = holdout(n, classes, seed, signal=signal)
    return evaluation.evaluate(truth, proba, names(classes), metric="accuracy", seed=seed, round=1)


@pytest.mark.parametrize("n", [1, 5, 40])
@pytest.mark.parametrize("metric", evaluation.METRICS)
def test_a_faultless_holdout_is_not_certain(n: int, metric: str) -> None:
    truth = np.arange(n, dtype=np.int32) % 3
    proba = np.eye(3, dtype=np.float32)[truth]
    estimate = evaluation.evaluate(truth, proba, names(3), metric=metric, seed=1, round=1).estimates[metric]
    if metric == "log_loss":
        assert estimate.value == estimate.low == 0
        assert estimate.high > 0.08
    else:
        assert estimate.value == estimate.high == 1
        assert estimate.low < 0.95


def test_accuracy_has_the_wilson_interval() -> None:
    metrics = _measured(200, 5, seed=1)
    accuracy = metrics.estimates["accuracy"]
    assert (accuracy.low, accuracy.high) == wilson(round(accuracy.value * 200), 200)
    assert accuracy.n == 200


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 10**6), st.floats(0, 6))
def test_every_value_lies_in_its_interval(n: int, classes: int, seed: int, signal: float) -> None:
    metrics = _measured(n, classes, seed, signal)
    for name, estimate in metrics.estimates.items():
        assert estimate.low <= estimate.value <= estimate.high, name
        if name != "log_loss":
            assert estimate.low >= 0
            assert estimate.high <= 1


def test_the_same_seed_and_round_give_the_same_intervals() -> None:
    truth, proba = holdout(80, 3, seed=5)
    args = (truth, proba, names(3))
    first = evaluation.evaluate(*args, metric="accuracy", seed=1, round=1)
    assert first == evaluation.evaluate(*args, metric="accuracy", seed=1, round=1)
    assert first != evaluation.evaluate(*args, metric="accuracy", seed=1, round=2)


def test_blocked_resampling_equals_resampling_row_by_row() -> None:
    """The fast path: weights drawn in blocks are the drawn rows counted."""
    truth, proba = holdout(37, 3, seed=2)
    drawn = np.random.default_rng(9).integers(0, 37, size=(25, 37))
    plain = [
        balanced_accuracy(Holdout(truth[rows], proba[rows]), np.ones((1, 37), np.float32))[0]
        for rows in drawn
    ]
    (weights,) = resamples(37, 25, np.random.default_rng(9))
    np.testing.assert_allclose(balanced_accuracy(Holdout(truth, proba), weights), plain)


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy", "average_precision", "log_loss"])
def test_intervals_cover_the_true_value(metric: str) -> None:
    """Of 95% intervals from 120 simulated holdouts nearly all hold the value that a huge holdout shows."""
    truth, proba = holdout(40_000, 3, seed=0)
    true_value = float(BY_NAME[metric].score(Holdout(truth, proba), np.ones((1, 40_000), np.float32))[0])
    estimates = [_measured(250, 3, seed=100 + i).estimates[metric] for i in range(120)]
    covered = sum(e.low <= true_value <= e.high for e in estimates)
    # Binomial(120, 0.95) lies in 106..119 with probability 0.997.
    assert 106 <= covered <= 120
    # And they are no wider than they must be: about four standard errors.
    spread = float(np.std([e.value for e in estimates]))
    assert 3.2 < float(np.mean([e.high - e.low for e in estimates])) / spread < 4.8


def test_percentiles_leave_two_and_a_half_percent_on_each_side() -> None:
    assert percentiles(np.arange(1001.0)) == (25.0, 975.0)
