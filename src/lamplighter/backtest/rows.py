"""Rows of the report's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamplighter.backtest.comparison import Quantity, Test
from lamplighter.backtest.means import Mean
from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.reaching import Reach


@dataclass(frozen=True)
class Span:
    """Where an interval lies on the common scale of a table, in per cent."""

    left: float
    width: float
    tick: float


@dataclass(frozen=True)
class StrategyRow:
    """One strategy; `against` is None for the control itself, and without one."""

    name: str
    area: Mean | None
    span: Span | None
    final: Mean | None
    against: Test | None
    reach: Reach | None
    seconds: Mapping[str, float | None]


@dataclass(frozen=True)
class Matrix:
    """Every strategy against every other; cells are None on the diagonal."""

    title: str
    strategies: Sequence[str]
    cells: Sequence[Sequence[Test | None]]


@dataclass(frozen=True)
class RecallRow:
    """One class: its rows in the data, and the mean recall of each strategy, best strategy first."""

    name: str
    rows: int
    rarest: bool
    means: Sequence[Mean | None]


def strategies(outcome: Outcome) -> list[StrategyRow]:
    """Give every strategy, best mean area first."""
    control = outcome.control
    against = {test.first: test for test in outcome.area.against(control)} if control else {}
    spans = _spans(outcome.area)
    return [
        StrategyRow(
            name,
            outcome.area.means[name],
            spans.get(name),
            outcome.final.means[name],
            against.get(name),
            outcome.reaches.get(name),
            outcome.seconds[name],
        )
        for name in outcome.ranked
    ]


def _spans(quantity: Quantity) -> dict[str, Span]:
    """Put the intervals of all strategies on one scale, from the least bound to the greatest."""
    ends = {
        name: (m.value, m.value if m.low is None else m.low, m.value if m.high is None else m.high)
        for name, m in quantity.means.items()
        if m is not None
    }
    if not ends:
        return {}
    least, greatest = min(e[1] for e in ends.values()), max(e[2] for e in ends.values())
    scale = 100 / (greatest - least) if greatest > least else 0.0
    return {
        name: Span((low - least) * scale, (high - low) * scale, (value - least) * scale)
        for name, (value, low, high) in ends.items()
    }


def matrix(outcome: Outcome, quantity: Quantity, title: str) -> Matrix:
    """Give the tests of all pairs, strategies in the order of their areas."""
    order = outcome.ranked
    cells = [[None if a == b else quantity.between(a, b) for b in order] for a in order]
    return Matrix(title, order, cells)


def recalls(outcome: Outcome) -> list[RecallRow]:
    """Give every class with its recall at the end, the worst under the recommended strategy first."""
    rarest, pick = outcome.setting.rarest, outcome.recommendation.strategy
    rows = [
        RecallRow(
            name,
            outcome.setting.class_rows.get(name, 0),
            name == rarest,
            [quantity.means[strategy] for strategy in outcome.ranked],
        )
        for name, quantity in outcome.recall.items()
    ]
    at = outcome.ranked.index(pick)
    return sorted(rows, key=lambda row: _worst_first(row.means[at]))


def _worst_first(mean: Mean | None) -> tuple[bool, float]:
    return mean is None, mean.value if mean else 0.0
