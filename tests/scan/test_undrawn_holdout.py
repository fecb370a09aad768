"""A holdout that is drawn after the scan: lists stay at their size, and the best rows are exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import rng, shortlists, tables
from lamplighter.arrays import RowIds
from lamplighter.scan import ScanJob
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Lane, Shortlist
from lamplighter.strategies.mix import Mix, Share
from tests.scan.pools import cuts, int_ids, job, memory_pool, softmax, whole
from tests.scan.test_every_strategy import known

KEY = 5
MIX = Mix("margin", STRATEGIES.build("margin"), (Share("random", STRATEGIES.build("random"), 0.3),))
ALL = {**{name: STRATEGIES.build(name) for name in STRATEGIES.names()}, "mix": MIX}


def drawn(ids: RowIds, below: int, rows: int) -> RowIds:
    """Give the rows with the smallest hashes."""
    hashes = rng.row_hash(ids, KEY)
    order = np.argsort(hashes, kind="stable")[:rows]
    return tables.as_ids([ids[int(i)].as_py() for i in order if hashes[i] < below], integer=True)


def after_the_draw(found: Shortlist, held: RowIds, lanes: Sequence[Lane]) -> Shortlist:
    free = found.take(np.flatnonzero(~tables.is_in(found.ids, held)))
    return shortlists.best_of_lanes([free], lanes)


def same(a: Shortlist, b: Shortlist) -> bool:
    arrays: list[tuple[Any, Any]] = [(a.score, b.score), (a.tie, b.tie), (a.lane, b.lane), (a.row, b.row)]
    arrays += [(values, b.outputs[name]) for name, values in a.outputs.items()]
    return a.ids.equals(b.ids) and all(np.array_equal(one, other) for one, other in arrays)


def undrawn(name: str, share: float, levels: int) -> ScanJob:
    pool = memory_pool(600, levels=levels)
    context = replace(known(pool), k=4)
    strategy, lanes = ALL[name].prepare(context), ALL[name].lanes(context)
    below = {"holdout_key": KEY, "holdout_below": int(share * 2**64), "holdout_drawn": False}
    labelled = pool.ids.slice(0, 60)
    return job(pool, strategy, scorer=softmax(), m=None, lanes=lanes, exclude=labelled, **below)


@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize("name", ALL)
def test_the_best_rows_are_those_of_the_pool_without_the_holdout(name: str, levels: int) -> None:
    """The plain way: list the whole pool, drop the holdout, keep the best of every lane."""
    task = undrawn(name, 0.4, levels)
    pool: Any = task.pool
    endless = tuple(replace(lane, rows=len(pool.ids)) for lane in task.lanes)
    everything = whole(replace(task, lanes=endless, holdout_below=0)).shortlist
    for seed in range(3):
        cut = replace(task, pool=cast(Any, replace(pool, block_rows=7 + seed)))
        found = whole(cut, cuts(pool.groups, seed)).shortlist
        for rows in (0, 1, 30, 150, 600):
            held = drawn(pool.ids, task.holdout_below, rows)
            expected = after_the_draw(everything, held, task.lanes)
            assert same(after_the_draw(found, held, task.lanes), expected)
        assert same(found, whole(task).shortlist)


@pytest.mark.parametrize("name", ALL)
def test_lists_stay_at_their_size_beside_the_holdout(name: str) -> None:
    task = undrawn(name, 0.1, 0)
    result = whole(task, cuts(cast(Any, task.pool).groups, 1))
    own = sum(lane.rows * lane.groups for lane in task.lanes)
    assert len(result.holdout) > 40
    assert len(result.shortlist) <= own + len(task.lanes) * len(result.holdout)
    assert len(result.aside) == 0


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=3),
    rows=st.integers(0, 60),
    seed=st.integers(0, 50),
)
def test_no_row_is_listed_that_no_draw_could_let_in(
    sizes: list[tuple[int, int]], rows: int, seed: int
) -> None:
    draws, lanes = np.random.default_rng(seed), [Lane(*size) for size in sizes]
    lists = sum(lane.groups for lane in lanes)
    ids = int_ids(rows, seed)
    place = np.zeros(rows, np.int32)
    whole_pool = Shortlist(
        ids=ids,
        score=draws.integers(0, 4, rows).astype(np.float32),
        tie=rng.row_hash(ids, 1),
        file=place,
        row_group=place,
        row=np.arange(rows),
        lane=draws.integers(0, lists, rows).astype(np.int32),
    )
    held = draws.random(rows) < 0.4
    own, aside = (whole_pool.take(np.flatnonzero(part)) for part in (~held, held))
    found = shortlists.with_aside(shortlists.best_of_lanes([own], lanes), aside, lanes)
    without = shortlists.best_of_lanes([own], lanes).ids.to_pylist()
    expected = set(without)
    for i in np.flatnonzero(held):  # alone of those aside
        alone = shortlists.best_of_lanes([own, whole_pool.take(np.array([i]))], lanes)
        expected |= set(alone.ids.to_pylist())
    assert set(found.ids.to_pylist()) == expected
    assert len(found) == len(expected)
    assert np.all(np.diff(found.lane) >= 0)
