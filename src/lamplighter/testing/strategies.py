"""The contract of strategies, for ours and for anybody's.

In a test of another package::

    @pytest.mark.parametrize("case", cases({"mine": Mine(beta=2.0)}), ids=str)
    def test_contract(case: Case) -> None:
        case()
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lamplighter import rng
from lamplighter.arrays import F32, I64
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Block, Context, Output, Shortlist, Strategy
from lamplighter.testing.contract import Case, hold

SEED, ROUND = 20240229, 3
ROWS, CLASSES, FEATURES, BATCH = 600, 4, 3, 20
_CHILD = (
    "import pickle, sys; strategy, block = pickle.load(sys.stdin.buffer); "
    "sys.stdout.buffer.write(strategy.score(block).tobytes())"
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


def block(rows: int = ROWS, classes: int = CLASSES, *, constant: bool = False) -> Block:
    """Make a block as the scan does: class-major, read-only; `constant` repeats one row."""
    draws = np.random.default_rng(7)
    logits = draws.normal(scale=2, size=(rows, 3, classes))
    embedding = draws.normal(size=(rows, FEATURES)) * [1.0, 10.0, 0.1]
    if constant:
        logits[:], embedding[:] = logits[0], embedding[0]
    committee = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    ids = pa.array(draws.permutation(rows * 3)[:rows], pa.int64())
    outputs = {
        Output.PROBA: committee[:, 0],
        Output.LOGITS: logits[:, 0],
        Output.COMMITTEE: committee,
        Output.EMBEDDING: embedding,
    }
    return Block(ids, {name: _frozen(values) for name, values in outputs.items()}, SEED, ROUND)


def rows_of(whole: Block, positions: I64, order: str = "F") -> Block:
    """Give the rows at `positions`, in Fortran (class-major) or C order."""
    outputs = {name: _frozen(array[positions], order) for name, array in whole.outputs.items()}
    return replace(whole, ids=whole.ids.take(pa.array(positions)), outputs=outputs)


def shortlist(strategy: Strategy, shards: Iterable[Block], size: int) -> Shortlist:
    """Scan plainly: score each shard, keep its best `size`, merge, keep the best `size` of all."""
    parts = [_best(strategy, shard, size) for shard in shards]
    merged = Shortlist(
        ids=pa.concat_arrays([part.ids for part in parts]),
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("score", "tie", "file", "row_group", "row")
        },
        outputs={name: np.concatenate([part.outputs[name] for part in parts]) for name in parts[0].outputs},
    )
    return merged.take(_ranking(merged)[:size])


def pick(strategy: Strategy, shards: Iterable[Block], k: int) -> list[int]:
    """Select a batch of k ids from shards, as a round does."""
    ready = prepared(strategy, k)
    best = shortlist(ready, shards, max(k, ready.oversample * k))
    positions = ready.choose(best, k, rng.generator(SEED, ROUND, "choose"))
    picked: list[int] = best.ids.take(pa.array(positions)).to_pylist()
    return picked


def prepared(strategy: Strategy, k: int = BATCH) -> Strategy:
    """Give the strategy as the driver prepares it for a round."""
    labelled = block(30)
    return strategy.prepare(
        Context(
            seed=SEED,
            round=ROUND,
            k=k,
            rows=ROWS,
            classes=tuple(f"class {c}" for c in range(CLASSES)),
            labelled=labelled.embedding,
            labels=np.arange(30, dtype=np.int32) % CLASSES,
        )
    )


def _frozen(values: object, order: str = "F") -> F32:
    array = np.array(values, dtype=np.float32, order="C" if order == "C" else "F")
    array.flags.writeable = False
    return array


def _best(strategy: Strategy, shard: Block, size: int) -> Shortlist:
    n = len(shard)
    scored = Shortlist(
        ids=shard.ids,
        score=strategy.score(shard),
        tie=rng.row_hash(shard.ids, rng.key(SEED, ROUND, "tie")),
        file=np.zeros(n, np.int32),
        row_group=np.zeros(n, np.int32),
        row=np.arange(n, dtype=np.int64),
        outputs={name: shard.outputs[name] for name in strategy.requires},
    )
    return scored.take(_ranking(scored)[:size])


def _ranking(rows: Shortlist) -> I64:
    order = np.lexsort((np.asarray(rows.ids), rows.tie, -rows.score.astype(np.float64)))
    return np.asarray(order[np.isfinite(rows.score[order])], np.int64)


def _split(whole: Block, parts: int, seed: int = 0) -> list[Block]:
    positions = np.random.default_rng(seed).permutation(len(whole))
    return [rows_of(whole, part) for part in np.array_split(positions, parts)]


def row_wise(strategy: Strategy) -> None:
    """A score depends on the row alone: not on its neighbours, their number, order or memory layout."""
    ready, whole = prepared(strategy), block(5000)
    scores, n = ready.score(whole), len(whole)
    shuffled = np.random.default_rng(1).permutation(n)
    singles = [np.array([i]) for i in range(20)]
    uneven = np.split(np.arange(n), [1, 8, 21, 1044, 4095, 4999])
    for positions in [shuffled, *singles, *uneven]:
        for order in "FC":
            again = ready.score(rows_of(whole, positions, order))
            hold(
                again.tobytes() == scores[positions].tobytes(),
                f"other scores for {len(positions)} rows of a block of {n} in {order} order",
            )


def scores_are_float32_and_ordered(strategy: Strategy) -> None:
    """Scores are (n,) float32, each finite or -inf; an empty block gives none."""
    ready = prepared(strategy)
    for rows in (0, 1, ROWS):
        scores = ready.score(block(rows) if rows else rows_of(block(), np.arange(0)))
        hold(scores.dtype == np.float32, f"scores are {scores.dtype}; float32 is the law")
        hold(scores.shape == (rows,), f"scores of {rows} rows have the shape {scores.shape}")
        hold(not np.any(np.isnan(scores) | np.isposinf(scores)), "a score is NaN or +inf")


def any_sharding_picks_the_same(strategy: Strategy) -> None:
    """Any split of the pool into shards, in any order, gives the same batch in the same order."""
    whole = block()
    expected = pick(strategy, [whole], BATCH)
    for parts in (2, 3, 7, 40):
        for seed in (0, 1):
            found = pick(strategy, _split(whole, parts, seed), BATCH)
            hold(found == expected, f"{parts} shards: {found}; one shard: {expected}")


def no_duplicates(strategy: Strategy) -> None:
    """No row is picked twice, and every pick is a row."""
    for constant in (False, True):
        whole = block(constant=constant)
        for k in (1, 2, BATCH, ROWS - 1):
            picked = pick(strategy, _split(whole, 3), k)
            hold(len(picked) == len(set(picked)) == k, f"{k} rows wanted, picked {sorted(picked)}")


def ties_go_by_hash(strategy: Strategy) -> None:
    """Equal rows are picked by keyed hash, never by where they lie."""
    whole = block(constant=True)
    expected = pick(strategy, [whole], BATCH)
    backwards = rows_of(whole, np.arange(ROWS)[::-1])
    hold(pick(strategy, [backwards], BATCH) == expected, "other picks when the rows lie the other way round")
    best = shortlist(prepared(strategy), [whole], ROWS)
    if type(strategy).choose is Strategy.choose and len(set(best.score.tolist())) == 1:
        by_hash = best.ids.take(pa.array(np.argsort(best.tie)[:BATCH])).to_pylist()
        hold(expected == by_hash, f"picked {expected}; by hash {by_hash}")


def inputs_are_not_mutated(strategy: Strategy) -> None:
    """Blocks and shortlists stay as they were, and read-only arrays are enough."""
    ready, whole = prepared(strategy), block()
    best = shortlist(ready, [whole], max(BATCH, ready.oversample * BATCH))
    arrays: list[npt.NDArray[np.generic]] = [best.score, best.tie, *best.outputs.values()]
    for array in arrays:
        array.flags.writeable = False
    before = [array.tobytes() for array in [*whole.outputs.values(), *arrays]]
    ready.score(whole)
    picked = ready.choose(best, BATCH, rng.generator(SEED, ROUND, "choose"))
    ready.explain(best, picked)
    after = [array.tobytes() for array in [*whole.outputs.values(), *arrays]]
    hold(before == after, "an input was changed")


def pickles_by_reference(strategy: Strategy) -> None:
    """A fresh interpreter in another folder loads the strategy and gives the same scores."""
    ready, whole = prepared(strategy), block()
    hold(pickle.loads(pickle.dumps(ready)) is not None, "cannot be pickled")  # noqa: S301 - our own bytes
    with tempfile.TemporaryDirectory() as elsewhere:
        child = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input=pickle.dumps((ready, whole)),
            capture_output=True,
            cwd=elsewhere,
            check=False,
        )
    hold(child.returncode == 0, f"the other interpreter failed: {child.stderr.decode(errors='replace')}")
    hold(child.stdout == ready.score(whole).tobytes(), "the other interpreter gave other scores")


def a_large_batch_takes_all(strategy: Strategy) -> None:
    """A batch as large as the pool, or larger, is the pool."""
    whole = block(12)
    for k in (12, 13, 1000):
        picked = pick(strategy, _split(whole, 2), k)
        hold(sorted(picked) == sorted(whole.ids.to_pylist()), f"{k} of 12 rows wanted, picked {picked}")


def one_class_is_enough(strategy: Strategy) -> None:
    """A model that knows one class only still gives an order."""
    whole = block(classes=1)
    picked = pick(strategy, _split(whole, 3), BATCH)
    hold(len(set(picked)) == BATCH, f"one class: picked {picked}")


def constant_scores_are_enough(strategy: Strategy) -> None:
    """Rows that cannot be told apart still fill a batch, also one nearly as large as the pool."""
    whole = block(50, constant=True)
    for k in (1, 7, 49):
        picked = pick(strategy, _split(whole, 3), k)
        hold(len(set(picked)) == k, f"{k} of 50 equal rows wanted, picked {picked}")


def same_generator_same_picks(strategy: Strategy) -> None:
    """`choose` has no randomness but its generator's, and gives distinct int64 positions."""
    ready = prepared(strategy)
    best = shortlist(ready, [block()], max(BATCH, ready.oversample * BATCH))
    first, again = (ready.choose(best, BATCH, np.random.default_rng(5)) for _ in range(2))
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
    """`explain` gives columns as long as the batch, also for a batch that is the whole pool."""
    for k in (1, BATCH, ROWS):
        ready = prepared(strategy, k)
        best = shortlist(ready, [block()], max(k, ready.oversample * k))
        picked = ready.choose(best, k, rng.generator(SEED, ROUND, "choose"))
        for name, column in ready.explain(best, picked).items():
            hold(len(column) == k, f"column {name} has {len(column)} values for {k} picks")


CHECKS: tuple[Callable[[Strategy], None], ...] = (
    row_wise,
    scores_are_float32_and_ordered,
    any_sharding_picks_the_same,
    no_duplicates,
    ties_go_by_hash,
    inputs_are_not_mutated,
    pickles_by_reference,
    a_large_batch_takes_all,
    one_class_is_enough,
    constant_scores_are_enough,
    same_generator_same_picks,
    prepare_keeps_the_class,
    explains_every_pick,
)
