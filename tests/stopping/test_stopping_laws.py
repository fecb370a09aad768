"""What holds for every registered rule, and what their parameters may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError, UnknownName
from lamplighter.rounds import Estimate, RoundFacts, decide
from lamplighter.stopping import STOPPING, Stop, StoppingRule
from lamplighter.testing.stopping import LAWS, histories

PARAMS: dict[str, list[dict[str, Any]]] = {
    "target": [{"value": 0.6}, {"value": 0.4, "higher_is_better": False}],
    "budget": [{"labels": 200}, {"cost": 5}, {"rounds": 4}],
    "diminishing_returns": [{}, {"rounds": 1, "min_gain": 0.05}, {"higher_is_better": False}],
    "stability": [{"churn": 0.04, "rounds": 2}, {}],
    "exhausted": [{}],
}
RULES = [STOPPING.build(name, params) for name in STOPPING.names() for params in PARAMS[name]]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_every_rule_keeps_every_law(rule: StoppingRule, law: Callable[[StoppingRule], None]) -> None:
    law(rule)


def test_the_made_up_histories_make_every_rule_stop_and_go_on() -> None:
    """Else the laws would be tried on nothing."""
    for name in PARAMS:
        said = {
            rule.decide(history) is None
            for rule in RULES
            if type(rule) is STOPPING.get(name)
            for history in histories()
        }
        assert said == {True, False}, name


@dataclass
class Forgetful(StoppingRule):
    """Counts its own calls: everything a rule must not be."""

    calls: list[int] = field(default_factory=list)

    def decide(self, history: object) -> Stop | None:
        self.calls.append(1)
        return Stop("", "enough") if len(self.calls) > 3 else None


@pytest.mark.parametrize(
    "law",
    [law for law in LAWS if "history_alone" not in law.__name__ and "before" not in law.__name__],
    ids=lambda law: law.__name__,
)
def test_the_laws_catch_a_rule_with_a_memory(law: Callable[[StoppingRule], None]) -> None:
    with pytest.raises((AssertionError, TypeError)):
        law(Forgetful())


estimates = st.builds(
    lambda value, half: Estimate(value=value, low=value - half, high=value + half, n=100),
    st.floats(0, 1),
    st.floats(0, 0.5),
)
rounds = st.builds(
    RoundFacts,
    round=st.integers(1, 50),
    labelled_rows=st.integers(0, 500),
    annotations=st.integers(0, 500),
    cost=st.floats(0, 50),
    outstanding=st.integers(0, 3),
    metric=st.none() | estimates,
    churn=st.none() | st.floats(0, 1),
    selected=st.none() | st.integers(0, 3),
)


@given(st.lists(rounds, max_size=12))
def test_rules_are_pure_on_any_history(history: list[RoundFacts]) -> None:
    before = list(history)
    answers = [rule.decide(history) for rule in RULES]
    assert answers == [rule.decide(tuple(history)) for rule in RULES]
    assert history == before


@given(st.lists(rounds, max_size=12))
def test_the_first_rule_in_the_file_gives_the_reason(history: list[RoundFacts]) -> None:
    stops = [stop for rule in RULES if (stop := rule.decide(history))]
    assert decide(history, RULES) == (stops[0] if stops else None)


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("target", {"value": 95}, "value is 95; allowed: a number above 0 and below 1"),
        ("target", {"value": 1.0}, "value is 1.0; allowed"),
        ("target", {"value": 0}, "value is 0"),
        ("target", {"value": float("nan")}, "value is nan"),
        ("target", {"value": "0.9"}, "value is '0.9'"),
        ("target", {"value": True}, "value is True"),
        ("target", {"value": -1.0, "higher_is_better": False}, "value is -1.0; allowed: a number above 0"),
        ("target", {}, "value"),
        ("budget", {}, "give at least one of labels, cost and rounds"),
        ("budget", {"labels": 0}, "labels is 0; allowed: a whole number of at least 1"),
        ("budget", {"labels": 10.5}, "labels is 10.5"),
        ("budget", {"rounds": True}, "rounds is True"),
        ("budget", {"cost": 0}, "cost is 0; allowed: a number above 0"),
        ("budget", {"cost": float("inf")}, "cost is inf"),
        ("diminishing_returns", {"rounds": 0}, "rounds is 0; allowed: a whole number of at least 1"),
        ("diminishing_returns", {"min_gain": -0.1}, "min_gain is -0.1; allowed: a number of at least 0"),
        ("stability", {"churn": 1}, "churn is 1; allowed: a share of at least 0 and below 1"),
        ("stability", {"churn": -0.1}, "churn is -0.1"),
        ("stability", {"rounds": "3"}, "rounds is '3'"),
    ],
)
def test_wrong_parameters_are_named(name: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=r".") as error:
        STOPPING.build(name, params)
    assert said in str(error.value)


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(UnknownName, match="did you mean 'stability'"):
        STOPPING.build("stabilty")
    with pytest.raises(UnknownName, match="did you mean 'rounds'"):
        STOPPING.build("budget", {"round": 3})
