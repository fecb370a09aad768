"""Stop when labels, money or rounds are used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamplighter.errors import ConfigError
from lamplighter.stopping.base import Stop, StoppingRule
from lamplighter.stopping.parameters import number, whole

if TYPE_CHECKING:
    from lamplighter.rounds import RoundFacts


@dataclass(frozen=True)
class Budget(StoppingRule):
    """Stop when the first of the given limits is reached.

    Attributes
    ----------
    labels
        Annotations that came back and cost money, over all rounds, answers on the holdout included; one
        that was changed counts once.
    cost
        Their cost, in the campaign's currency.
    rounds
        Rounds that went through to a selection. With `rounds: 5` five rounds dispatch; the sixth
        collects, trains and evaluates what came back, and stops. A round that stopped the campaign
        earlier, under a smaller budget, selected nothing and is not counted.

    cost_per_label
        What a label costs; with it the rule fires as soon as the money does not pay for another row.
    per_row
        Labels that a dispatched row may bring: with fewer left than that, the labels are used up.

    Raises
    ------
    ConfigError
        When no limit is given, or one is out of range.
    """

    labels: int | None = None
    cost: float | None = None
    rounds: int | None = None
    cost_per_label: float | None = None
    per_row: int = 1

    def __post_init__(self) -> None:
        if self.labels is None and self.cost is None and self.rounds is None:
            raise ConfigError("the budget has no limit; give at least one of labels, cost and rounds")
        if self.labels is not None:
            whole("labels", self.labels, 1)
        if self.rounds is not None:
            whole("rounds", self.rounds, 1)
        whole("per_row", self.per_row, 1)
        if self.cost is not None and number("cost", self.cost, "a number above 0") <= 0:
            raise ConfigError(f"cost is {self.cost!r}; allowed: a number above 0")

    def decide(self, history: Sequence[RoundFacts]) -> Stop | None:
        """Compare what is spent with the limits, labels first, then cost, then rounds."""
        if not history:
            return None
        now = history[-1]
        finished = sum(facts.selected is not None for facts in history)
        if self.labels is not None and now.annotations + self.per_row > self.labels:
            return Stop("budget", f"{now.annotations:,} labels came back of {self.labels:,} in the budget")
        if self.cost is not None and self._spent(now, self.cost):
            return Stop("budget", f"{now.cost:,.2f} of the budget of {self.cost:,.2f} is spent")
        if self.rounds is not None and finished >= self.rounds:
            return Stop("budget", f"{finished:,} rounds were run of {self.rounds:,} in the budget")
        return None

    def _spent(self, now: RoundFacts, cost: float) -> bool:
        if now.cost >= cost or self.cost_per_label is None:
            return now.cost >= cost
        return now.annotations + self.per_row > whole_labels(cost, self.cost_per_label)


def whole_labels(cost: float, cost_per_label: float) -> int:
    """Give how many labels some money pays for; 0.3 pays for three at 0.1, whatever floats say."""
    return int(cost / cost_per_label + 1e-9)
