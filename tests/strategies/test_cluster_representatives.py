"""Representatives from the whole pool: the nearest rows by brute force, clusters in turns, a full batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32, I64
from lamplighter.errors import ConfigError
from lamplighter.strategies.base import Lane
from lamplighter.strategies.cluster_representatives import ClusterRepresentatives
from lamplighter.testing.strategy_round import ShardSurvey
from tests.strategies.heaps import batch, heaped, knowing, pool_of


def _nearest(x: F32, heap: I64, which: int) -> list[int]:
    """Give the rows of a heap by distance to its mean."""
    members = np.flatnonzero(heap == which)
    centre = x[members].mean(axis=0, dtype=np.float64)
    return [int(i) for i in members[np.argsort(np.square(x[members] - centre).sum(axis=1))]]


def test_every_heap_gives_the_row_nearest_to_its_centre_largest_first() -> None:
    x, heap = heaped([60, 50, 40, 30, 20])
    ids, choice, _ = batch(ClusterRepresentatives(), pool_of(x), knowing(5))
    assert ids == [_nearest(x, heap, h)[0] for h in range(5)]
    assert choice.columns["cluster"].tolist() == [0, 1, 2, 3, 4]
    assert choice.facts == {"clusters_in_batch": 5, "random_rows": 0}
    assert choice.notices == ()


def test_a_larger_batch_goes_round_the_clusters() -> None:
    x, heap = heaped([60, 50, 40])
    ids, choice, _ = batch(ClusterRepresentatives(clusters=3), pool_of(x), knowing(8))
    nearest = [_nearest(x, heap, h) for h in range(3)]
    assert ids == [nearest[h][turn] for turn in range(3) for h in range(3)][:8]
    assert choice.columns["cluster"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_rows_outside_the_sample_are_found() -> None:
    x, _ = heaped([3000, 2000], features=2)
    known = knowing(2)
    ids, _, _ = batch(ClusterRepresentatives(sample=40), pool_of(x), known)
    ready = ClusterRepresentatives(sample=40).prepare(replace(known, survey=ShardSurvey((pool_of(x),))))
    assert ready.centres is not None
    assert ready.centres.size.sum() == 40
    points = ready.centres.points + ready.centres.origin
    distance = np.square(x[:, None].astype(np.float64) - points[None]).sum(axis=2)
    assert ids == distance.argmin(axis=0).tolist()


def test_a_cluster_without_rows_left_is_filled_with_random_rows() -> None:
    x, heap = heaped([90, 3])
    ids, choice, _ = batch(ClusterRepresentatives(clusters=2), pool_of(x), knowing(30))
    # Each cluster keeps 2 * 15 + 2 rows; the small one has 3, the large one gives the rest.
    assert len(set(ids)) == 30
    assert [int(heap[i]) for i in ids[:7]] == [0, 1, 0, 1, 0, 1, 0]
    assert choice.facts["random_rows"] == 0
    ids, choice, _ = batch(ClusterRepresentatives(clusters=2), pool_of(x), knowing(60))
    assert len(set(ids)) == 60
    assert choice.facts["random_rows"] == 0
    x, _ = heaped([200, 1, 1, 1])
    ids, choice, _ = batch(ClusterRepresentatives(clusters=4), pool_of(x), knowing(100))
    # Each keeps 2 * 25 + 2 rows: 52 and 3 ones, and 45 rows from the sample.
    assert len(set(ids)) == 100
    assert choice.columns["cluster"].tolist()[55:] == [-1] * 45
    assert choice.facts == {"clusters_in_batch": 4, "random_rows": 45}
    assert choice.notices == ("clusters gave 55 of 100 rows, the others are random",)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 4), st.integers(1, 9))
def test_the_batch_is_full_whatever_the_pool(rows: int, k: int, kinds: int, clusters: int) -> None:
    x = (np.arange(rows) % kinds).astype(np.float32)[:, None]
    ids, _, _ = batch(ClusterRepresentatives(sample=5, clusters=clusters), pool_of(x), knowing(k))
    assert len(set(ids)) == len(ids) == min(k, rows)


def test_units_of_a_table_change_no_pick_those_of_an_embedding_do() -> None:
    x, _ = heaped([90, 80, 70, 60, 50, 40])
    x += np.random.default_rng(0).normal(scale=50, size=x.shape).astype(np.float32)
    units = np.array([1, 1024, 1 / 1024, 0], np.float32)

    def ids(rows: F32, embedding: bool) -> list[int]:
        return batch(ClusterRepresentatives(), pool_of(rows), knowing(20, embedding=embedding))[0]

    assert ids(x * units, False) == ids(x * np.sign(units), False)
    assert ids(x * units, True) != ids(x * np.sign(units), True)


def test_weights_of_a_table_are_the_inverse_deviations() -> None:
    x = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32) * np.array([1, 1e3, 0], np.float32)
    known = replace(knowing(3, embedding=False), survey=ShardSurvey((pool_of(x),)))
    ready = ClusterRepresentatives().prepare(known)
    assert ready.centres is not None
    expected = [1 / x[:, 0].std(), 1 / x[:, 1].std(), 0]
    np.testing.assert_allclose(ready.centres.weights, expected, rtol=1e-4)


def test_lanes_keep_more_than_a_round_of_clusters_takes() -> None:
    assert ClusterRepresentatives().lanes(knowing(10)) == (Lane(4, 10), Lane(10))
    assert ClusterRepresentatives(clusters=4).lanes(knowing(10)) == (Lane(8, 4), Lane(10))
    assert ClusterRepresentatives().lanes(knowing(1)) == (Lane(4, 1), Lane(1))


def test_a_pool_without_rows_has_no_clusters() -> None:
    pool = pool_of(np.empty((0, 3), np.float32))
    ids, choice, _ = batch(ClusterRepresentatives(), pool, knowing(3))
    assert ids == []
    assert choice.facts == {"clusters_in_batch": 0, "random_rows": 0}


def test_it_says_what_it_lacks() -> None:
    with pytest.raises(ConfigError, match="no survey of it; give one, or use 'representative'"):
        ClusterRepresentatives().prepare(knowing(3))
    with pytest.raises(ConfigError, match="no centres; call prepare"):
        ClusterRepresentatives().score(pool_of(np.zeros((2, 2), np.float32)))


@pytest.mark.parametrize("name", ["sample", "clusters", "passes"])
def test_wrong_parameters_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0; allowed: 1 and more"):
        ClusterRepresentatives(**{name: 0})
