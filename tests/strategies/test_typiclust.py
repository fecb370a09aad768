"""TypiClust: typicality against brute force, clusters in turns, never a crash and never a row twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32, F64, I64
from lamplighter.errors import ConfigError
from lamplighter.strategies.base import Lane
from lamplighter.strategies.typiclust import TypiClust, crowding, most_typical
from tests.strategies.heaps import batch, heaped, knowing, pool_of


def _crowding(x: F32, neighbours: int) -> F64:
    distance = np.sqrt(np.square(x[:, None].astype(np.float64) - x[None]).sum(axis=2))
    np.fill_diagonal(distance, np.inf)
    nearest = np.sort(distance, axis=1)[:, : min(neighbours, len(x) - 1)]
    mean: F64 = nearest.mean(axis=1) if nearest.shape[1] else np.zeros(len(x))
    return mean


def _picked(x: F32, cluster: list[int], labelled: list[int], *, k: int, small: int = 1) -> list[int]:
    groups, counts = np.array(cluster, np.int32), np.array(labelled, np.int64)
    picks: I64 = most_typical(x, groups, counts, k=k, neighbours=20, small=small)
    assert picks.dtype == np.int64
    return [int(pick) for pick in picks]


@pytest.mark.parametrize(("n", "neighbours"), [(1, 20), (2, 20), (15, 20), (300, 20), (700, 1)])
def test_crowding_is_the_mean_distance_to_the_nearest_others(n: int, neighbours: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 5)).astype(np.float32)
    np.testing.assert_allclose(crowding(x, neighbours), _crowding(x, neighbours), rtol=1e-10)


def test_copies_are_at_distance_zero_also_far_from_the_origin() -> None:
    x = np.repeat(np.random.default_rng(0).normal(1e4, 1, (4, 6)), 30, axis=0).astype(np.float32)
    assert crowding(x, 20).tolist() == [0] * 120


def test_a_worked_example() -> None:
    # On a line: cluster 0 at 0, 1, 2, 9 and cluster 1 at 100, 103, 104.
    x = np.array([[0], [1], [2], [9], [100], [103], [104]], np.float32)
    cluster = [0, 0, 0, 0, 1, 1, 1]
    # Mean distance to the others: 4, 10/3, 10/3, 8 and 3.5, 2, 2.5; of the equal ones the first.
    assert _picked(x, cluster, [0, 0], k=2) == [1, 5]
    # The large cluster has a label, so the small one comes first; then both have one, and the large one.
    assert _picked(x, cluster, [1, 0], k=3) == [5, 1, 6]
    # 1, 5 | 2, 6 | 0, 4 | 3: in turns, each by typicality, and on when a cluster is empty.
    assert _picked(x, cluster, [0, 0], k=9) == [1, 5, 2, 6, 0, 4, 3]


def test_covered_clusters_wait_for_all_others() -> None:
    x = np.arange(12, dtype=np.float32)[:, None]
    picked = _picked(x, [0] * 6 + [1] * 4 + [2] * 2, [5, 1, 0], k=4)
    assert [0 if i < 6 else 1 if i < 10 else 2 for i in picked] == [2, 1, 2, 1]


def test_small_clusters_come_last() -> None:
    x = np.arange(9, dtype=np.float32)[:, None]
    picked = _picked(x, [0] * 6 + [1] * 3, [9, 0], k=9, small=5)
    assert set(picked[:6]) == set(range(6))
    assert set(picked[6:]) == {6, 7, 8}


def test_all_clusters_covered_goes_on_with_the_least() -> None:
    # Here a peer stops with an UnboundLocalError.
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    picked = _picked(x, [i % 3 for i in range(30)], [7, 2, 4], k=6)
    assert [i % 3 for i in picked] == [1, 1, 1, 2, 1, 2]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=30),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
    st.tuples(st.integers(1, 40), st.integers(1, 3), st.integers(1, 6)),
)
def test_rows_are_never_picked_twice(
    cluster: list[int], labelled: list[int], case: tuple[int, int, int]
) -> None:
    # Repeated rows: here a peer puts one row into the batch several times.
    k, kinds, small = case
    x = (np.arange(len(cluster)) % kinds).astype(np.float32)[:, None]
    picked = _picked(x, cluster, labelled, k=k, small=small)
    assert len(set(picked)) == len(picked) == min(k, len(cluster))


def test_without_labels_every_heap_gives_its_most_typical_row_largest_first() -> None:
    x, heap = heaped([60, 50, 40, 30, 20])
    ids, choice, _ = batch(TypiClust(), pool_of(x), knowing(5))
    assert [heap[i] for i in ids] == [0, 1, 2, 3, 4]
    for i in ids:
        members = np.flatnonzero(heap == heap[i])
        assert i == members[_crowding(x[members], 5).argmin()]
    assert choice.facts == {"clusters": 5, "uncovered": 0}


def test_labelled_heaps_are_covered() -> None:
    x, heap = heaped([60, 50, 40, 30, 20])
    labelled = np.stack([x[heap == 0][0], x[heap == 2][0]])
    ids, _, _ = batch(TypiClust(clusters=5), pool_of(x), knowing(3, labelled))
    assert [heap[i] for i in ids] == [1, 3, 4]


def test_a_batch_goes_on_when_labels_cover_everything() -> None:
    x, heap = heaped([60, 50, 40])
    labelled = np.concatenate([x[heap == 0][:3], x[heap == 1][:2], x[heap == 2][:1]])
    ids, choice, _ = batch(TypiClust(clusters=3), pool_of(x), knowing(4, labelled))
    # One label, then two and two, then three of each: the fewest first, then the largest.
    assert [heap[i] for i in ids] == [2, 1, 2, 0]
    assert choice.facts["uncovered"] == 0


def test_a_pool_of_copies_fills_the_batch() -> None:
    x, _ = heaped([1, 1, 1])
    ids, _, _ = batch(TypiClust(), pool_of(np.repeat(x, 30, axis=0)), knowing(20, x))
    assert len(set(ids)) == 20


def test_uncovered_clusters_are_counted() -> None:
    x, _ = heaped([9, 9, 9, 9, 3])
    labelled = np.concatenate([x[:1] + 1e4, x[:1] - 1e4]).astype(np.float32)
    _, choice, _ = batch(TypiClust(), pool_of(x), knowing(3, labelled))
    # Five centres, two of them on labelled rows far away: three clusters of the pool, all picked from.
    assert choice.facts == {"clusters": 3, "uncovered": 0}
    _, choice, _ = batch(TypiClust(clusters=500), pool_of(x), knowing(2, np.repeat(labelled, 2, axis=0)))
    # The copies share a centre, so that two of six go to them; two of the other four give a row.
    assert choice.facts == {"clusters": 4, "uncovered": 2}


def test_columns_of_a_table_are_put_on_one_scale_with_the_labelled() -> None:
    x, heap = heaped([60, 50, 40])
    units = np.array([1, 1e-3, 1e3, 1], np.float32)
    labelled = x[heap == 0][:1]
    known = knowing(2, labelled * units, embedding=False)
    ids, _, _ = batch(TypiClust(), pool_of(x * units), known)
    assert [heap[i] for i in ids] == [1, 2]


def test_the_shortlist_is_a_sample() -> None:
    assert TypiClust().lanes(knowing(20)) == (Lane(10_000),)
    assert TypiClust(sample=30).lanes(knowing(20)) == (Lane(200),)


def test_an_empty_shortlist_gives_no_rows() -> None:
    _, _, best = batch(TypiClust(), pool_of(heaped([3, 4])[0]), knowing(2))
    choice = TypiClust().choose(best.take(np.empty(0, np.int64)), knowing(2))
    assert len(choice.positions) == len(choice.columns["cluster"]) == 0


@pytest.mark.parametrize("name", ["sample", "clusters", "neighbours", "smallest", "passes"])
def test_wrong_parameters_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0; allowed: 1 and more"):
        TypiClust(**{name: 0})
