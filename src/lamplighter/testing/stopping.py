"""The laws of stopping rules, for ours and for third parties' own.

In a test file::

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
    def test_my_rule_keeps_the_laws(law):
        law(MyRule(limit=3))

Each law runs the rule over made-up histories and raises AssertionError when it is broken.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass

import numpy as np

from lamplighter.rounds import Estimate, RoundFacts
from lamplighter.stopping.base import Stop, StoppingRule

History = Sequence[RoundFacts]


def histories(seed: int = 0, count: int = 40) -> list[tuple[RoundFacts, ...]]:
    """Make up histories as a campaign brings them forth, awkward ones among them.

    Rounds without a model or a metric, without new labels, with withdrawn labels, stopped and gone
    on, nothing selected; the current round, last, has neither churn nor selection yet.
    """
    generator = np.random.default_rng(seed)
    made = [_history(generator, int(length)) for length in generator.integers(1, 15, count)]
    return [(), *made]


def _history(generator: np.random.Generator, length: int) -> tuple[RoundFacts, ...]:
    labelled, annotations, history = 0, 0, []
    for number in range(1, length + 1):
        new = int(generator.choice([0, 0, 20, 100, -5]))
        labelled, annotations = max(0, labelled + new), annotations + abs(new)
        history.append(_facts(generator, number, (labelled, annotations), number < length))
    return tuple(history)


def _facts(
    generator: np.random.Generator, number: int, labels: tuple[int, int], committed: bool
) -> RoundFacts:
    value = float(generator.beta(2 + number, 2))
    half = float(generator.uniform(0.005, 0.1))
    scored = committed and generator.random() > 0.1
    return RoundFacts(
        round=number,
        labelled_rows=labels[0],
        annotations=labels[1],
        cost=labels[1] * 0.05,
        outstanding=int(generator.choice([0, 7])),
        metric=Estimate(value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=200)
        if generator.random() > 0.2
        else None,
        churn=float(generator.uniform(0, 0.05)) if scored and generator.random() > 0.2 else None,
        selected=int(generator.choice([0, 50])) if scored else None,
    )


def is_a_frozen_value(rule: StoppingRule) -> None:
    """A rule is a frozen dataclass: built again from its own parameters, it is equal and hashes alike."""
    _hold(is_dataclass(rule) and not isinstance(rule, type), f"{rule!r} is not a dataclass")
    again = type(rule)(**{f.name: getattr(rule, f.name) for f in fields(rule) if f.init})  # type: ignore[arg-type]  # rules are dataclasses
    _hold(again == rule and hash(again) == hash(rule), f"{rule!r} is not equal to itself built again")
    for f in fields(rule):  # type: ignore[arg-type]  # rules are dataclasses
        try:
            setattr(rule, f.name, getattr(rule, f.name))
        except AttributeError:
            continue
        raise AssertionError(f"{rule!r} lets its {f.name} be set; give @dataclass(frozen=True)")


def answers_alike_twice(rule: StoppingRule) -> None:
    """The same history gets the same answer, also after other histories, and as a list or a tuple."""
    first = [rule.decide(history) for history in histories()]
    second = [rule.decide(list(history)) for history in reversed(histories())][::-1]
    _hold(first == second, f"{rule!r} answers differently when it is asked again")


def survives_a_restart(rule: StoppingRule) -> None:
    """A rule that a new process built anew answers as one that has seen every round."""
    for history in histories():
        seen = [rule.decide(history[: i + 1]) for i in range(len(history))]
        fresh = [_reloaded(rule).decide(history[: i + 1]) for i in range(len(history))]
        _hold(seen == fresh, f"{rule!r} remembers: {seen} after every round, {fresh} after restarts")


def leaves_the_history_alone(rule: StoppingRule) -> None:
    """Deciding changes nothing that it is given."""
    for history in histories():
        given = list(history)
        before = copy.deepcopy(given)
        rule.decide(given)
        _hold(given == before, f"{rule!r} changes the history")


def gives_a_reason(rule: StoppingRule) -> None:
    """The answer is None, or a Stop with the rule's name and a sentence that has a number in it."""
    for history in histories():
        stop = rule.decide(history)
        if stop is None:
            continue
        _hold(isinstance(stop, Stop), f"{rule!r} gives {stop!r}; allowed: None or Stop")
        _hold(bool(stop.rule), f"{rule!r} gives a Stop without its name")
        _hold(any(c.isdigit() for c in stop.reason), f"{rule!r} gives no number in {stop.reason!r}")


def never_stops_before_the_first_round(rule: StoppingRule) -> None:
    """No history, no reason to stop."""
    stop = rule.decide(())
    _hold(stop is None, f"{rule!r} stops an empty history: {stop}")


#: Every law.
LAWS: tuple[Callable[[StoppingRule], None], ...] = (
    is_a_frozen_value,
    answers_alike_twice,
    survives_a_restart,
    leaves_the_history_alone,
    gives_a_reason,
    never_stops_before_the_first_round,
)


def _reloaded(rule: StoppingRule) -> StoppingRule:
    # Only of our own bytes: a rule travels to another process by reference to its class.
    loaded: StoppingRule = pickle.loads(pickle.dumps(rule))  # noqa: S301  (our own bytes)
    _hold(isinstance(loaded, type(rule)) and loaded == rule, f"{rule!r} is not the same after pickling")
    return loaded


def _hold(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
