"""A quota: a share of every batch from rows predicted as a rare class, whatever the strategy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from typing import Self

import numpy as np

from lamplighter.arrays import F32, Bools
from lamplighter.strategies.around import Around
from lamplighter.strategies.base import (
    Block,
    Choice,
    Context,
    Lane,
    Output,
    Ranked,
    Shortlist,
    require,
)
from lamplighter.strategies.baseline import Random
from lamplighter.strategies.mix import Mix
from lamplighter.strategies.parts import Part, count, joined
from lamplighter.strategies.rare import check_names, class_numbers, predicted, without_label

#: How a quota that is not met is told.
_ASKED = "balance asked for"
_NO_SAMPLE = (
    "the random share is no simple random sample of the pool: balance drew some of its rows among those that "
    "are predicted rare"
)


@dataclass(frozen=True)
class Balanced(Around):
    """Let any strategy choose, but at least a share of the batch from rows predicted as rare classes.

    A row counts as rare if its most probable class (the lower of equals) is one of `rare`. The scan keeps
    the inner strategy's lists twice: over all rows, and over the rare ones alone. Where the plain batch has
    ceil(share * k) rare rows, it stays as it is. Otherwise the inner strategy chooses that many from the
    lists of rare rows, then the others from its own lists without those, and the two are merged in turns.
    A quota that the pool cannot meet is filled from the rest, and the record says so.

    A random share of a mixture is thus drawn in two parts, and no simple random sample; that is recorded.

    What the inner strategy records of a row (an inclusion probability, say) then holds within its part.

    The scan costs the inner strategy's, once, and O(nC) for the classes; the shortlist is twice as
    long. `choose` costs at most three times the inner one's.

    Attributes
    ----------
    inner
        Any strategy.
    rare
        Names of the rare classes: at least one, and not all there are.
    share
        The least share of the batch, above 0 and below 1.
    """

    rare: tuple[str, ...]
    share: float
    numbers: tuple[int, ...] = field(default=(), init=False, repr=False)

    reads = frozenset({Output.PROBA})

    def __post_init__(self) -> None:
        check_names(self.rare)
        object.__setattr__(self, "rare", tuple(self.rare))
        require(0 < self.share < 1, lambda: f"share is {self.share!r}; allowed: above 0 and below 1")

    def check(self, classes: tuple[str, ...]) -> None:
        """Make sure that the rare classes are classes, and not all of them."""
        class_numbers(self.rare, classes)
        super().check(classes)

    def prepare(self, context: Context) -> Self:
        """Prepare the inner strategy, and number the rare classes."""
        ready = super().prepare(context)
        object.__setattr__(ready, "numbers", class_numbers(self.rare, context.classes))
        return ready

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Keep the inner strategy's lists over all rows, and again over the rare ones."""
        return 2 * self.inner.lanes(context)

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        """Rank as the inner strategy does, for all rows and for the rare ones."""
        ranked = super().rank(block)
        common = ~np.isin(predicted(block.proba), self.numbers)
        return (*ranked, *(replace(rows, score=_without(rows.score, common)) for rows in ranked))

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, rows) rows, with the quota merged in where the plain batch falls short of it.

        Records how many rare rows the batch has, and how many were asked for.
        """
        own = count(self.inner.lanes(context.at_scan()))
        every, rare = Part.of(shortlist, 0, own), Part.of(shortlist, own, own)
        asked = min(self._asked(context) - self._already(context), context.k)
        choice = every.choose(self.inner, context, context.k)
        if (
            self._rare(shortlist.take(choice.positions), context) < asked
            and len(choice.positions) == context.k
        ):
            quota = rare.choose(self.inner, context, asked)
            left = context.k - len(quota.positions)
            rest = every.without(quota.positions).choose(self.inner, context, left)
            choice = joined({"quota": quota, "rest": rest})
            choice = replace(choice, notices=(*choice.notices, *self._no_sample()))
        return self._counted(shortlist, choice, context)

    def retold(self, shortlist: Shortlist, choice: Choice, context: Context) -> Choice:
        """Count the rare rows of a batch that was made in several choices."""
        return self._counted(shortlist, super().retold(shortlist, choice, context), context)

    def _asked(self, context: Context) -> int:
        rows = context.k + (len(context.begun) if context.begun else 0)
        return ceil(round(self.share * rows, 9))  # 0.1 * 30 is a little more than 3

    def _already(self, context: Context) -> int:
        return self._rare(context.begun, context) if context.begun else 0

    def _rare(self, rows: Shortlist, context: Context) -> int:
        if not len(rows):
            return 0
        numbers = class_numbers(self.rare, context.classes)
        return int(np.count_nonzero(np.isin(predicted(rows.proba), numbers)))

    def _no_sample(self) -> tuple[str, ...]:
        """Say of a random share that it was drawn in two parts."""
        shares = self.inner.shares if isinstance(self.inner, Mix) else ()
        drawn = any(isinstance(part.strategy, Random) for part in shares)
        return (_NO_SAMPLE,) if drawn else ()

    def _counted(self, shortlist: Shortlist, choice: Choice, context: Context) -> Choice:
        asked = self._asked(context)
        found = self._rare(shortlist.take(choice.positions), context) + self._already(context)
        facts = {**choice.facts, "rare_rows": found, "rare_rows_asked": asked}
        others = [told for told in choice.notices if not told.startswith(_ASKED)]
        if found >= asked and len(others) == len(choice.notices):
            return replace(choice, facts=facts)
        unseen = without_label(context, class_numbers(self.rare, context.classes))
        others = [told for told in others if told not in unseen]
        own = (self._short(context, found, asked), *unseen) if found < asked else ()
        return replace(choice, facts=facts, notices=(*own, *others))

    def _short(self, context: Context, found: int, asked: int) -> str:
        told = f"{_ASKED} {asked} rows predicted as {' or '.join(self.rare)}"
        if context.begun is None:
            return f"{told}; the pool had {found}"
        return f"{told}; the scan's lists had no more than {found} that are not near-duplicates"


def _without(score: F32, rows: Bools) -> F32:
    return np.where(rows, np.float32(-np.inf), score)
