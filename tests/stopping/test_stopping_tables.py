"""What each rule says of hand-made histories."""

from __future__ import annotations

import pytest

from lamplighter.rounds import Estimate, RoundFacts
from lamplighter.stopping import Budget, DiminishingReturns, Exhausted, Stability, Target
from tests.stopping.histories import facts, metric, rising

NOW = {"selected": None}


@pytest.mark.parametrize(
    ("history", "stops"),
    [
        ([], False),
        (rising(None), False),
        (rising(0.80), False),
        (rising(0.905), False),  # the value is past the target, its lower bound 0.895 is not
        (rising(0.91), True),  # the bound is exactly on it
        (rising(0.95), True),
        (rising(0.95, 0.80), False),  # only now counts
        (rising(0.95, None), False),
    ],
)
def test_target(history: list[RoundFacts], stops: bool) -> None:
    assert (Target(0.9).decide(history) is not None) == stops


@pytest.mark.parametrize(
    ("loss", "stops"),
    [
        (
            Estimate(value=0.28, low=0.25, high=0.31, n=9),
            False,
        ),  # low bound is past it: not the side that counts
        (Estimate(value=0.28, low=0.25, high=0.30, n=9), True),
        (Estimate(value=0.20, low=0.15, high=0.25, n=9), True),
    ],
)
def test_target_of_a_loss_looks_at_the_upper_bound(loss: Estimate, stops: bool) -> None:
    rule = Target(0.3, higher_is_better=False)
    assert (rule.decide([facts(1, 100, loss, selected=None)]) is not None) == stops


def test_target_says_what_it_saw() -> None:
    stop = Target(0.9).decide(rising(0.8, 0.92))
    assert stop is not None
    assert stop.rule == "target"
    assert stop.reason == (
        "the lower bound of the metric's 95% interval, 0.91, reaches the target 0.9 "
        "(value 0.92 on 1,000 holdout rows, round 2)"
    )


@pytest.mark.parametrize(
    ("rule", "history", "reason"),
    [
        (Budget(labels=200), rising(None), None),
        (Budget(labels=200), rising(None, None), "200 labels came back of 200 in the budget"),
        (Budget(labels=150), rising(None, None), "200 labels came back of 150 in the budget"),
        (Budget(cost=20.0), rising(None), None),
        (Budget(cost=20.0), rising(None, None), "20.00 of the budget of 20.00 is spent"),
        # Five rounds dispatch; the sixth collects what the fifth brought, and stops.
        (Budget(rounds=5), rising(*[None] * 5), None),
        (Budget(rounds=5), rising(*[None] * 6), "5 rounds were run of 5 in the budget"),
        (Budget(labels=10**6, rounds=5), rising(*[None] * 6), "5 rounds were run of 5 in the budget"),
        (Budget(labels=1), [], None),
    ],
)
def test_budget(rule: Budget, history: list[RoundFacts], reason: str | None) -> None:
    stop = rule.decide(history)
    assert (stop.reason if stop else None) == reason


def test_a_round_that_stopped_is_not_one_of_the_budget() -> None:
    """Stopped in round 3 under rounds=2; under rounds=3 one more dispatches, and round 5 stops."""
    stopped = [facts(1, 0), facts(2, 50), facts(3, 100, selected=None)]
    assert Budget(rounds=2).decide(stopped)
    assert not Budget(rounds=3).decide(stopped)
    assert not Budget(rounds=3).decide([*stopped, facts(4, 100, selected=None)])
    assert Budget(rounds=3).decide([*stopped, facts(4, 100), facts(5, 150, selected=None)])


@pytest.mark.parametrize(
    ("history", "stops"),
    [
        (rising(0.9, 0.9, 0.9), False),  # three rounds are two steps; three are wanted
        (rising(0.9, 0.9, 0.9, 0.9), True),
        (rising(0.70, 0.80, 0.85, 0.88), False),  # 0.18 gained
        # Two intervals of +-0.01 join to +-0.01414: a gain of 0.014 is noise, 0.015 is not.
        (rising(0.9, 0.9, 0.9, 0.914), True),
        (rising(0.9, 0.9, 0.9, 0.915), False),
        (rising(0.5, 0.9, 0.9, 0.9, 0.9), True),  # only the last three steps
        (rising(0.95, 0.9, 0.9, 0.9), True),  # it became worse
        (rising(None, 0.9, 0.9, 0.9), False),  # without a metric a round does not count
        (rising(None, 0.9, 0.9, None, 0.9, 0.9), True),
    ],
)
def test_diminishing_returns(history: list[RoundFacts], stops: bool) -> None:
    assert (DiminishingReturns().decide(history) is not None) == stops


