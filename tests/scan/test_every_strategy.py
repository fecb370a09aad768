"""Every strategy finds the same shortlist, whatever the sharding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Context
from lamplighter.survey import PoolSurvey
from tests.scan.pools import CLASSES, ROUND, SEED, MemoryPool, cuts, job, memory_pool, softmax, whole


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("name", STRATEGIES.names())
def test_any_sharding_gives_the_same_for_every_strategy(name: str, text: bool) -> None:
    pool = memory_pool(text=text, levels=3)
    context = known(pool)
    strategy = STRATEGIES.build(name).prepare(context)
    task = job(pool, strategy, scorer=softmax(), m=None, lanes=strategy.lanes(context))
    plain = whole(task)
    assert len(plain.shortlist) >= 10
    for seed in range(4):
        again = whole(
            replace(task, pool=cast(Any, replace(pool, block_rows=7 + seed))), cuts(pool.groups, seed)
        )
        assert again.shortlist.ids.equals(plain.shortlist.ids)
        assert again.shortlist.score.tobytes() == plain.shortlist.score.tobytes()
        for output, values in plain.shortlist.outputs.items():
            assert again.shortlist.outputs[output].tobytes() == values.tobytes()


def known(pool: MemoryPool) -> Context:
    """Give what a strategy may know of a pool for a batch of 10: 20 labelled rows, and a survey."""
    names = tuple(f"c{i}" for i in range(CLASSES))
    labels = np.arange(20, dtype=np.int32) % CLASSES
    over = lambda function, *args: [function(s, *args) for s in pool.shards([pool.groups])]  # noqa: E731
    return Context(
        SEED,
        ROUND,
        10,
        len(pool.ids),
        names,
        load=lambda: (pool.features[:20], labels),
        survey=PoolSurvey(cast(Any, pool), SEED, ROUND, whole, over),
    )
