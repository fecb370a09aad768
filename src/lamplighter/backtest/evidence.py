"""What a recommendation rests on, and how it is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lamplighter.backtest.comparison import Quantity, Test
from lamplighter.backtest.curves import Span
from lamplighter.backtest.means import Mean, standard_error
from lamplighter.backtest.reaching import Reach
from lamplighter.report.text import count, decimal, money, shorten

#: A strategy is called faster when it takes less than this share of the other's time.
FASTER = 0.8
#: Strategies that a sentence names before it counts the others.
_NAMED = 4


@dataclass(frozen=True)
class Evidence:
    """What the advice rests on.

    Attributes
    ----------
    ranked
        Strategies, best mean area first.
    control, default
        Names; either may not be among the strategies.
    reaches
        By strategy; empty without the control.
    final
        Mean of the metric at the end, by strategy.
    seconds
        Median of a round, by strategy.
    span
        Where the runs are compared.
    """

    metric: str
    area: Quantity
    ranked: tuple[str, ...]
    control: str
    default: str
    reaches: Mapping[str, Reach]
    final: Mapping[str, Mean | None]
    seconds: Mapping[str, float | None]
    span: Span

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return len(self.area.values[0])

    @property
    def best(self) -> str:
        """The strategy of the best mean area."""
        return self.ranked[0]

    @cached_property
    def against(self) -> Mapping[str, Test]:
        """Every strategy's test against the control, best mean first; empty without it."""
        if not self.controlled:
            return {}
        found = {test.first: test for test in self.area.against(self.control)}
        return {name: found[name] for name in self.ranked if name in found}

    @property
    def controlled(self) -> bool:
        """Whether the control was run."""
        return self.control in self.ranked

    @property
    def tests(self) -> int:
        """Size of a family of tests: of one strategy against all others."""
        return len(self.ranked) - 1

    @property
    def contenders(self) -> tuple[str, ...]:
        """Strategies that cannot be ruled out as the best, best mean first."""
        return tuple(name for name in self.ranked if name in self.area.contenders)

    def equals(self, strategy: str) -> tuple[str, ...]:
        """Give the strategies that cannot be told apart from one, if it may be the best."""
        return tuple(n for n in self.contenders if n != strategy) if strategy in self.contenders else ()

    def cheapest(self, candidates: Sequence[str]) -> str:
        """Give the fastest; the simpler one where the times are close: control, default, the better."""
        simple = [n for n in (self.control, self.default, *self.ranked) if n in candidates]
        return next(n for n in simple if not any(self.faster(other, n) for other in candidates))

    def faster(self, first: str, second: str) -> bool:
        """Whether the first takes clearly less time."""
        ours, theirs = self.seconds.get(first), self.seconds.get(second)
        return ours is not None and theirs is not None and ours < FASTER * theirs

    def default_as_good(self, strategy: str) -> bool:
        """Whether the default differs from a strategy by less than the standard error of that."""
        if self.default not in self.ranked or self.default in (strategy, self.control):
            return False
        apart = self.area.differences(strategy, self.default)
        return len(apart) > 1 and abs(float(apart.mean())) <= standard_error(apart)


def plain(metric: str) -> str:
    """Give a metric's name in words."""
    return metric.replace("_", " ")


def named(strategy: str) -> str:
    """Give a strategy's name, which may be anything, as a sentence can hold it."""
    return shorten(strategy, 40)


def listed(names: Sequence[str]) -> str:
    """Join names: a, b and c; of many the first, and how many others.

    >>> listed(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d and 2 others'
    """
    shown = [named(name) for name in names[:_NAMED]]
    rest = len(names) - len(shown)
    shown += [f"{rest} other{'s' if rest > 1 else ''}"] if rest else []
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def chance(test: Test) -> str:
    """Give the corrected p of a test."""
    return "p < 0.0001" if test.corrected < 1e-4 else f"p = {test.corrected:.2g}"


def height(mean: Mean | None) -> str:
    """Give a mean with its standard error."""
    if mean is None or mean.error is None:
        return decimal(mean.value if mean else None)
    return f"{decimal(mean.value)} ± {decimal(mean.error)}"


def needed(reach: Reach) -> str:
    """Give the labels a strategy needs."""
    if reach.needed is None:
        return "not reached"
    return f"{'at most ' if reach.at_start else ''}{count(reach.needed)}"


def control_needed(reach: Reach) -> str:
    """Give the labels the control needs."""
    return f"{'at most ' if reach.control_at_start else ''}{count(reach.control_needed)}"


def bound(reach: Reach) -> str:
    """Give what stands before a saving: whether it is a bound, because a curve begins high enough."""
    if reach.at_start == reach.control_at_start:
        return ""
    return "at least " if reach.at_start else "at most "


def saved(reach: Reach) -> str:
    """Give the labels saved, their share, and what they are worth; a dash if it never got there."""
    if reach.saved is None or reach.share is None:
        return "–"
    worth = "" if reach.money is None else f", {money(reach.money)}"
    return f"{bound(reach)}{count(reach.saved)} ({reach.share:.0%}{worth})"


def seeds(number: int) -> str:
    """Count seeds, one or many."""
    return f"{number} seed{'' if number == 1 else 's'}"
