"""Stop when the model is surely good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamplighter.errors import ConfigError
from lamplighter.stopping.base import Stop, StoppingRule
from lamplighter.stopping.parameters import number

if TYPE_CHECKING:
    from lamplighter.rounds import RoundFacts


@dataclass(frozen=True)
class Target(StoppingRule):
    """Stop when the bound of the metric's 95% interval that faces the target reaches it.

    The bound rather than the value, because on a small holdout the value reaches any target by
    luck. The price is that the value stops a little past the target.

    Attributes
    ----------
    value
        The target: in (0, 1) where higher is better, above 0 for a loss. A bound never reaches 1.
    higher_is_better
        Set by the campaign from its metric.

    Raises
    ------
    ConfigError
        For a value outside its range.
    """

    value: float
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        allowed = (
            "a number above 0 and below 1, such as 0.95" if self.higher_is_better else "a number above 0"
        )
        value = number("value", self.value, allowed)
        if value <= 0 or (self.higher_is_better and value >= 1):
            raise ConfigError(f"value is {self.value!r}; allowed: {allowed}")

    def decide(self, history: Sequence[RoundFacts]) -> Stop | None:
        """Look at the current round's metric; a round without one never stops."""
        metric = history[-1].metric if history else None
        if metric is None:
            return None
        side, bound = ("lower", metric.low) if self.higher_is_better else ("upper", metric.high)
        if (bound < self.value) if self.higher_is_better else (bound > self.value):
            return None
        return Stop(
            "target",
            f"the {side} bound of the metric's 95% interval, {bound:.4g}, reaches the target {self.value:g} "
            f"(value {metric.value:.4g} on {metric.n:,} holdout rows, round {history[-1].round})",
        )
