"""Cluster-Margin: a worked example, the round robin against a plain loop."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.errors import ConfigError
from lamplighter.strategies.base import Lane
from lamplighter.strategies.cluster_margin import ClusterMargin, round_robin
from lamplighter.strategies.uncertainty import margin
from tests.strategies.heaps import batch, heaped, knowing, pool_of


def _plain(cluster: list[int], k: int) -> list[int]:
    """Visit the clusters as the paper says: by ascending size, the best row left of each."""
    order = sorted(set(cluster), key=lambda c: (cluster.count(c), cluster.index(c)))
    left = {c: [i for i, own in enumerate(cluster) if own == c] for c in order}
    picked: list[int] = []
    while len(picked) < k and any(left.values()):
        for c in order:
            if left[c] and len(picked) < k:
                picked.append(left[c].pop(0))
    return picked


def test_a_worked_example() -> None:
    # Best margin first. Cluster 7 has rows 0, 1, 2, 5; cluster 3 has rows 3, 6; cluster 9 has row 4.
    cluster = np.array([7, 7, 7, 3, 9, 7, 3], np.int32)
    # Smallest first: 9 gives 4, 3 gives 3, 7 gives 0; 9 is empty, 3 gives 6, 7 gives 1; then 7 alone.
    assert round_robin(cluster, 7).tolist() == [4, 3, 0, 6, 1, 2, 5]
    assert round_robin(cluster, 4).tolist() == [4, 3, 0, 6]


def test_clusters_of_one_size_go_by_their_best_row() -> None:
    assert round_robin(np.array([5, 2, 8, 2, 8, 5], np.int32), 4).tolist() == [0, 1, 2, 5]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=50), st.integers(1, 60))
def test_the_round_robin_is_that_of_a_plain_loop(cluster: list[int], k: int) -> None:
    picked = round_robin(np.array(cluster, np.int32), k).tolist()
    assert picked == _plain(cluster, k)
    assert len(set(picked)) == len(picked) == min(k, len(cluster))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=50), st.integers(1, 60))
def test_no_cluster_gives_two_before_each_gave_one(cluster: list[int], k: int) -> None:
    taken = Counter(cluster[i] for i in round_robin(np.array(cluster, np.int32), k).tolist())
    assert max(taken.values()) == 1 or set(taken) == set(cluster)


def test_every_heap_gives_its_best_row_smallest_heap_first() -> None:
    x, heap = heaped([60, 30, 20, 10, 5])
    pool = pool_of(x)
    ids, choice, _ = batch(ClusterMargin(oversample=25), pool, knowing(5))
    scores = margin(pool.proba)
    assert [heap[i] for i in ids] == [4, 3, 2, 1, 0]
    assert [scores[i] for i in ids] == [scores[heap == h].max() for h in (4, 3, 2, 1, 0)]
    assert choice.facts == {"clusters": 5, "clusters_in_batch": 5}
    assert len(set(choice.columns["cluster"].tolist())) == 5


def test_only_uncertain_rows_are_clustered() -> None:
    x, _ = heaped([100, 100])
    pool = pool_of(x)
    ids, _, best = batch(ClusterMargin(oversample=3), pool, knowing(4))
    assert best.ids.to_pylist() == np.argsort(-margin(pool.proba), kind="stable")[:12].tolist()
    assert set(ids) <= set(best.ids.to_pylist())
    assert ClusterMargin().lanes(knowing(7)) == (Lane(70),)


def test_the_rows_beyond_the_sample_find_their_clusters() -> None:
    x, heap = heaped([21_000, 3000, 1000], features=2)
    ids, choice, best = batch(ClusterMargin(oversample=250, clusters=3), pool_of(x), knowing(100))
    assert len(best) == 25_000
    assert choice.facts["clusters"] == 3
    assert Counter(heap[ids].tolist()) == {2: 34, 1: 33, 0: 33}


def test_columns_of_a_table_are_put_on_one_scale() -> None:
    x, heap = heaped([40, 30, 20])
    x = np.concatenate([x, np.random.default_rng(0).normal(scale=1e6, size=(90, 1))], axis=1).astype(
        np.float32
    )
    raw = batch(ClusterMargin(oversample=30), pool_of(x), knowing(3))[0]
    scaled = batch(ClusterMargin(oversample=30, clusters=6), pool_of(x), knowing(6, embedding=False))[0]
    assert len({heap[i] for i in raw}) < 3
    assert {heap[i] for i in scaled} == {0, 1, 2}


@pytest.mark.parametrize("k", [12, 13])
def test_a_batch_of_all_rows_has_no_clusters(k: int) -> None:
    x, _ = heaped([8, 4])
    ids, choice, best = batch(ClusterMargin(), pool_of(x), knowing(k))
    assert ids == best.ids.to_pylist()
    assert choice.columns["cluster"].tolist() == [-1] * 12


@pytest.mark.parametrize("wrong", [{"oversample": 0}, {"clusters": 0}, {"clusters": -1}])
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="; allowed: 1 and more"):
        ClusterMargin(**wrong)
