"""Pools of known clusters, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from lamplighter.arrays import F32, I64
from lamplighter.strategies.base import Block, Choice, Context, Output, Shortlist, Strategy
from lamplighter.testing.strategy_round import ROUND, SEED, ShardSurvey, context, shortlist


def heaped(sizes: Sequence[int], features: int = 4, seed: int = 0) -> tuple[F32, I64]:
    """Give rows in heaps far apart, heap i of sizes[i] rows, shuffled; and the heap of each."""
    draws = np.random.default_rng(seed)
    heap = draws.permutation(np.repeat(np.arange(len(sizes)), sizes))
    middles = draws.normal(scale=100, size=(len(sizes), features))
    return (middles[heap] + draws.normal(size=(len(heap), features))).astype(np.float32), heap


def pool_of(x: F32, proba: F32 | None = None) -> Block:
    """Give a pool of one block whose ids are 0, 1, 2, ...; two classes, where nothing else is said."""
    n = len(x)
    if proba is None:
        first = np.random.default_rng(1).random(n).astype(np.float32)
        proba = np.stack([first, 1 - first], axis=1)
    outputs = {Output.PROBA: proba, Output.EMBEDDING: x, Output.LAST_LAYER: x}
    return Block(pa.array(np.arange(n), pa.int64()), outputs, SEED, ROUND)


def knowing(k: int, labelled: F32 | None = None, *, embedding: bool = True) -> Context:
    """Give a context with some labelled rows."""
    rows = np.empty((0, 0), np.float32) if labelled is None else labelled
    load = lambda: (rows, np.zeros(len(rows), np.int32))  # noqa: E731 - a lambda reads best here
    return replace(context(k), load=load, embedding=embedding)


def batch(strategy: Strategy, pool: Block, known: Context) -> tuple[list[int], Choice, Shortlist]:
    """Run a round of `known.k` rows: the ids, the choice, and the shortlist that it was made from."""
    ready = strategy.prepare(replace(known, survey=ShardSurvey((pool,))))
    best = shortlist(ready, [pool], strategy.lanes(known))
    choice = strategy.choose(best, known)
    ids: list[int] = best.ids.take(pa.array(choice.positions)).to_pylist()
    return ids, choice, best