def test_rounds_without_new_labels_are_no_steps() -> None:
    flat = [
        facts(1, 100, metric(0.9)),
        facts(2, 200, metric(0.9)),
        *(facts(i, 200, metric(0.9)) for i in range(3, 9)),
        facts(9, 300, metric(0.9), selected=None),
    ]
    assert DiminishingReturns(rounds=3).decide(flat) is None
    assert DiminishingReturns(rounds=2).decide(flat)


def test_the_latest_metric_stands_for_a_run_without_new_labels() -> None:
    """The holdout grew between rounds 2 and 3: the better measurement counts."""
    history = [
        facts(1, 100, metric(0.90)),
        facts(2, 200, metric(0.90, half=0.2)),
        facts(3, 200, metric(0.95, half=0.005), selected=None),
    ]
    assert DiminishingReturns(rounds=1).decide(history[:2])
    assert DiminishingReturns(rounds=1).decide(history) is None


def test_min_gain_must_be_exceeded_significantly() -> None:
    history = rising(0.80, 0.83)
    assert DiminishingReturns(rounds=1).decide(history) is None
    stop = DiminishingReturns(rounds=1, min_gain=0.02).decide(history)
    assert stop is not None
    assert stop.reason == (
        "from round 1 to 2 the metric went from 0.8 to 0.83 with 100 more labels; the gain +0.0300 "
        "(95% interval +0.0159 to +0.0441) is not significantly above 0.02"
    )


def test_a_falling_loss_is_a_gain() -> None:
    falling = rising(1.0, 0.5, 0.3, 0.2)
    assert DiminishingReturns(higher_is_better=False).decide(falling) is None
    assert DiminishingReturns().decide(falling)


def churning(*churns: float | None) -> list[RoundFacts]:
    """100 new labels a round, then the current round."""
    past = [facts(i, 100 * i, churn=churn) for i, churn in enumerate(churns, 1)]
    return [*past, facts(len(past) + 1, 100 * len(past) + 100, selected=None)]


@pytest.mark.parametrize(
    ("history", "stops"),
    [
        ([], False),
        (churning(None, 0.0, 0.0), False),
        (churning(None, 0.009, 0.01, 0.0), True),  # exactly on the threshold is stable
        (churning(None, 0.009, 0.011, 0.0), False),
        (churning(None, 0.5, 0.0, 0.0, 0.0), True),
        (churning(None, 0.0, 0.0, 0.0, 0.5), False),
        (churning(None, 0.0, 0.0, None, 0.0), True),  # unknown is skipped, not taken for stable
    ],
)
def test_stability(history: list[RoundFacts], stops: bool) -> None:
    assert (Stability().decide(history) is not None) == stops


def test_churn_without_new_labels_is_no_stability() -> None:
    idle = [facts(1, 100), *(facts(i, 100, churn=0.0) for i in range(2, 9)), facts(9, 100, selected=None)]
    assert Stability().decide(idle) is None


def test_stability_says_what_it_saw() -> None:
    stop = Stability(rounds=2).decide(churning(None, 0.004, 0.0061))
    assert stop is not None
    assert stop.reason == (
        "of a fixed sample of the pool no more than 1.00% changed its predicted class in each of the "
        "last 2 rounds with new labels (0.40%, 0.61%)"
    )


@pytest.mark.parametrize(
    ("history", "stops"),
    [
        ([], False),
        ([facts(1, 0, selected=None)], False),
        ([facts(1, 0, selected=50), facts(2, 50, selected=None)], False),
        ([facts(1, 0, selected=0), facts(2, 50, selected=None)], True),
        ([facts(1, 0, selected=0), facts(2, 50, selected=None, outstanding=3)], False),
        # Outstanding then, all in now: what counts is now.
        ([facts(1, 0, selected=0, outstanding=3), facts(2, 50, selected=None)], True),
        ([facts(1, 0, selected=0), facts(2, 0, selected=9), facts(3, 50, selected=None)], False),
        # Asked again on a campaign that had stopped.
        ([facts(1, 0, selected=0), facts(2, 9, selected=None), facts(3, 9, selected=None)], True),
    ],
)
def test_exhausted(history: list[RoundFacts], stops: bool) -> None:
    assert (Exhausted().decide(history) is not None) == stops
