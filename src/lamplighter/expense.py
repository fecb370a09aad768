"""What a batch costs in labels, before anybody knows which of its rows several people will answer."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from scipy.stats import binom

from lamplighter.label_sections import QualityConfig

#: The odds of a batch that turns out to cost more than it was taken to cost at most.
ODDS = 1e-9


@dataclass(frozen=True)
class Expense:
    """How many labels rows bring.

    Attributes
    ----------
    each
        People that the labeler asks about every row.
    several
        People that answer a row of the overlap; at least `each`.
    overlap
        Share of the rows, drawn at random, that so many answer.
    gold
        Gold rows beside a batch, as a share of it.
    audit
        Share of the rows, drawn at random, that people answer beside a machine.
    """

    each: int
    several: int
    overlap: float = 0.0
    gold: float = 0.0
    audit: float = 0.0

    @classmethod
    def of(cls, quality: QualityConfig | None, each: int, audit: float = 0.0) -> Expense:
        """Read a campaign's section, for a labeler that asks so many people, and audits such a share."""
        share, several = 0.0, each
        if quality and quality.overlap and quality.overlap.annotators > each:
            share, several = quality.overlap.share, quality.overlap.annotators
        return cls(each, several, share, quality.gold.share if quality and quality.gold else 0.0, audit)

    def sent(self, rows: int) -> int:
        """Give how many rows go out for a batch of so many, gold among them."""
        return rows + math.ceil(self.gold * rows)

    def at_most(self, rows: int) -> int:
        """Give how many labels a batch brings at most; more in one batch of 1 / `ODDS`."""
        sent = self.sent(rows)
        further = _drawn(sent, self.overlap) * (self.several - self.each)
        return sent * self.each + further + _drawn(sent, self.audit)

    def affordable(self, labels: int) -> int:
        """Give the largest batch that so many labels pay for; answers asked again cost no more than a row."""
        labels = max(labels, 0)
        return bisect_right(range(labels // self.each + 1), labels, key=self.at_most) - 1

    def fitting(self, places: int) -> int:
        """Give the largest batch that fills no more than so many places, with its gold rows."""
        places = max(places, 0)
        return bisect_right(range(places + 1), places, key=self.sent) - 1


def _drawn(rows: int, share: float) -> int:
    """Give how many of so many rows are drawn at most; more with odds of `ODDS`."""
    return int(binom.isf(ODDS, rows, share)) if rows and share else 0
