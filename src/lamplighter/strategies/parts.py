"""Choosing a batch in parts: each from some lists of a shortlist, put together in turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamplighter.arrays import I64
from lamplighter.strategies.base import Choice, Context, Lane, Shortlist, Strategy

NONE = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Part:
    """What one strategy of several chooses from: some lists of a shortlist, without rows already taken.

    Attributes
    ----------
    whole
        The shortlist of all lists.
    first
        Number of the strategy's first list.
    positions
        (n,) int64 of its rows in the whole, ascending.
    """

    whole: Shortlist
    first: int
    positions: I64

    @classmethod
    def of(cls, whole: Shortlist, first: int, count: int) -> Part:
        """Give the rows on `count` lists from `first` on."""
        lane = whole.lane
        return cls(whole, first, np.flatnonzero((lane >= first) & (lane < first + count)))

    def without(self, taken: I64) -> Part:
        """Leave out the rows at positions `taken` of the whole, on whatever lists they are."""
        if not len(taken):
            return self
        numbers = self.whole.row_numbers()
        left = ~np.isin(numbers[self.positions], numbers[taken])
        return replace(self, positions=self.positions[left])

    def choose(self, strategy: Strategy, context: Context, k: int) -> Choice:
        """Let the strategy pick k rows; the positions are those in the whole."""
        if not k or not len(self.positions):
            return Choice(NONE)
        own = replace(context, k=k, scanned=context.at_scan().k, begun=None)
        choice = strategy.choose(self._shortlist(), own)
        return replace(choice, positions=self.positions[choice.positions])

    def _shortlist(self) -> Shortlist:
        if len(self.positions) == len(self.whole):
            return self.whole
        rows = self.whole.take(self.positions)
        return replace(rows, lane=rows.lane - np.int32(self.first))


def count(lanes: Sequence[Lane]) -> int:
    """Give how many numbered lists some lanes have."""
    return sum(lane.groups for lane in lanes)


def joined(choices: Mapping[str, Choice]) -> Choice:
    """Put the parts of a batch together, in turns, so that the head of the batch is mixed as the whole.

    Columns that a part does not have are None on its rows; facts and notices begin with its name.

    Parameters
    ----------
    choices
        The parts by name; of equals in a turn, the first comes first.
    """
    order = in_turns([len(choice.positions) for choice in choices.values()])
    names = dict.fromkeys(name for choice in choices.values() for name in choice.columns)
    return Choice(
        np.concatenate([choice.positions for choice in choices.values()])[order],
        {name: _column(name, list(choices.values()), order) for name in names},
        {f"{part}.{name}": fact for part, choice in choices.items() for name, fact in choice.facts.items()},
        tuple(f"{part}: {told}" for part, choice in choices.items() for told in choice.notices),
    )


def appended(choices: Sequence[Choice]) -> Choice:
    """Put parts of one strategy's batch one after another; the facts are those of the first."""
    names = dict.fromkeys(name for choice in choices for name in choice.columns)
    positions = np.concatenate([choice.positions for choice in choices] or [NONE])
    order = np.arange(len(positions))
    return Choice(
        positions,
        {name: _column(name, choices, order) for name in names},
        choices[0].facts if choices else {},
        tuple(dict.fromkeys(told for choice in choices for told in choice.notices)),
    )


def picks_of(choice: Choice, which: I64) -> Choice:
    """Give some of the picks, by their places in the batch."""
    columns = {
        name: column[which] if isinstance(column, np.ndarray) else [column[i] for i in which]
        for name, column in choice.columns.items()
    }
    return replace(choice, positions=choice.positions[which], columns=columns)


def in_turns(counts: Sequence[int]) -> I64:
    """Merge queues so that every head of the result holds of each in proportion to its length.

    Row i of a queue of n comes at (2 i + 1) / n; of equals, the earlier queue's first (the divisor method
    of Webster and Sainte-Lague). Of two queues, every head of t rows holds less than one row more or less
    than t times the share of either.

    Returns
    -------
    (sum,) int64 positions in the queues put one after another.
    """
    due = [(2 * np.arange(n) + 1) / n for n in counts if n]
    return np.argsort(np.concatenate([*due, np.empty(0)]), kind="stable").astype(np.int64)


def _column(name: str, choices: Sequence[Choice], order: I64) -> Any:
    filled = [choice for choice in choices if len(choice.positions)]
    columns = [choice.columns.get(name) for choice in filled]
    if filled and all(isinstance(column, np.ndarray) for column in columns):
        return np.concatenate(columns)[order]  # type: ignore[arg-type]  # all are arrays
    values: list[Any] = []
    for choice, column in zip(filled, columns, strict=True):
        values += [None] * len(choice.positions) if column is None else np.asarray(column).tolist()
    return [values[i] for i in order]
