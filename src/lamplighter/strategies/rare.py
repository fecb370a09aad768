"""Imbalance: ask for rows of rare classes, or for as many of every predicted class."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from lamplighter.arrays import F32, I32
from lamplighter.errors import UnknownClass, unknown
from lamplighter.strategies.base import Block, Choice, Context, Lane, Ranked, Shortlist, Strategy, require
from lamplighter.strategies.clusters import turns
from lamplighter.strategies.uncertainty import TILE, margin

#: The most classes that a notice names.
_NAMED = 10


@dataclass(frozen=True)
class RareClass(Strategy):
    """Ask for the rows that most probably are of a rare class.

    score = sum over the rare classes of p_c, in [0, 1]. The purest way to find more of a class that a
    random sample would hardly hold; it learns little about the border to the others, so give it a share
    of a mixture, or use `balance` with an uncertainty strategy.

    A class without a label yet has probability 0 on every row. Where that holds for all rare ones, all
    rows tie and the keyed hash decides: the batch is random, and the record says so.

    O(n) time for one rare class, O(n r) for r of them, O(n) memory. Greedy search for the rare class
    ("active search"): Garnett et al. 2012, doi:10.48550/arXiv.1206.6406.

    Attributes
    ----------
    rare
        Names of the rare classes: at least one, and not all there are. None for the class that has the
        fewest labels so far, of those that have any (the first of equals).
    """

    rare: tuple[str, ...] | None = None
    numbers: tuple[int, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        if self.rare is not None:
            check_names(self.rare)
            object.__setattr__(self, "rare", tuple(self.rare))

    def check(self, classes: tuple[str, ...]) -> None:
        """Make sure that the rare classes are classes, and not all of them."""
        if self.rare is not None:
            class_numbers(self.rare, classes)

    def prepare(self, context: Context) -> Self:
        """Give the strategy with the columns of the rare classes."""
        ready = copy(self)
        object.__setattr__(ready, "numbers", self._numbers(context))
        return ready

    def _numbers(self, context: Context) -> tuple[int, ...]:
        if self.rare is not None:
            return class_numbers(self.rare, context.classes)
        rows = np.bincount(context.labels, minlength=len(context.classes))
        return (int(np.where(rows > 0, rows, rows.max() + 1).argmin()),)

    def score(self, block: Block) -> F32:
        """Give the probability of a rare class: (n,) float32."""
        return summed(block.proba, self.numbers)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick the largest scores; say which rare classes nothing is known of."""
        picked = np.arange(min(context.k, len(shortlist)), dtype=np.int64)
        found = shortlist.score[picked]
        facts = {"expected_rare_rows": float(found.sum(dtype=np.float64))}
        return Choice(picked, facts=facts, notices=self._notices(shortlist, context, found))

    def _notices(self, shortlist: Shortlist, context: Context, found: F32) -> tuple[str, ...]:
        # Labels are loaded with their features: only where a class seems to be unknown.
        nowhere = [c for c in self._numbers(context) if not shortlist.proba[:, c : c + 1].any()]
        told = without_label(context, nowhere)
        chance = int(np.count_nonzero(found <= 0))
        if chance:
            told += (
                f"{chance} of {len(found)} rows are random: no row left has a probability of a rare class",
            )
        return told


