"""Curves on a common grid, areas, and t intervals, against numbers worked out by hand."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from lamplighter.backtest.curves import Curves, common_labels, curves
from lamplighter.backtest.means import SHARE, band, mean
from lamplighter.backtest.runs import PairedRuns, Point, Run
from lamplighter.errors import ConfigError
from tests.backtest.fakes import run


def of(*runs: Run) -> Curves:
    return curves(PairedRuns.of(runs, "accuracy"), lambda point: point.metrics["accuracy"])


def test_an_area_by_hand() -> None:
    # (0.2 + 0.6)/2 over 10 labels and (0.6 + 0.8)/2 over 30: (4 + 21) / 40.
    found = of(run("a", 0, [0.2, 0.6, 0.8], [10, 20, 50]))
    assert_allclose(found.areas, [[25 / 40]], rtol=1e-15)
    assert_array_equal(found.last, [[0.8]])


def test_runs_on_uneven_grids_meet_on_their_union() -> None:
    found = of(run("a", 0, [0.0, 1.0], [10, 30]), run("b", 0, [0.5, 0.1, 0.2], [10, 14, 30]))
    assert_array_equal(found.labels, [10, 14, 30])
    assert_allclose(found.values[:, 0], [[0.0, 0.2, 1.0], [0.5, 0.1, 0.2]], rtol=1e-15)


def test_only_the_range_that_all_runs_cover_counts() -> None:
    found = of(run("a", 0, [0.0, 1.0], [0, 100]), run("b", 0, [0.5, 0.7], [20, 60]))
    assert_array_equal(found.labels, [20, 60])
    assert_allclose(found.values[:, 0], [[0.2, 0.6], [0.5, 0.7]], rtol=1e-15)
    assert_allclose(found.areas[:, 0], [0.4, 0.6], rtol=1e-15)


def test_a_range_without_length_has_the_value_there_for_an_area() -> None:
    found = of(run("a", 0, [0.2, 0.4], [10, 20]), run("b", 0, [0.9], [15]))
    assert_array_equal(found.labels, [15])
    assert_allclose(found.areas[:, 0], [0.3, 0.9], rtol=1e-15)


def test_of_rounds_with_equal_labels_the_last_counts() -> None:
    assert_array_equal(of(run("a", 0, [0.1, 0.2, 0.4], [10, 20, 20])).values, [[[0.1, 0.4]]])


def test_runs_without_a_common_range_are_refused() -> None:
    runs = PairedRuns.of([run("a", 3, [0.1, 0.2], [10, 20]), run("b", 3, [0.1, 0.2], [30, 40])], "accuracy")
    with pytest.raises(ConfigError, match=r"'a' with seed 3 ends at 20 labels, before that of 'b' .* at 30"):
        common_labels(runs)


def test_a_number_that_a_run_lacks_anywhere_is_nan_throughout() -> None:
    def with_recall(strategy: str, values: list[float | None]) -> Run:
        points = [
            Point(labels=10 * i, metrics={"accuracy": 0.5}, recall={"a": v}) for i, v in enumerate(values, 1)
        ]
        return Run(strategy=strategy, seed=0, points=tuple(points))

    runs = PairedRuns.of([with_recall("x", [0.1, None]), with_recall("y", [0.2, 0.4])], "accuracy")
    found = curves(runs, lambda point: point.recall.get("a"))
    assert_array_equal(found.values[:, 0], [[np.nan, np.nan], [0.2, 0.4]])
    assert np.isnan(curves(runs, lambda point: point.recall.get("other")).values).all()


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]
    ),
    st.integers(1, 5),
)
def test_points_on_the_line_change_nothing(points: list[tuple[int, float]], parts: int) -> None:
    """An area is that of the curve and not of its points: more points on it leave it as it is."""
    points.sort()
    labels, values = [parts * n for n, _ in points], [v for _, v in points]
    finer = np.arange(labels[0], labels[-1] + 1)
    more = run("a", 0, [float(v) for v in np.interp(finer, labels, values)], [int(n) for n in finer])
    assert_allclose(of(run("a", 0, values, labels)).areas, of(more).areas, atol=1e-12)


def test_a_mean_by_hand() -> None:
    # Mean 0.5, s = 0.1, standard error 0.1 / sqrt 3; t with 2 degrees of freedom is 4.3027.
    found = mean(np.array([0.4, 0.5, 0.6]), SHARE)
    assert found is not None
    assert found.n == 3
    assert found.value == pytest.approx(0.5, abs=1e-15)
    assert found.error == pytest.approx(0.1 / sqrt(3))
    assert (found.low, found.high) == pytest.approx(
        (0.5 - 4.302653 * 0.1 / sqrt(3), 0.5 + 0.248414), abs=1e-6
    )


def test_an_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.02, 20)
    found = mean(values, SHARE)
    low, high = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


def test_an_interval_stays_within_what_is_possible() -> None:
    found = mean(np.array([0.7, 1.0]), SHARE)
    assert found is not None
    assert (found.low, found.high) == (0.0, 1.0)
    loss = mean(np.array([0.1, 1.3]), (0.0, inf))
    assert loss is not None
    assert loss.low == 0.0
    assert loss.high == pytest.approx(0.7 + 12.7062 * 0.6, rel=1e-5)


def test_one_seed_has_no_interval_and_none_no_mean() -> None:
    found = mean(np.array([np.nan, 0.25]), SHARE)
    assert found is not None
    assert (found.value, found.error, found.low, found.high, found.n) == (0.25, None, None, None, 1)
    assert mean(np.array([np.nan]), SHARE) is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = mean(np.full(3, 0.1), SHARE)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 1e-15


def test_a_band_leaves_out_rows_with_nan() -> None:
    values = np.array([[0.1, 0.2], [np.nan, np.nan], [0.3, 0.4]])
    for with_nan, without in zip(band(values, SHARE), band(values[[0, 2]], SHARE), strict=True):
        assert_array_equal(with_nan, without)
    middle, low, high = band(values[:1], SHARE)
    assert_array_equal(middle, [0.1, 0.2])
    assert np.isnan([low, high]).all()
