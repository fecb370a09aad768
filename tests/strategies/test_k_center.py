"""k-center: the fast path is the plain one, the certificate holds, the parameters are checked."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamplighter.arrays import F32, F64, I64
from lamplighter.errors import ConfigError
from lamplighter.strategies import _spread
from lamplighter.strategies.base import Choice, Context, Output, Shortlist
from lamplighter.strategies.k_center import Cover, KCenter, farthest_first, two_rounds
from lamplighter.strategies.uncertainty import margin
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import Case
from lamplighter.testing.strategy_round import block

CASES = {
    "k_center": KCenter(),
    "k_center_parts": KCenter(part=50),
    "k_center_uncertain": KCenter("consensus_kl", oversample=3),
}

NONE = np.empty((0, 0), np.float32)


@pytest.mark.parametrize("case", contract.cases(CASES), ids=str)
def test_contract(case: Case) -> None:
    case()


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


@pytest.mark.parametrize("dims", [1, 3, 16, 64])
@pytest.mark.parametrize("offset", [0, 300, 2000, 10_000])
def test_an_offset_large_against_the_spread_changes_no_pick(offset: int, dims: int) -> None:
    # Many picks: the last are near each other, where the rounding of a mean would show.
    x = (np.random.default_rng(3).normal(size=(600, dims)) + offset).astype(np.float32)
    found = farthest_first(x, 200, x[:0])
    assert found.positions.tolist() == plainly(x, 200, x[:0]).tolist()
    picked = x[found.positions]
    assert found.radius == pytest.approx(radius_of(x, picked), rel=1e-6)
    assert found.gap == pytest.approx(np.sort(distances(picked, picked), axis=1)[:, 1].min(), rel=1e-6)


@pytest.mark.parametrize("dims", [1, 3])
@pytest.mark.parametrize("offset", [0, 300, 2000, 10_000])
def test_an_offset_leaves_the_certificate_valid(offset: int, dims: int) -> None:
    draws = np.random.default_rng(4)
    for _ in range(20):
        x = (0.01 * draws.normal(size=(10, dims)) + offset).astype(np.float32)
        for k in (1, 4, 8):
            found, optimum = farthest_first(x, k, x[:0]), best_radius(x, k, x[:0])
            assert found.radius <= 2 * optimum * (1 + 1e-9)
            assert found.optimum_at_least <= optimum * (1 + 1e-9)


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


def test_far_larger_and_smaller_numbers_keep_their_order() -> None:
    x = kinds(200, 5)["gauss"]
    expected = farthest_first(x, 20, x[:0])
    for unit in (2.0**100, 2.0**-100):
        found = farthest_first((x * np.float32(unit)).astype(np.float32), 20, x[:0])
        assert found.positions.tolist() == expected.positions.tolist()
        assert found.radius == pytest.approx(expected.radius * unit)


def test_the_largest_numbers_are_as_far_apart_as_others() -> None:
    signs = np.where(kinds(200, 5)["gauss"] > 0, np.float32(1), np.float32(-1))
    expected = farthest_first(signs, 20, signs[:3])
    large = signs * np.float32(1.9 * 2.0**127)
    found = farthest_first(large, 20, large[:3])
    assert found.positions.tolist() == expected.positions.tolist()
    assert found.radius == pytest.approx(expected.radius * 1.9 * 2.0**127)
    assert found.gap == pytest.approx(expected.gap * 1.9 * 2.0**127)


def choose(strategy: KCenter, x: F32, k: int, **known: Any) -> Choice:
    zeros = np.zeros(len(x), np.int32)
    rows = Shortlist(
        pa.array(range(len(x)), pa.int64()),
        np.linspace(1, 0, len(x), dtype=np.float32),
        np.arange(len(x), dtype=np.uint64),
        zeros,
        zeros,
        np.arange(len(x)),
        {Output.EMBEDDING: x},
    )
    context = Context(seed=1, round=2, k=k, rows=len(x), classes=("a", "b"))
    return strategy.choose(rows, replace(context, **known))


def test_the_record_has_the_radius_and_its_certificate() -> None:
    x = kinds(1000, 7)["clusters"]
    labelled = x[:50]
    found = choose(KCenter(), x, 30, load=lambda: (labelled, np.zeros(50, np.int32)))
    radius = radius_of(x, np.concatenate([labelled, x[found.positions]]))
    assert found.facts["k_center_radius"] == pytest.approx(radius, abs=1e-5)
    assert found.facts["k_center_certificate"] == pytest.approx(2)
    assert found.facts["k_center_optimum_at_least"] == pytest.approx(radius / 2, abs=1e-5)
    # Without a second look, two rounds would not know their radius.
    parts = choose(KCenter(part=100), x, 30, load=lambda: (labelled, np.zeros(50, np.int32)))
    radius = radius_of(x, np.concatenate([labelled, x[parts.positions]]))
    assert parts.facts["k_center_radius"] == pytest.approx(radius, abs=1e-5)
    assert 2 <= float(parts.facts["k_center_certificate"]) < 4


def test_parts_run_where_the_context_maps() -> None:
    calls: list[tuple[str, int]] = []

    def workers(function: Any, items: Any) -> list[Any]:
        calls.append((function.__name__, len(items)))
        return [function(item) for item in items]

    x = kinds(1000, 7)["gauss"]
    spread_out = choose(KCenter(part=100), x, 5, workers=workers)
    assert [count for _, count in calls] == [10, 10]
    assert spread_out.positions.tolist() == choose(KCenter(part=100), x, 5).positions.tolist()


def test_no_certificate_is_made_up() -> None:
    assert "k_center_certificate" not in Cover(np.zeros(1, np.int64), gap=0.0, radius=1.0).facts()


def test_columns_of_a_table_are_put_on_one_scale() -> None:
    x = np.array([[0, 0], [1000, 0], [900, 1], [500, 0]], np.float32)
    assert choose(KCenter(), x, 2).positions.tolist() == [0, 1]
    assert choose(KCenter(), x, 2, embedding=False).positions.tolist() == [0, 2]


def test_the_shortlist_is_a_random_sample_or_the_uncertain_rows() -> None:
    rows = block()
    assert KCenter().score(rows).tolist() == rows.uniform("k_center").astype(np.float32).tolist()
    assert KCenter("margin").score(rows).tolist() == margin(rows.proba).tolist()
    assert KCenter().requires == {Output.EMBEDDING}
    assert KCenter("margin").requires == {Output.EMBEDDING, Output.PROBA}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"uncertainty": "entrpy"}, "did you mean 'entropy'"),
        ({"oversample": 0}, "oversample is 0"),
        ({"part": 0}, "part is 0"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        KCenter(**wrong)
