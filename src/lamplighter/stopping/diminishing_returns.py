"""Stop when more labels have stopped paying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING

from lamplighter.errors import ConfigError
from lamplighter.stopping.base import Stop, StoppingRule
from lamplighter.stopping.parameters import number, whole

if TYPE_CHECKING:
    from lamplighter.rounds import Estimate, RoundFacts


@dataclass(frozen=True)
class DiminishingReturns(StoppingRule):
    """Stop when the metric's gain over the last n rounds is not significantly above a minimum.

    gain = (value now - value n rounds ago), signed so that better is positive. Its 95% interval is
    gain -+ sqrt(h_now^2 + h_then^2), h being half the width of a metric's own interval: the normal
    approximation for two independent samples. Both are measured on nearly the same holdout, so the
    true interval is narrower and the rule errs on the side of stopping. With a small holdout a real
    gain cannot be told from noise: to see 2 points of accuracy around 0.9, take some 2,000 holdout
    rows or a longer stretch of rounds.

    A round counts when it has a metric and brought labels to train on; of a run of rounds without
    new ones the latest metric stands for all.

    Attributes
    ----------
    rounds
        n, at least 1. The rule says nothing before n + 1 rounds count.
    min_gain
        The gain that n rounds must significantly exceed, at least 0, in the metric's own unit.
    higher_is_better
        Set by the campaign from its metric.

    Raises
    ------
    ConfigError
        For a parameter out of range.

    References
    ----------
    Stopping on a plateau of measured performance, and its weaknesses: Pullar-Strecker et al. 2022,
    doi:10.1007/s10994-022-06253-1.
    """

    rounds: int = 3
    min_gain: float = 0.0
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        whole("rounds", self.rounds, 1)
        if number("min_gain", self.min_gain, "a number of at least 0") < 0:
            raise ConfigError(f"min_gain is {self.min_gain!r}; allowed: a number of at least 0")

    def decide(self, history: Sequence[RoundFacts]) -> Stop | None:
        """Compare the latest counting round with the one n before it."""
        counting = _with_new_labels(history)
        if len(counting) <= self.rounds:
            return None
        (then, before), (now, after) = counting[-1 - self.rounds], counting[-1]
        gain = after.value - before.value if self.higher_is_better else before.value - after.value
        half = hypot(_half_width(before), _half_width(after))
        if gain - half > self.min_gain:
            return None
        return Stop(
            "diminishing_returns",
            f"from round {then.round} to {now.round} the metric went from {before.value:.4g} to "
            f"{after.value:.4g} with {now.labelled_rows - then.labelled_rows:,} more labels; the gain "
            f"{gain:+.4f} (95% interval {gain - half:+.4f} to {gain + half:+.4f}) is not significantly above "
            f"{self.min_gain:g}",
        )


def _with_new_labels(history: Sequence[RoundFacts]) -> list[tuple[RoundFacts, Estimate]]:
    """Give the rounds that count, with their metric."""
    counting: list[tuple[RoundFacts, Estimate]] = []
    for facts in history:
        if facts.metric is None:
            continue
        if counting and facts.labelled_rows <= counting[-1][0].labelled_rows:
            counting.pop()
        counting.append((facts, facts.metric))
    return counting


def _half_width(metric: Estimate) -> float:
    return (metric.high - metric.low) / 2
