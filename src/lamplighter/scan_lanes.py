"""The lists that a scan of one shard keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.arrays import F32, I32, I64, U64, Bools
from lamplighter.errors import ModelError
from lamplighter.shortlists import LAST, LOWEST, PIECES, SLACK, RunningBest, best_of_lanes, empty
from lamplighter.strategies.base import Lane, Ranked, Shortlist


class GroupedBest:
    """The best rows of each group of a lane, in memory for twice as many + SLACK.

    Every group has its own bar: score and hash of its last row, once it is full.
    """

    def __init__(self, lane: Lane, id_type: object) -> None:
        self.lane = lane
        self.parts = [empty(id_type)]
        self.rows = 0
        self.score = np.full(lane.groups, LOWEST)
        self.tie = np.full(lane.groups, LAST)

    def candidates(self, score: F32, group: I32) -> I64:
        """Give the positions of the (n,) scores, of rows in (n,) groups, that may still get in."""
        return np.flatnonzero(score >= self.score[group]) if self.lane.rows > 0 else np.empty(0, np.int64)

    def wins(self, score: F32, tie: U64, group: I32) -> Bools:
        """Say of candidates whether they still get in, now that their hashes are known."""
        won: Bools = (score > self.score[group]) | (tie <= self.tie[group])
        return won

    def add(self, rows: Shortlist) -> None:
        """Take in rows whose lane is their group."""
        self.parts.append(rows)
        self.rows += len(rows)
        if self.rows >= 2 * self.lane.rows * self.lane.groups + SLACK or len(self.parts) > PIECES:
            self._cut()

    def _cut(self) -> None:
        kept = self.shortlist()
        ends = np.searchsorted(kept.lane, np.arange(self.lane.groups), side="right")
        full = np.bincount(kept.lane, minlength=self.lane.groups) >= self.lane.rows
        last = ends[full] - 1
        self.score[full], self.tie[full] = kept.score[last], kept.tie[last]
        self.parts, self.rows = [kept], len(kept)

    def shortlist(self) -> Shortlist:
        """Give the best of each group, group after group, best first."""
        return best_of_lanes(self.parts, [self.lane])


@dataclass(frozen=True, eq=False)
class KeptLane:
    """A lane's running best, and the number of its first list."""

    first: int
    best: RunningBest | GroupedBest

    def candidates(self, rows: Ranked) -> I64:
        """Give the positions of the rows that may still get in."""
        if isinstance(self.best, RunningBest):
            return self.best.candidates(rows.score)
        return self.best.candidates(rows.score, _groups(rows))

    def wins(self, score: F32, tie: U64, near: I64, rows: Ranked) -> Bools:
        """Say of the candidates `near` whether they still get in, now that their hashes are known."""
        if isinstance(self.best, RunningBest):
            return self.best.wins(score, tie)
        return self.best.wins(score, tie, _groups(rows)[near])

    def shortlist(self) -> Shortlist:
        """Give the best rows, with the numbers of their lists."""
        found = self.best.shortlist()
        return replace(found, lane=found.lane + np.int32(self.first))


def lanes_of(lanes: Sequence[Lane], id_type: object) -> list[KeptLane]:
    """Make what keeps the best rows of every lane, for ids of a pyarrow type."""
    found, first = [], 0
    for lane in lanes:
        one = lane.groups == 1
        best = RunningBest(lane.rows, id_type) if one else GroupedBest(lane, id_type)
        found.append(KeptLane(first, best))
        first += lane.groups
    return found


def _groups(rows: Ranked) -> I32:
    if rows.group is None:
        raise ModelError("the strategy keeps groups in a lane, and gave no group for its rows")
    return rows.group
