"""A strategy for Lamplighter: ask about rows that the model is sure of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32
from lamplighter.strategies.base import Block, Choice, Context, Lane, Ranked, Shortlist, Strategy, require


@dataclass(frozen=True)
class SpotCheck(Strategy):
    """Ask about the rows that the model is surest of, of every class in turn: is it right about them?

    score = p1, the largest probability. The scan keeps a list for each predicted class, and one of rows
    that are less sure than `surest`, which come after all others.
    """

    surest: float = 0.5

    def __post_init__(self) -> None:
        require(0 <= self.surest <= 1, f"surest is {self.surest!r}; allowed: 0 to 1")

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Keep the k surest rows of each class, and k of the others."""
        return Lane(context.k, max(len(context.classes), 2)), Lane(context.k)

    def score(self, block: Block) -> F32:
        """Give the largest probability: (n,) float32."""
        largest: F32 = block.proba.max(axis=1)
        return largest

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        """Rank rows that are sure among those of their class, the others among themselves."""
        score, never = self.score(block), np.float32(-np.inf)
        sure, predicted = score >= self.surest, block.proba.argmax(axis=1).astype(np.int32)
        return Ranked(np.where(sure, score, never), predicted), Ranked(np.where(sure, never, score))

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick the surest row of each class, then the second surest of each, and so on."""
        others = max(len(context.classes), 2)
        turns = np.concatenate([np.arange(len(shortlist.on(lane))) for lane in range(others + 1)])
        order = np.lexsort((shortlist.lane, turns, shortlist.lane == others))[: context.k]
        sure = int(np.count_nonzero(shortlist.lane[order] < others))
        return Choice(order, {"predicted_list": shortlist.lane[order]}, {"sure_rows": sure})
