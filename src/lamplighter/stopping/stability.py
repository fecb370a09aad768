"""Stop when the predictions no longer change."""

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
class Stability(StoppingRule):
    """Stop when few predictions on a fixed sample of the pool changed, several rounds running.

    Churn, the share of the sample whose predicted class changed, bounds how much the accuracy can
    have moved, whatever the true labels are. It needs no labels and sees no model that is stably
    wrong: set it beside a target. A round that brought no new labels does not count, since there
    nothing could have changed; neither does the current one, which has not scored yet.

    Attributes
    ----------
    churn
        The largest share that still counts as stable, in [0, 1).
    rounds
        How many rounds running, at least 1.

    Raises
    ------
    ConfigError
        For a parameter out of range.

    References
    ----------
    Bloodgood and Vijay-Shanker 2009, "A method for stopping active learning based on stabilizing
    predictions and the need for user-adjustable stopping", arXiv:1409.5165.
    """

    churn: float = 0.01
    rounds: int = 3

    def __post_init__(self) -> None:
        whole("rounds", self.rounds, 1)
        allowed = "a share of at least 0 and below 1, such as 0.01"
        if not 0 <= number("churn", self.churn, allowed) < 1:
            raise ConfigError(f"churn is {self.churn!r}; allowed: {allowed}")

    def decide(self, history: Sequence[RoundFacts]) -> Stop | None:
        """Look at the last churns that are known."""
        known = _churns(history)[-self.rounds :]
        if len(known) < self.rounds or max(known) > self.churn:
            return None
        shares = ", ".join(f"{share:.2%}" for share in known)
        return Stop(
            "stability",
            f"of a fixed sample of the pool no more than {self.churn:.2%} changed its predicted class in "
            f"each of the last {self.rounds} rounds with new labels ({shares})",
        )


def _churns(history: Sequence[RoundFacts]) -> list[float]:
    """Give the known churns of the rounds with more labels than any before."""
    churns, most = [], 0
    for facts in history:
        if facts.churn is not None and facts.labelled_rows > most:
            churns.append(facts.churn)
        most = max(most, facts.labelled_rows)
    return churns
