"""Stop when there is nothing left to label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamplighter.stopping.base import Stop, StoppingRule

if TYPE_CHECKING:
    from lamplighter.rounds import RoundFacts


@dataclass(frozen=True)
class Exhausted(StoppingRule):
    """Stop when the last round that selected found no row, and no dispatched row waits for an answer.

    An answer may be a second one, or one on a gold row. Always active: without it a campaign whose pool
    is used up would run for ever. Rows that arrive later wake it up.
    """

    def decide(self, history: Sequence[RoundFacts]) -> Stop | None:
        """Look at the last selection, and at what is outstanding now."""
        last = next((facts for facts in reversed(history) if facts.selected is not None), None)
        if last is None or last.selected or last.wanted == 0 or history[-1].outstanding:
            return None  # also where nothing was wanted, because enough was outstanding already
        if history[-1].pool_rows > last.pool_rows:
            return None
        return Stop(
            "exhausted",
            f"round {last.round} found no row left to select and nothing is outstanding; all "
            f"{history[-1].labelled_rows:,} labels are in",
        )
