"""Cluster-Margin: a worked example, the round robin against a plain loop."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.strategies.cluster_margin import round_robin


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
