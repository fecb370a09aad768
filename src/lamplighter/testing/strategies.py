"""The contract of strategies, for ours and for anybody's.

In a test of another package::

    @pytest.mark.parametrize("case", cases({"mine": Mine(beta=2.0)}), ids=str)
    def test_contract(case: Case) -> None:
        case()
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Block, Strategy
from lamplighter.testing.contract import Case, hold
from lamplighter.testing.elsewhere import scores_elsewhere
from lamplighter.testing.strategy_round import (
    BATCH,
    ROWS,
    block,
    chosen,
    context,
    pick,
    prepared,
    rows_of,
    shortlist,
    split,
)


def cases(strategies: Mapping[str, Strategy] | None = None) -> list[Case]:
    """Give every law for every strategy; without an argument, for every registered one by its defaults."""
    if strategies is None:
        strategies = {name: STRATEGIES.build(name) for name in STRATEGIES.names()}
    return [
        Case(f"strategy-{name}:{check.__name__}", partial(check, strategy))
        for name, strategy in strategies.items()
        for check in CHECKS
    ]


def row_wise(strategy: Strategy) -> None:
    """A rank depends on the row alone: not on its neighbours, their number, order or memory layout."""
    ready, whole = prepared(strategy), block(5000)
    scores, n = _ranks(ready, whole), len(whole)
    shuffled = np.random.default_rng(1).permutation(n)
    singles = [np.array([i]) for i in range(20)]
    uneven = np.split(np.arange(n), [1, 8, 21, 1044, 4095, 4999])
    for positions in [shuffled, *singles, *uneven]:
        for order in "FC":
            again = _ranks(ready, rows_of(whole, positions, order))
            hold(
                again.tobytes() == scores[:, positions].tobytes(),
                f"other scores for {len(positions)} rows of a block of {n} in {order} order",
            )


def _ranks(ready: Strategy, rows: Block) -> npt.NDArray[np.float64]:
    """Give scores and groups of every lane, one under the other; float64 holds both exactly."""
    ranked = ready.rank(rows)
    none = np.zeros(len(rows), np.int32)
    pairs = [(lane.score, none if lane.group is None else lane.group) for lane in ranked]
    return np.stack([np.asarray(part, np.float64) for pair in pairs for part in pair])


def scores_are_float32_and_ordered(strategy: Strategy) -> None:
    """Scores are (n,) float32, each finite or -inf, groups (n,) int32 in range; an empty block gives none."""
    ready = prepared(strategy)
    for rows in (0, 1, ROWS):
        seen = block(rows) if rows else rows_of(block(), np.arange(0))
        ranked, lanes = ready.rank(seen), ready.lanes(context())
        hold(len(ranked) == len(lanes), f"{len(ranked)} ranks for {len(lanes)} lanes")
        for lane, one in zip(lanes, ranked, strict=True):
            scores, group = one.score, one.group
            hold(scores.dtype == np.float32, f"scores are {scores.dtype}; float32 is the law")
            hold(scores.shape == (rows,), f"scores of {rows} rows have the shape {scores.shape}")
            hold(not np.any(np.isnan(scores) | np.isposinf(scores)), "a score is NaN or +inf")
            hold((group is None) == (lane.groups == 1), f"{lane.groups} groups, and group is {group}")
            if group is not None:
                hold(group.dtype == np.int32, f"groups are {group.dtype}; int32 is the law")
                hold(bool(np.all((group >= 0) & (group < lane.groups))), f"a group is outside {lane}")


def any_sharding_picks_the_same(strategy: Strategy) -> None:
    """Any split of the pool into shards, in any order, gives the same batch in the same order."""
    whole = block()
    expected = pick(strategy, [whole], BATCH)
    for parts in (2, 3, 7, 40):
        for seed in (0, 1):
            found = pick(strategy, split(whole, parts, seed), BATCH)
            hold(found == expected, f"{parts} shards: {found}; one shard: {expected}")


def no_duplicates(strategy: Strategy) -> None:
    """No row is picked twice, and every pick is a row."""
    for constant in (False, True):
        whole = block(constant=constant)
        for k in (1, 2, BATCH, ROWS - 1):
            picked = pick(strategy, split(whole, 3), k)
            hold(len(picked) == len(set(picked)) == k, f"{k} rows wanted, picked {sorted(picked)}")


def ties_go_by_hash(strategy: Strategy) -> None:
    """Equal rows are picked by keyed hash, never by where they lie."""
    whole = block(constant=True)
    expected = pick(strategy, [whole], BATCH)
    backwards = rows_of(whole, np.arange(ROWS)[::-1])
    hold(pick(strategy, [backwards], BATCH) == expected, "other picks when the rows lie the other way round")
    every = [replace(lane, rows=ROWS) for lane in strategy.lanes(context())]
    best = shortlist(prepared(strategy), [whole], every)
    if type(strategy).choose is Strategy.choose and len(set(best.score.tolist())) == 1:
        by_hash = best.ids.take(pa.array(np.argsort(best.tie)[:BATCH])).to_pylist()
        hold(expected == by_hash, f"picked {expected}; by hash {by_hash}")


def inputs_are_not_mutated(strategy: Strategy) -> None:
    """Blocks and shortlists stay as they were, and read-only arrays are enough."""
    ready, whole = prepared(strategy), block()
    best = shortlist(ready, [whole], strategy.lanes(context()))
    arrays: list[npt.NDArray[np.generic]] = [best.score, best.tie, *best.outputs.values()]
    for array in arrays:
        array.flags.writeable = False
    before = [array.tobytes() for array in [*whole.outputs.values(), *arrays]]
    ready.rank(whole)
    strategy.choose(best, context())
    after = [array.tobytes() for array in [*whole.outputs.values(), *arrays]]
    hold(before == after, "an input was changed")


def pickles_by_reference(strategy: Strategy) -> None:
    """A fresh interpreter in another folder loads the strategy and gives the same scores."""
    ready, whole = prepared(strategy), block()
    hold(pickle.loads(pickle.dumps(ready)) is not None, "cannot be pickled")  # noqa: S301 - our own bytes
    expected = b"".join(lane.score.tobytes() for lane in ready.rank(whole))
    hold(scores_elsewhere(ready, whole) == expected, "the other interpreter gave other scores")


def a_large_batch_takes_all(strategy: Strategy) -> None:
    """A batch as large as the pool, or larger, is the pool."""
    whole = block(12)
    for k in (12, 13, 1000):
        picked = pick(strategy, split(whole, 2), k)
        hold(sorted(picked) == sorted(whole.ids.to_pylist()), f"{k} of 12 rows wanted, picked {picked}")


def a_batch_may_be_cut(strategy: Strategy) -> None:
    """Lists made for a larger batch, as where a holdout takes some of its room, give a smaller one."""
    best = shortlist(prepared(strategy), [block()], strategy.lanes(context()))
    for k in (1, 7, BATCH - 1):
        picks = strategy.choose(best, replace(context(k), scanned=BATCH)).positions
        ids = best.ids.take(pa.array(picks)).unique()
        hold(len(picks) == len(ids) == k, f"{k} rows wanted of lists for {BATCH}, picked {ids.to_pylist()}")


def one_class_is_enough(strategy: Strategy) -> None:
    """A model that knows one class only still gives an order."""
    whole = block(classes=1)
    picked = pick(strategy, split(whole, 3), BATCH)
    hold(len(set(picked)) == BATCH, f"one class: picked {picked}")


def constant_scores_are_enough(strategy: Strategy) -> None:
    """Rows that cannot be told apart still fill a batch, also one nearly as large as the pool."""
    whole = block(50, constant=True)
    for k in (1, 7, 49):
        picked = pick(strategy, split(whole, 3), k)
        hold(len(set(picked)) == k, f"{k} of 50 equal rows wanted, picked {picked}")


def same_context_same_picks(strategy: Strategy) -> None:
    """`choose` has no randomness but the context's, and gives distinct int64 positions."""
    best = shortlist(prepared(strategy), [block()], strategy.lanes(context()))
    first, again = (strategy.choose(best, context()).positions for _ in range(2))
    hold(first.dtype == np.int64, f"positions are {first.dtype}; int64 is the law")
    hold(first.tolist() == again.tolist(), f"picked {first.tolist()}, then {again.tolist()}")


