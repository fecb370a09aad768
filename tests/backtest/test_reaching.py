"""Labels to the control's final value: interpolation, resampling, and strategies that never get there."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lamplighter.arrays import F64
from lamplighter.backtest import reaching
from lamplighter.backtest.evidence import needed, saved
from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.reaching import first_reached, reach
from lamplighter.report.curves import Curve, Point, labels_to_reach
from tests.backtest.fakes import points, realistic, run, setting

LABELS = np.array([10.0, 20.0, 40.0])


@pytest.mark.parametrize(
    ("heights", "target", "labels"),
    [
        ([0.2, 0.4, 0.8], 0.6, 30.0),
        ([0.2, 0.4, 0.8], 0.4, 20.0),
        ([0.2, 0.4, 0.8], 0.3, 15.0),
        ([0.2, 0.4, 0.8], 0.2, 10.0),
        ([0.2, 0.4, 0.8], 0.1, 10.0),  # from the start
        ([0.2, 0.4, 0.8], 0.8, 40.0),
        ([0.2, 0.4, 0.8], 0.81, np.inf),
        ([0.2, 0.6, 0.4], 0.5, 17.5),  # the first time, though it falls again
        ([0.5, 0.5, 0.5], 0.5, 10.0),
        ([0.2, 0.4, 0.3 + 0.3 - 1e-15], 0.6, 40.0),  # rounding does not keep it from getting there
    ],
)
def test_labels_by_hand(heights: list[float], target: float, labels: float) -> None:
    found = first_reached(LABELS, np.array([heights]), np.array([target]))
    assert_allclose(found, [labels], rtol=1e-12)


@given(
    st.lists(
        st.tuples(st.integers(1, 300), st.floats(0, 1)), min_size=1, max_size=9, unique_by=lambda p: p[0]
    ),
    st.floats(0, 1),
)
def test_labels_are_those_of_a_campaigns_curve(curve: list[tuple[int, float]], target: float) -> None:
    curve.sort()
    plain = labels_to_reach(Curve(tuple(Point(n, v, v, v, i) for i, (n, v) in enumerate(curve))), target)
    labels, heights = (np.array(side, np.float64) for side in zip(*curve, strict=True))
    found = float(first_reached(labels, heights[None], np.array([target]))[0])
    # Within the tolerance for rounding the two may see a different first point.
    if not np.any(np.abs(heights - target) < 1e-9):
        assert found == pytest.approx(np.inf if plain is None else plain, rel=1e-9)


def test_a_single_point_is_reached_or_not() -> None:
    found = first_reached(np.array([7.0]), np.array([[0.5], [0.4]]), np.array([0.5, 0.5]))
    assert_array_equal(found, [7.0, np.inf])


def curves_of(seed: int, n: int, top: float) -> F64:
    noise = np.random.default_rng(seed).normal(0, 0.02, (n, 1))
    return np.asarray(top * (1 - np.exp(-LABELS / 15)) + noise, np.float64)


def test_a_saving_by_hand() -> None:
    ours = np.array([[0.2, 0.6, 0.8], [0.0, 0.4, 0.8]])  # mean 0.1, 0.5, 0.8
    theirs = np.array([[0.1, 0.2, 0.5], [0.1, 0.2, 0.3]])  # mean 0.1, 0.2, 0.4
    found = reach(LABELS, ours, theirs, cost_per_label=0.5)
    assert found.needed == pytest.approx(10 + 10 * 0.3 / 0.4)
    assert found.control_needed == pytest.approx(40)
    assert found.saved == pytest.approx(22.5)
    assert found.share == pytest.approx(22.5 / 40)
    assert found.money == pytest.approx(11.25)
    assert found.reached == 1.0


def test_the_interval_is_that_of_all_resamples() -> None:
    """Three seeds have 27 resamples, all equally likely: the percentiles are among their values."""
    ours, theirs = curves_of(1, 3, 0.9), curves_of(2, 3, 0.7)
    found = reach(LABELS, ours, theirs)
    every = [
        float(first_reached(LABELS, ours[list(d)].mean(axis=0), theirs[list(d)].mean(axis=0)[-1]))
        for d in product(range(3), repeat=3)
    ]
    # The outermost resamples, a seed three times, have 1/27 each: more than 2.5%.
    assert found.needed_low == pytest.approx(min(every))
    assert found.needed_high == pytest.approx(max(every))


def test_the_bootstrap_is_the_same_every_time_whatever_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = curves_of(1, 12, 0.9), curves_of(2, 12, 0.7)
    found = reach(LABELS, ours, theirs)
    assert reach(LABELS, ours, theirs) == found
    monkeypatch.setattr(reaching, "_BLOCK", 500)
    in_blocks = reach(LABELS, ours, theirs)
    assert in_blocks.needed_low == pytest.approx(found.needed_low, rel=1e-12)
    assert in_blocks.saved_high == pytest.approx(found.saved_high, rel=1e-12)


def test_what_never_gets_there_has_no_saving() -> None:
    found = reach(LABELS, curves_of(1, 8, 0.3), curves_of(2, 8, 0.9), cost_per_label=1.0)
    assert (found.needed, found.saved, found.share, found.money) == (None, None, None, None)
    assert (found.needed_low, found.needed_high, found.saved_low, found.saved_high) == (None,) * 4
    assert found.reached == 0.0
    assert found.control_needed == 40.0


@pytest.mark.parametrize(
    ("ours", "theirs", "bounds", "words"),
    [
        ([0.5, 0.6, 0.7], [0.1, 0.2, 0.5], (True, False), ("at most 10", "at least 30 (75%)")),
        ([0.1, 0.2, 0.5], [0.5, 0.6, 0.5], (False, True), ("40", "at most -30 (-300%)")),
        ([0.5, 0.6, 0.7], [0.5, 0.6, 0.5], (True, True), ("at most 10", "0 (0%)")),
        ([0.1, 0.5, 0.7], [0.1, 0.2, 0.5], (False, False), ("20", "20 (50%)")),
    ],
)
def test_a_curve_that_begins_high_enough_gives_a_bound(
    ours: list[float], theirs: list[float], bounds: tuple[bool, bool], words: tuple[str, str]
) -> None:
    for seeds in (1, 3):
        found = reach(LABELS, np.tile(ours, (seeds, 1)), np.tile(theirs, (seeds, 1)))
        assert (found.at_start, found.control_at_start) == bounds
        assert (needed(found), saved(found)) == words


def test_what_gets_there_in_some_resamples_has_an_open_interval() -> None:
    control = np.tile([0.1, 0.2, 0.5], (4, 1))
    ours = np.array([[0.1, 0.3, 0.9], [0.1, 0.3, 0.6], [0.1, 0.2, 0.45], [0.1, 0.2, 0.3]])
    found = reach(LABELS, ours, control)
    assert found.needed is not None
    assert found.needed_low is not None
    assert found.needed_high is None
    assert found.saved_low is None
    assert found.saved_high is not None
    assert found.reached is not None
    assert 0.5 < found.reached < 1.0


def test_one_seed_has_no_interval() -> None:
    found = reach(LABELS, np.array([[0.1, 0.5, 0.6]]), np.array([[0.1, 0.2, 0.5]]))
    assert (found.needed, found.control_needed) == (20.0, 40.0)
    assert (found.needed_low, found.needed_high, found.saved_low, found.saved_high, found.reached) == (
        None,
    ) * 5


def test_the_control_saves_nothing_against_itself() -> None:
    found = Outcome.of(setting(), realistic(6)).reaches["random"]
    assert found.saved == 0.0
    assert (found.saved_low, found.saved_high) == (0.0, 0.0)


def test_where_less_is_better_the_curve_must_come_down() -> None:
    labels, loss = [10, 20, 30], {"random": [0.9, 0.8, 0.6], "margin": [0.9, 0.6, 0.5]}
    runs = [
        run(name, seed, [0.5]).model_copy(update={"points": points(labels, values, "log_loss")})
        for name, values in loss.items()
        for seed in range(2)
    ]
    found = Outcome.of(setting("log_loss"), runs)
    assert found.reaches["margin"].needed == pytest.approx(20)
    assert found.reaches["margin"].saved == pytest.approx(10)
    assert found.ranked == ("margin", "random")


def test_without_the_control_nothing_is_reached() -> None:
    found = Outcome.of(setting(), realistic(3, 4, ["margin", "badge"]))
    assert found.control is None
    assert found.reaches == {}
    assert found.notices[0].startswith("random was not run")
