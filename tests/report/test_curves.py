"""Learning curves against numbers worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.report import Curve, Point, Saving, labels_to_reach, mean_heights, saving
from lamplighter.rounds import Estimate, RoundFacts


def curve(*points: tuple[int, float], higher_is_better: bool = True) -> Curve:
    made = tuple(Point(n, v, v - 0.01, v + 0.01, i) for i, (n, v) in enumerate(points, 1))
    return Curve(made, higher_is_better)


OURS = curve((100, 0.5), (200, 0.7), (300, 0.9), (400, 0.92))
RANDOM = curve((100, 0.4), (200, 0.6), (300, 0.7), (400, 0.8))


@pytest.mark.parametrize(
    ("value", "labels"),
    [(0.3, 100), (0.5, 100), (0.6, 150), (0.7, 200), (0.8, 250), (0.91, 350), (0.92, 400), (0.93, None)],
)
def test_labels_to_reach_interpolates(value: float, labels: float | None) -> None:
    assert labels_to_reach(OURS, value) == (None if labels is None else pytest.approx(labels))


def test_the_first_crossing_counts() -> None:
    assert labels_to_reach(curve((0, 0.0), (100, 1.0), (200, 0.2), (300, 1.0)), 0.5) == 50


def test_a_loss_is_reached_from_above() -> None:
    falling = curve((100, 1.0), (200, 0.5), higher_is_better=False)
    assert labels_to_reach(falling, 0.75) == 150
    assert labels_to_reach(falling, 1.5) == 100
    assert labels_to_reach(falling, 0.4) is None


def test_no_points_reach_nothing() -> None:
    assert labels_to_reach(curve(), 0.0) is None


def test_saving_at_the_control_s_final_value() -> None:
    saved = saving(OURS, RANDOM, cost_per_label=0.5)
    assert saved is not None
    assert (saved.value, saved.control_needed) == (0.8, 400)
    assert saved.needed == pytest.approx(250)
    assert saved.labels == pytest.approx(150)
    assert saved.share == pytest.approx(0.375)
    assert saved.cost == pytest.approx(75)


def test_a_slower_campaign_saves_less_than_nothing() -> None:
    slower = saving(curve((100, 0.4), (500, 0.8)), RANDOM)
    assert slower is not None
    assert slower.labels == pytest.approx(-100)
    assert slower.share == pytest.approx(-0.25)
    assert slower.cost is None


@pytest.mark.parametrize(("ours", "control"), [(RANDOM, OURS), (curve(), RANDOM), (OURS, curve())])
def test_nothing_is_claimed_of_what_was_not_reached(ours: Curve, control: Curve) -> None:
    assert saving(ours, control) is None


def test_a_control_without_labels_gives_no_share() -> None:
    assert Saving(value=0.5, needed=10, control_needed=0).share == 0


def test_mean_heights_over_the_common_range() -> None:
    # 200 to 300 is common: (0.7 + 0.9) / 2, and 0.5 to 1.0 with a corner at 250.
    heights = mean_heights(
        curve((100, 0.5), (200, 0.7), (300, 0.9)), curve((200, 0.5), (250, 0.9), (400, 0.9))
    )
    assert heights == pytest.approx((0.8, (0.7 + 0.9) / 2))


@pytest.mark.parametrize("other", [curve(), curve((500, 0.5), (600, 0.6)), curve((400, 0.5))])
def test_no_common_range_no_heights(other: Curve) -> None:
    assert mean_heights(OURS, other) is None


def test_of_equal_labels_the_last_counts_for_the_area() -> None:
    assert mean_heights(curve((0, 0.0), (0, 1.0), (10, 1.0)), curve((0, 1.0), (10, 1.0))) == (1.0, 1.0)


def test_rounds_without_a_metric_are_left_out() -> None:
    estimate = Estimate(value=0.8, low=0.7, high=0.9, n=50)
    facts = [
        RoundFacts(1, 0, 0, 0.0, 0, None, None, 10),
        RoundFacts(2, 10, 10, 0.0, 0, estimate, None, 10),
    ]
    assert Curve.of(facts).points == (Point(labels=10, value=0.8, low=0.7, high=0.9, round=2),)
    assert not Curve.of(facts, higher_is_better=False).higher_is_better


points = st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 1)), min_size=1, max_size=20)


@given(points, st.floats(0, 1))
def test_the_interpolated_labels_lie_between_two_rounds(made: list[tuple[int, float]], value: float) -> None:
    labels = labels_to_reach(curve(*made), value)
    assert (labels is None) == (max(v for _, v in made) < value)
    if labels is not None:
        assert min(n for n, _ in made) <= labels <= max(n for n, _ in made)


@given(points)
def test_a_curve_saves_nothing_against_itself(made: list[tuple[int, float]]) -> None:
    itself = saving(curve(*made), curve(*made))
    assert itself is not None
    assert itself.labels == 0
