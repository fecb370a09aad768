"""Who picks in a replay: one of our strategies as a round would, or anybody else with the same view."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from lamplighter import rng, scan
from lamplighter.array_pool import ArrayPool
from lamplighter.arrays import F32, I32, I64, Bools, RowIds
from lamplighter.learner.stacked import CommitteeScorer
from lamplighter.strategies.base import Context, Shortlist, Strategy
from lamplighter.survey import PoolSurvey

if TYPE_CHECKING:
    from lamplighter.config import Campaign
    from lamplighter.learner import Model, Scorer


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Rows with their true labels: ids (n,), x (n, D) float32, label (n,) int32 positions in the classes."""

    ids: RowIds
    x: F32
    label: I32

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: I64) -> LabelledRows:
        """Give the rows at some positions, in that order."""
        return LabelledRows(
            self.ids.take(pa.array(rows)), np.ascontiguousarray(self.x[rows]), self.label[rows]
        )


@dataclass(frozen=True, eq=False)
class Moment:
    """What a picker sees in one round.

    Attributes
    ----------
    pool
        All rows that may be asked about, labelled or not.
    asked
        (n,) bool, the rows of the pool that were.
    model, members
        The round's model, and its committee if the strategy wanted one; None and empty before there is one.
    seed, round
        Key all randomness.
    k
        Rows wanted.
    campaign
        The campaign that is replayed.
    timed
        Adds the CPU time of a block to a step's, "score" or "select".
    """

    pool: LabelledRows
    asked: Bools
    model: Model | None
    members: tuple[Model, ...]
    seed: int
    round: int
    k: int
    campaign: Campaign
    timed: Callable[[str], AbstractContextManager[None]]

    @property
    def scorer(self) -> Scorer | None:
        """What scores the pool."""
        if self.model is None:
            return None
        return CommitteeScorer.of(self.model, self.members) if self.members else self.model.scorer()


class Picker(Protocol):
    """Picks rows that were not asked about yet."""

    @property
    def needs_committee(self) -> bool:
        """Whether the round's committee is to be fitted."""

    def pick(self, moment: Moment) -> tuple[I64, tuple[str, ...]]:
        """Give <= k distinct positions in the pool, most wanted first, and notices."""


@dataclass(frozen=True)
class StrategyPicker:
    """Picks as a round does: the same scan, the same choice."""

    strategy: Strategy

    @property
    def needs_committee(self) -> bool:
        """Whether the strategy reads a committee."""
        return self.strategy.needs_committee

    def pick(self, moment: Moment) -> tuple[I64, tuple[str, ...]]:
        """Prepare, scan, choose."""
        context = _context(moment)
        with moment.timed("score"):
            shortlist = self._scanned(moment, context)
        with moment.timed("select"):
            choice = self.strategy.choose(shortlist, context)
        return shortlist.row[choice.positions], choice.notices

    def _scanned(self, moment: Moment, context: Context) -> Shortlist:
        pool = ArrayPool(moment.pool.ids, moment.pool.x)
        survey = PoolSurvey.here(pool, moment.seed, moment.round)
        ready = self.strategy.prepare(replace(context, survey=survey))
        asked = np.flatnonzero(moment.asked)
        job = scan.ScanJob(
            pool=pool,
            scorer=moment.scorer,
            strategy=ready,
            lanes=self.strategy.lanes(context),
            seed=moment.seed,
            round=moment.round,
            exclude=moment.pool.ids.take(pa.array(asked)) if len(asked) else None,
        )
        return scan.scan_here(job).shortlist


def _context(moment: Moment) -> Context:
    rows = moment.pool.take(np.flatnonzero(moment.asked))
    return Context(
        seed=moment.seed,
        round=moment.round,
        k=moment.k,
        rows=len(moment.pool),
        classes=moment.campaign.classes,
        embedding=isinstance(moment.campaign.pool.features, str),
        load=lambda: (rows.x, rows.label),
    )


def split(rows: LabelledRows, test_share: float, seed: int) -> tuple[LabelledRows, LabelledRows]:
    """Divide rows into pool and test rows: the test rows are those with the lowest keyed hashes.

    Parameters
    ----------
    rows
        Rows with labels, in any order.
    test_share
        In (0, 1); at least one row goes to each side.
    seed
        Keys the hash.
    """
    order = np.argsort(rng.row_hash(rows.ids, rng.key(seed, 0, "backtest split")), kind="stable")
    cut = min(max(round(test_share * len(rows)), 1), len(rows) - 1)
    return rows.take(np.sort(order[cut:])), rows.take(np.sort(order[:cut]))