@dataclass(frozen=True)
class ClassMargin(Strategy):
    """Ask for the most uncertain rows of every predicted class, as many of each.

    score = 1 - (p1 - p2) (the margin), within the rows whose most probable class is the same (the lower
    of equals). The classes are visited in turns, and in each turn they give their rows by descending
    score; a class without rows left is passed over, so what it lacks is spread over the others. A class
    that the model rarely predicts gets its full share of the batch, however sure the model is of it.

    The scan keeps the exact k best rows of each class: any class may have to fill the whole batch.

    O(nC) time, O(n) memory; the shortlist holds at most C k rows. Margin: Scheffer, Decomain and Wrobel
    2001, doi:10.1007/3-540-44816-0_31; balanced by the predicted class: Bengar et al. 2022, Class-balanced
    active learning for image classification, doi:10.48550/arXiv.2110.04543.
    """

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        """Keep the k most uncertain rows of each class."""
        return (Lane(context.k, len(context.classes)),)

    def score(self, block: Block) -> F32:
        """Give 1 - (p1 - p2): (n,) float32."""
        return margin(block.proba)

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        """Rank rows by margin among those of their predicted class."""
        return (Ranked(self.score(block), predicted(block.proba)),)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, m) rows in turns of all classes.

        Records how many classes the batch has, and names those that no row is predicted as.
        """
        order = np.lexsort((shortlist.lane, shortlist.tie, -shortlist.score, turns(shortlist.lane)))
        picked = np.asarray(order[: context.k], np.int64)
        there = np.unique(shortlist.lane)
        facts = {"classes_in_batch": len(np.unique(shortlist.lane[picked]))}
        missing = np.setdiff1d(np.arange(len(context.classes)), there)
        return Choice(picked, facts=facts, notices=_passed_over(context.classes, missing.tolist()))


def summed(proba: F32, numbers: Iterable[int]) -> F32:
    """Add up some columns of (n, C) float32 probabilities, 0 for those there are not: (n,) float32."""
    total = np.zeros(len(proba), np.float32)
    for c in numbers:
        if c < proba.shape[1]:
            total += proba[:, c]
    return total


def predicted(proba: F32) -> I32:
    """Give the most probable class of each row, the lower of equals.

    Runs down the class columns, a tile of rows at a time, as the uncertainty scores do.

    Parameters
    ----------
    proba
        (n, C) float32, C >= 1.

    Returns
    -------
    (n,) int32.
    """
    best = np.zeros(len(proba), np.int32)
    for start in range(0, len(proba), TILE):
        rows, found = proba[start : start + TILE], best[start : start + TILE]
        largest = rows[:, 0].copy()
        for c in range(1, rows.shape[1]):
            more = rows[:, c] > largest
            np.maximum(largest, rows[:, c], out=largest)
            found[more] = c
    return best


def check_names(rare: Iterable[str]) -> None:
    """Raise ConfigError unless `rare` is a list of distinct names, at least one."""
    require(
        not isinstance(rare, str) and len(list(rare)) > 0 and all(isinstance(name, str) for name in rare),
        lambda: f"rare is {rare!r}; allowed: a list of class names, at least one",
    )
    names = list(rare)
    require(len(set(names)) == len(names), lambda: f"rare is {names}; name each class once")


def class_numbers(rare: Iterable[str], classes: tuple[str, ...]) -> tuple[int, ...]:
    """Give the positions of rare classes among all.

    Raises
    ------
    UnknownClass
        A name is no class, or every class is called rare.
    """
    names = list(rare)
    for name in names:
        if name not in classes:
            raise UnknownClass(f"rare: {unknown('class', name, classes)}")
    if len(names) == len(classes):
        raise UnknownClass(f"rare names all {len(classes)} classes; leave out those there is plenty of")
    return tuple(sorted(classes.index(name) for name in names))


def without_label(context: Context, numbers: Iterable[int]) -> tuple[str, ...]:
    """Say which of some classes no labelled row has; one sentence, or none."""
    asked = list(numbers)
    unseen = [c for c in asked if not np.any(context.labels == c)] if asked else []
    if not unseen:
        return ()
    return (
        f"no label of {_names(context.classes, unseen)} yet, so the model gives no row a probability of it",
    )


def _passed_over(classes: tuple[str, ...], missing: list[int]) -> tuple[str, ...]:
    if not missing:
        return ()
    return (f"no row is predicted as {_names(classes, missing)}; the other classes took the places",)


def _names(classes: tuple[str, ...], numbers: list[int]) -> str:
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return ", ".join(classes[c] for c in numbers[:_NAMED]) + more