def prepare_keeps_the_class(strategy: Strategy) -> None:
    """`prepare` gives a strategy of the same class, and leaves the one it was called on as it was."""
    before = pickle.dumps(strategy)
    ready = prepared(strategy)
    hold(type(ready) is type(strategy), f"prepare gave a {type(ready).__name__}")
    hold(pickle.dumps(strategy) == before, "prepare changed the strategy it was called on")
    hold(ready == prepared(strategy), "prepare gave two different strategies for one context")


def explains_every_pick(strategy: Strategy) -> None:
    """Columns are as long as the batch, also for one that is the whole pool; facts and notices are JSON."""
    for k in (1, BATCH, ROWS):
        choice = chosen(strategy, [block()], k)[1]
        for name, column in choice.columns.items():
            hold(len(column) == k, f"column {name} has {len(column)} values for {k} picks")
        json.dumps([dict(choice.facts), list(choice.notices)], allow_nan=False)


CHECKS: tuple[Callable[[Strategy], None], ...] = (
    row_wise,
    scores_are_float32_and_ordered,
    any_sharding_picks_the_same,
    no_duplicates,
    ties_go_by_hash,
    inputs_are_not_mutated,
    pickles_by_reference,
    a_large_batch_takes_all,
    a_batch_may_be_cut,
    one_class_is_enough,
    constant_scores_are_enough,
    same_context_same_picks,
    prepare_keeps_the_class,
    explains_every_pick,
)
