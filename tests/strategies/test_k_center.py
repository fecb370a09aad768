"""k-center: the fast path is the plain one, the certificate holds, the parameters are checked."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamplighter.arrays import F32, F64, I64
from lamplighter.strategies import _spread
from lamplighter.strategies.k_center import Cover, farthest_first, two_rounds

NONE = np.empty((0, 0), np.float32)


def distances(x: F32, y: F32) -> F64:
    """Give all distances in float64, term by term."""
    gaps = x[:, None].astype(np.float64) - y[None].astype(np.float64)
    result: F64 = np.sqrt((gaps**2).sum(axis=2))
    return result


def plainly(x: F32, k: int, labelled: F32) -> I64:
    """Pick farthest first as the textbook does; the first of equals."""
    nearest = distances(x, labelled).min(axis=1) if len(labelled) else np.full(len(x), np.inf)
    picks: list[int] = []
    for _ in range(k):
        left = np.where(np.isin(np.arange(len(x)), picks), -1, nearest)
        picks.append(int(np.flatnonzero(left >= left.max() * (1 - 1e-12))[0]))
        nearest = np.minimum(nearest, distances(x, x[picks[-1:]])[:, 0])
    return np.array(picks, np.int64)


def radius_of(x: F32, centres: F32) -> float:
    return float(distances(x, centres).min(axis=1).max())


def best_radius(x: F32, k: int, labelled: F32) -> float:
    """Give the smallest radius that any k rows have."""
    return min(
        radius_of(x, np.concatenate([labelled, x[list(some)]])) for some in combinations(range(len(x)), k)
    )


def kinds(m: int, seed: int) -> dict[str, F32]:
    """Give data that are easy, clustered, heavy-tailed, full of ties, full of duplicates, far from 0."""
    draws = np.random.default_rng(seed)
    clusters = draws.normal(size=(20, 16))[draws.integers(20, size=m)] + 0.1 * draws.normal(size=(m, 16))
    made = {
        "gauss": draws.normal(size=(m, 16)),
        "plane": draws.normal(size=(m, 2)),
        "clusters": clusters,
        "heavy": draws.standard_t(1.5, size=(m, 8)),
        "binary": draws.integers(0, 2, size=(m, 7)),
        "duplicates": draws.normal(size=(40, 5))[draws.integers(40, size=m)],
        "far": draws.normal(size=(m, 6)) + 1000,
        "constant": np.ones((m, 3)),
    }
    return {name: np.asarray(x, np.float32) for name, x in made.items()}


@pytest.mark.parametrize("kind", kinds(1, 0))
@pytest.mark.parametrize("labels", [0, 30])
def test_picks_are_those_of_the_plain_method(kind: str, labels: int) -> None:
    x = kinds(3000, 1)[kind]
    labelled = kinds(labels, 2)[kind] if labels else NONE.reshape(0, x.shape[1])
    found = farthest_first(x, 200, labelled)
    assert found.positions.tolist() == plainly(x, 200, labelled).tolist()
    assert found.radius == pytest.approx(
        radius_of(x, np.concatenate([labelled, x[found.positions]])), abs=1e-6
    )


@pytest.mark.parametrize("kind", ["gauss", "binary", "duplicates"])
def test_few_promising_rows_make_the_same_picks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # So few that every way out of a run of picks is taken.
    monkeypatch.setattr(_spread, "_FEWEST", 5)
    monkeypatch.setattr(_spread, "ROWS", 64)
    monkeypatch.setattr(_spread, "MEMBERS", 3)
    x = kinds(400, 3)[kind]
    for k in (1, 2, 77, 399):
        found = farthest_first(x, k, x[:0])
        assert found.positions.tolist() == plainly(x, k, x[:0]).tolist()


small = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 3)),
    elements=st.integers(-4, 4).map(float) | st.floats(-100, 100, width=32),
)


@given(small, st.integers(1, 10), st.integers(0, 3))
def test_the_radius_is_certified(x: F32, k: int, labels: int) -> None:
    labelled, pool = x[:labels], x[labels:]
    if not len(pool):
        return
    found = farthest_first(pool, k, labelled)
    assert len(set(found.positions.tolist())) == len(found.positions) == min(k, len(pool))
    optimum = best_radius(pool, len(found.positions), labelled)
    assert found.optimum_at_least <= optimum + 1e-4
    assert found.radius <= 2 * optimum + 1e-4
    assert found.certificate <= 2 + 1e-3


@given(small, st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_two_rounds_are_certified(x: F32, k: int, parts: int, labels: bool) -> None:
    labelled, pool = x[: int(labels)], x[int(labels) :]
    if len(pool) <= k:
        return
    split = [
        part for part in np.array_split(np.random.default_rng(0).permutation(len(pool)), parts) if len(part)
    ]
    found = two_rounds(pool, k, labelled, split, over=lambda f, items: [f(item) for item in items])
    assert len(set(found.positions.tolist())) == k
    optimum = best_radius(pool, k, labelled)
    assert found.radius == pytest.approx(
        radius_of(pool, np.concatenate([labelled, pool[found.positions]])), abs=1e-4
    )
    assert found.optimum_at_least <= optimum + 1e-4
    assert found.radius <= 4 * optimum + 1e-4


def test_by_hand() -> None:
    x = np.array([[0], [1], [4], [10]], np.float32)
    found = farthest_first(x, 2, x[:0])
    assert found.positions.tolist() == [0, 3]
    assert (found.gap, found.radius, found.optimum_at_least, found.certificate) == (10, 4, 2, 2)
    assert farthest_first(x, 2, np.array([[9]], np.float32)).positions.tolist() == [0, 2]


def test_nothing_left_to_cover() -> None:
    x = np.ones((3, 2), np.float32)
    assert farthest_first(x, 2, x[:0]).certificate == 1
    assert farthest_first(x, 5, x).positions.tolist() == [0, 1, 2]
    assert farthest_first(x[:0], 5, x).positions.tolist() == []
    assert Cover(np.zeros(1, np.int64), gap=0.0, radius=1.0).certificate == np.inf
