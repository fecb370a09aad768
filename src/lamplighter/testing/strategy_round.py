"""A round in memory, made plainly: what the contract of strategies measures against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from lamplighter import rng, shortlists
from lamplighter.arrays import F32, F64, I64
from lamplighter.strategies.base import (
    Block,
    Choice,
    Context,
    Lane,
    MeanDirection,
    Output,
    Shortlist,
    Strategy,
)

SEED, ROUND = 20240229, 3
ROWS, CLASSES, FEATURES, BATCH = 600, 4, 3, 20
_COLUMNS = ("score", "tie", "file", "row_group", "row", "lane")


def block(rows: int = ROWS, classes: int = CLASSES, *, constant: bool = False) -> Block:
    """Make a block as the scan does: class-major, read-only; `constant` repeats one row."""
    draws = np.random.default_rng(7)
    logits = draws.normal(scale=2, size=(rows, 3, classes))
    embedding = draws.normal(size=(rows, FEATURES)) * [1.0, 10.0, 0.1]
    if constant:
        logits[:], embedding[:] = logits[0], embedding[0]
    committee = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    mean = committee.mean(axis=1, keepdims=True)
    ids = pa.array(draws.permutation(rows * 3)[:rows], pa.int64())
    outputs = {
        Output.PROBA: committee[:, 0],
        Output.LOGITS: logits[:, 0],
        Output.COMMITTEE: committee,
        Output.DIVERGENCE: (committee * np.log(committee / mean)).sum(axis=2),
        Output.EMBEDDING: embedding,
        Output.LAST_LAYER: np.tanh(embedding[:, :2]),
    }
    return Block(ids, {name: _frozen(values) for name, values in outputs.items()}, SEED, ROUND)


def rows_of(whole: Block, positions: I64, order: str = "F") -> Block:
    """Give the rows at `positions`, in Fortran (class-major) or C order."""
    outputs = {name: _frozen(array[positions], order) for name, array in whole.outputs.items()}
    return replace(whole, ids=whole.ids.take(pa.array(positions)), outputs=outputs)


def shortlist(strategy: Strategy, shards: Iterable[Block], lanes: Sequence[Lane]) -> Shortlist:
    """Scan plainly: rank each shard, keep the best of every lane, merge, keep the best of all."""
    parts = [_best(strategy, shard, lanes) for shard in shards]
    merged = Shortlist(
        ids=pa.concat_arrays([part.ids for part in parts]),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS},
        outputs={name: np.concatenate([part.outputs[name] for part in parts]) for name in parts[0].outputs},
    )
    return _cut(merged, lanes)


def pick(strategy: Strategy, shards: Sequence[Block], k: int) -> list[int]:
    """Select a batch of k ids from shards, as a round does."""
    best, choice = chosen(strategy, shards, k)
    picked: list[int] = best.ids.take(pa.array(choice.positions)).to_pylist()
    return picked


def chosen(strategy: Strategy, shards: Sequence[Block], k: int) -> tuple[Shortlist, Choice]:
    """Give the shortlist of shards and what the strategy, not prepared, chooses from it."""
    best = shortlist(prepared(strategy, k, shards), shards, strategy.lanes(context(k)))
    return best, strategy.choose(best, context(k))


def context(k: int = BATCH) -> Context:
    """Give what a strategy may know when it chooses: 30 labelled rows among it."""
    labelled = block(30)
    labels = np.arange(30, dtype=np.int32) % CLASSES
    classes = tuple(f"class {c}" for c in range(CLASSES))
    return Context(SEED, ROUND, k, ROWS, classes, load=lambda: (labelled.embedding, labels))


def prepared(strategy: Strategy, k: int = BATCH, shards: Sequence[Block] = ()) -> Strategy:
    """Give the strategy as the driver prepares it for a round, with the pool in shards."""
    return strategy.prepare(replace(context(k), survey=ShardSurvey(tuple(shards) or (block(),))))


@dataclass(frozen=True)
class ShardSurvey:
    """Passes over blocks in memory, made plainly."""

    shards: tuple[Block, ...]

    def sample(self, rows: int) -> F32:
        """Give a random sample's features, by keyed hash."""
        ids = pa.concat_arrays([shard.ids for shard in self.shards])
        draws = rng.row_uniform(ids, rng.key(SEED, ROUND, "survey"))
        x: F32 = np.concatenate([shard.embedding for shard in self.shards])[np.argsort(-draws)[:rows]]
        return x

    def mean_direction(self) -> MeanDirection:
        """Give the mean of x / |x|, rounded where the order of a sum would show."""
        x = np.concatenate([shard.embedding for shard in self.shards]).astype(np.float64)
        mean: F64 = np.round((x / np.linalg.norm(x, axis=1, keepdims=True)).mean(axis=0), 12)
        return MeanDirection(mean, len(x))


def _frozen(values: object, order: str = "F") -> F32:
    array = np.array(values, dtype=np.float32, order="C" if order == "C" else "F")
    array.flags.writeable = False
    return array


def _best(strategy: Strategy, shard: Block, lanes: Sequence[Lane]) -> Shortlist:
    n, first, parts = len(shard), 0, []
    for lane, ranked in zip(lanes, strategy.rank(shard), strict=True):
        group = np.zeros(n, np.int32) if ranked.group is None else ranked.group
        scored = Shortlist(
            ids=shard.ids,
            score=ranked.score,
            tie=rng.row_hash(shard.ids, rng.key(SEED, ROUND, "tie")),
            file=np.zeros(n, np.int32),
            row_group=np.zeros(n, np.int32),
            row=np.arange(n, dtype=np.int64),
            outputs={name: shard.outputs[name] for name in strategy.carries},
            lane=group + np.int32(first),
        )
        parts.append(scored.take(np.flatnonzero(np.isfinite(scored.score))))
        first += lane.groups
    return _cut(shortlists.concatenate(parts), lanes)


def _cut(rows: Shortlist, lanes: Sequence[Lane]) -> Shortlist:
    order = np.lexsort((np.asarray(rows.ids), rows.tie, -rows.score.astype(np.float64), rows.lane))
    sizes = [lane.rows for lane in lanes for _ in range(lane.groups)]
    lists = [order[rows.lane[order] == number][:size] for number, size in enumerate(sizes)]
    return rows.take(np.concatenate(lists).astype(np.int64))


def split(whole: Block, parts: int, seed: int = 0) -> list[Block]:
    positions = np.random.default_rng(seed).permutation(len(whole))
    return [rows_of(whole, part) for part in np.array_split(positions, parts)]
