"""What a stopping rule is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamplighter.rounds import RoundFacts


@dataclass(frozen=True)
class Stop:
    """Why a campaign ends."""

    rule: str
    reason: str


class StoppingRule(ABC):
    """A pure function of the history. Subclasses are frozen dataclasses and keep no state."""

    @abstractmethod
    def decide(self, history: Sequence[RoundFacts]) -> Stop | None:
        """Say whether to stop, given all rounds, the current one (just evaluated) last."""
