"""A scan keeps several lists at once, each exact, whatever the sharding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import rng, scan
from lamplighter.arrays import F32, I32
from lamplighter.errors import ModelError
from lamplighter.strategies.base import Block, Context, Lane, Output, Ranked, Shortlist, Strategy
from lamplighter.testing.strategy_round import context
from tests.scan.pools import ROUND, SEED, MemoryPool, job, memory_pool

GROUPS = 4


@dataclass(frozen=True)
class Split(Strategy):
    """Two lanes: the largest first feature, and the largest second feature of each of four groups."""

    requires = frozenset({Output.EMBEDDING})

    def lanes(self, context: Context) -> tuple[Lane, ...]:
        return (Lane(context.k), Lane(context.k, GROUPS))

    def score(self, block: Block) -> F32:
        return block.embedding[:, 0].copy()

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        return (Ranked(self.score(block)), Ranked(block.embedding[:, 1].copy(), group_of(block.embedding)))


def group_of(x: F32) -> I32:
    """Give a group by the third feature."""
    return np.clip(np.floor(x[:, 2]), -2, 1).astype(np.int32) + np.int32(2)


def expected(pool: MemoryPool, k: int) -> list[list[object]]:
    """Give every list's ids by brute force, best first."""
    tie = rng.row_hash(pool.ids, rng.key(SEED, ROUND, "tie"))
    group = group_of(pool.features)
    found = []
    for number in range(GROUPS + 1):
        score = pool.features[:, 0 if number == 0 else 1]
        rows = np.flatnonzero((group == number - 1) | (number == 0))
        order = rows[np.lexsort((tie[rows], -score[rows]))][:k]
        found.append([pool.ids[int(i)].as_py() for i in order])
    return found


def lists(result: Shortlist) -> list[list[object]]:
    """Give every list's ids as the scan found them."""
    return [[result.ids[int(i)].as_py() for i in result.on(number)] for number in range(GROUPS + 1)]


@settings(max_examples=30, deadline=None)
@given(k=st.integers(0, 200), levels=st.sampled_from([0, 1, 3]), cut=st.integers(1, 7))
def test_every_list_is_exact(k: int, levels: int, cut: int) -> None:
    pool = memory_pool(400, levels=levels)
    task = job(pool, Split(), m=None, lanes=Split().lanes(context(k)))
    parts = [scan.scan_shard(task, shard) for shard in pool.shards([cut, pool.groups - cut])]
    result = scan.merge(parts, task.lanes).shortlist
    assert lists(result) == expected(pool, k)
    assert np.all(np.diff(result.lane) >= 0)


def test_many_rows_are_cut_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamplighter.scan_lanes.SLACK", 5)
    pool = memory_pool(600, levels=2)
    task = job(pool, Split(), m=None, lanes=Split().lanes(context(3)))
    assert lists(scan.scan_shard(task, pool.shard(range(pool.groups))).shortlist) == expected(pool, 3)


@dataclass(frozen=True)
class Outside(Split):
    """Gives a group that the lane does not have."""

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        return (Ranked(self.score(block)), Ranked(self.score(block), np.full(len(block), GROUPS, np.int32)))


@dataclass(frozen=True)
class Groupless(Split):
    """Gives no group for a lane of groups."""

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        return (Ranked(self.score(block)), Ranked(self.score(block)))


@dataclass(frozen=True)
class Short(Split):
    """Ranks for one of two lanes."""

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        return (Ranked(self.score(block)),)


@pytest.mark.parametrize(
    ("strategy", "words"),
    [(Outside(), "0 to 3"), (Groupless(), "no group"), (Short(), "1 lanes; it has 2")],
)
def test_a_faulty_rank_is_named(strategy: Strategy, words: str) -> None:
    pool = memory_pool(100)
    with pytest.raises(ModelError, match=words):
        scan.scan_shard(
            job(pool, strategy, m=None, lanes=strategy.lanes(context(5))), pool.shard(range(pool.groups))
        )
