"""k-means on rows: the assignment against brute force, laws of cutting and repeating, few distinct rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import MiniBatchKMeans

from lamplighter.arrays import F32
from lamplighter.strategies.clusters import PANEL, Centres, k_means, turns

#: Rows on whole numbers: equal rows, and equal distances, are common.
GRIDS = st.tuples(
    st.integers(1, 60), st.integers(1, 4), st.integers(1, 12), st.integers(1, 6), st.integers(0, 99)
)


def _blobs(rows: int, centres: int, features: int, seed: int = 0) -> tuple[F32, F32]:
    draws = np.random.default_rng(seed)
    middles = draws.normal(scale=10, size=(centres, features))
    x = middles[np.arange(rows) % centres] + draws.normal(scale=0.1, size=(rows, features))
    return x.astype(np.float32), middles.astype(np.float32)


def _clustered(x: F32, k: int, seed: int = 0) -> Centres:
    return k_means(x, k, np.random.default_rng(seed))


def _inertia(x: F32, points: F32) -> float:
    distances = np.square(x[:, None].astype(np.float64) - points[None]).sum(axis=2)
    return float(distances.min(axis=1).sum())


@settings(max_examples=60, deadline=None)
@given(GRIDS)
def test_the_nearest_centre_is_that_of_brute_force(case: tuple[int, int, int, int, int]) -> None:
    n, width, k, values, seed = case
    draws = np.random.default_rng(seed)
    x = draws.integers(0, values, (n, width)).astype(np.float32)
    points = draws.integers(0, values, (k, width)).astype(np.float32)
    found, distance = Centres.at(points).nearest(x)
    squared = np.square(x[:, None] - points[None]).sum(axis=2)
    assert found.dtype == np.int32
    assert found.tolist() == squared.argmin(axis=1).tolist()
    assert distance.tolist() == squared.min(axis=1).tolist()


def test_an_offset_a_thousand_times_the_spread_moves_few_rows_to_another_centre() -> None:
    x, _ = _blobs(2000, 20, 8)
    plain, _ = _clustered(x, 20).nearest(x)
    moved, _ = _clustered(x + np.float32(1e4), 20).nearest(x + np.float32(1e4))
    assert np.mean(plain == moved) > 0.99


@pytest.mark.parametrize("features", [1, 3, 17, 64])
@pytest.mark.parametrize("k", [1, 5, 130])
def test_a_row_has_the_same_bits_in_any_block(features: int, k: int) -> None:
    x = np.random.default_rng(1).normal(size=(3 * PANEL + 7, features)).astype(np.float32)
    centres = _clustered(x, k)
    group, distance = centres.nearest(x)
    order = np.random.default_rng(2).permutation(len(x))
    for cuts in ([1, 2, 9], [PANEL - 1, PANEL], [PANEL + 3, 1500], list(range(700, 730))):
        for rows in np.split(order, cuts):
            for layout in (np.ascontiguousarray, np.asfortranarray):
                again = centres.nearest(layout(x[rows]))
                assert again[0].tobytes() == group[rows].tobytes()
                assert again[1].tobytes() == distance[rows].tobytes()


def test_no_rows_have_no_centre() -> None:
    centres = _clustered(np.eye(3, dtype=np.float32), 2)
    group, distance = centres.nearest(np.empty((0, 3), np.float32))
    assert len(group) == len(distance) == 0


def test_separate_heaps_are_found_largest_first() -> None:
    draws = np.random.default_rng(0)
    sizes = [50, 40, 30, 20, 10]
    middles = np.eye(5) * 100
    x = np.repeat(middles, sizes, axis=0) + draws.normal(size=(150, 5))
    centres = _clustered(x[draws.permutation(150)].astype(np.float32), 5)
    assert centres.size.tolist() == sizes
    np.testing.assert_allclose(centres.points + centres.origin, middles, atol=1)


def test_passes_lower_the_sum_of_squared_distances() -> None:
    x = np.random.default_rng(0).normal(size=(3000, 6)).astype(np.float32)
    sums = []
    for passes in (1, 2, 5, 20):
        centres = k_means(x, 40, np.random.default_rng(0), passes=passes)
        sums.append(_inertia(x, centres.points + centres.origin))
    assert sums == sorted(sums, reverse=True)
    assert sums[-1] < sums[0]


def test_it_is_as_good_as_mini_batches() -> None:
    x, _ = _blobs(4000, 300, 16, seed=3)
    peer = MiniBatchKMeans(150, n_init=1, max_iter=10, init_size=450, random_state=0).fit(x)
    centres = _clustered(x, 150)
    assert _inertia(x, centres.points + centres.origin) < 1.1 * _inertia(x, peer.cluster_centers_)


def test_centres_are_the_means_of_their_rows_when_nothing_moves_any_more() -> None:
    x, _ = _blobs(500, 7, 4)
    centres = k_means(x, 7, np.random.default_rng(0), passes=50)
    group, _ = centres.nearest(x)
    assert np.bincount(group).tolist() == centres.size.tolist()
    for c in range(len(centres)):
        np.testing.assert_allclose(
            centres.points[c] + centres.origin, x[group == c].mean(axis=0, dtype=np.float64), rtol=1e-5
        )


@settings(max_examples=60, deadline=None)
@given(GRIDS)
def test_there_are_at_most_as_many_centres_as_distinct_rows(case: tuple[int, int, int, int, int]) -> None:
    n, width, k, values, seed = case
    x = np.random.default_rng(seed).integers(0, values, (n, width)).astype(np.float32)
    centres = _clustered(x, k, seed)
    assert 1 <= len(centres) <= min(k, len(np.unique(x, axis=0)))
    assert centres.size.sum() == n
    assert centres.size.min() >= 1
    assert np.all(np.diff(centres.size) <= 0)


def test_equal_rows_make_one_centre() -> None:
    centres = _clustered(np.full((400, 3), 1.1, np.float32), 100)
    assert centres.size.tolist() == [400]


@pytest.mark.parametrize("k", [3, 200])
def test_the_same_generator_gives_the_same_centres(k: int) -> None:
    x = np.random.default_rng(0).normal(size=(2000, 5)).astype(np.float32)
    assert _clustered(x, k, 4) == _clustered(x.copy(order="F"), k, 4)
    assert hash(_clustered(x, k, 4)) == hash(_clustered(x, k, 4))
    assert _clustered(x, k, 4) != _clustered(x, k, 5)


def test_rows_may_be_read_only() -> None:
    x, _ = _blobs(300, 5, 3)
    x.flags.writeable = False
    before = x.tobytes()
    _clustered(x, 5).nearest(x)
    assert x.tobytes() == before


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=40))
def test_turns_count_the_earlier_rows_of_the_group(groups: list[int]) -> None:
    expected = [groups[:i].count(group) for i, group in enumerate(groups)]
    assert turns(np.array(groups, np.int32)).tolist() == expected


def test_huge_rows_are_infinitely_far_and_break_nothing() -> None:
    x, _ = _blobs(300, 3, 4)
    x[7], x[8] = 3e38, -1e25
    centres = _clustered(x, 5)
    group, distance = centres.nearest(x)
    assert not np.isnan(distance).any()
    assert set(group.tolist()) <= set(range(len(centres)))
    assert np.isfinite(np.delete(distance, [7, 8])).all()


def test_centres_of_the_largest_numbers_have_distances() -> None:
    x = np.where(_blobs(300, 5, 4)[0] > 0, np.float32(3e38), np.float32(-3e38))
    centres = _clustered(x, 5)
    assert np.isfinite(centres.points).all()
    group, distance = centres.nearest(x)
    assert not np.isnan(distance).any()
    assert set(group.tolist()) <= set(range(len(centres)))
