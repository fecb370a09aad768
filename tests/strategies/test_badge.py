"""BADGE: factorised distances against explicit gradients, the same draws against plain k-means++."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32, F64, I64
from lamplighter.errors import ConfigError
from lamplighter.strategies.badge import Badge, Gradients, cut, gradients, spread, spread_in_parts
from lamplighter.strategies.base import Lane, Output
from lamplighter.strategies.geometry import standardised
from lamplighter.strategies.uncertainty import margin
from tests.strategies.heaps import batch, heaped, knowing, pool_of


def _rows(m: int, classes: int, features: int, seed: int) -> tuple[F32, F32]:
    draws = np.random.default_rng(seed)
    raw = np.exp(draws.normal(scale=2, size=(m, classes)))
    proba = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    return proba, draws.normal(size=(m, features)).astype(np.float32)


def _explicit(proba: F32, features: F32) -> F64:
    """Make every gradient: (p - e_yhat) times h, C * H numbers a row."""
    residual = proba.astype(np.float64) - np.eye(proba.shape[1])[proba.argmax(axis=1)]
    made: F64 = (residual[:, :, None] * features[:, None, :].astype(np.float64)).reshape(len(proba), -1)
    return made


def _plain(vectors: F64, draws: F64) -> tuple[list[int], float]:
    """k-means++ as it is written in textbooks, in float64; the first is the longest vector."""
    picked = [int(np.square(vectors).sum(axis=1).argmax())]
    while len(picked) < len(draws):
        squared = np.square(vectors[:, None] - vectors[picked][None]).sum(axis=2).min(axis=1)
        squared[picked] = 0
        if squared.sum() == 0:
            return picked + [i for i in range(len(vectors)) if i not in picked][
                : len(draws) - len(picked)
            ], 0.0
        bar = draws[len(picked)] * squared.sum()
        picked.append(int(np.searchsorted(np.cumsum(squared), bar, side="right")))
    return picked, float(np.square(vectors[:, None] - vectors[picked][None]).sum(axis=2).min(axis=1).sum())


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(1, 80), st.integers(2, 6), st.integers(1, 9), st.integers(0, 10_000)), st.data())
def test_the_same_draws_give_the_picks_of_explicit_gradients(
    case: tuple[int, int, int, int], data: st.DataObject
) -> None:
    m, _, _, seed = case
    proba, h = _rows(*case)
    k = data.draw(st.integers(1, m))
    draws = np.random.default_rng(seed + 1).random(k)
    picked, unlike = spread(gradients(proba, h), draws)
    expected, value = _plain(_explicit(proba, h), draws)
    assert picked.tolist() == expected
    lengths = float(np.square(_explicit(proba, h)).sum())
    assert unlike == pytest.approx(value / lengths, rel=1e-3, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 999)),
)
def test_repeated_rows_are_never_picked_twice(m: int, case: tuple[int, int, int, int]) -> None:
    kinds, _, _, seed = case
    proba, h = _rows(*case)
    which = np.random.default_rng(seed).integers(0, kinds, m)
    for k in {1, (m + 1) // 2, m}:
        picked, _ = spread(gradients(proba[which], h[which]), np.random.default_rng(0).random(k))
        assert len(set(picked.tolist())) == k
        assert set(picked.tolist()) <= set(range(m))


def test_other_rows_go_before_copies_and_copies_in_order() -> None:
    # Three kinds of rows, each many times: as scikit-activeml #586, where a batch held one row twice.
    proba, h = _rows(3, 4, 5, 0)
    which = np.repeat([0, 1, 2], 10)
    picked, unlike = spread(gradients(proba[which], h[which]), np.random.default_rng(0).random(8))
    assert sorted(which[picked[:3]]) == [0, 1, 2]
    rest = [i for i in range(30) if i not in picked[:3].tolist()]
    assert picked[3:].tolist() == rest[:5]
    assert unlike == 0


def test_one_class_has_no_gradient_and_goes_by_order() -> None:
    _, h = _rows(9, 1, 4, 0)
    picked, unlike = spread(gradients(np.ones((9, 1), np.float32), h), np.random.default_rng(0).random(4))
    assert picked.tolist() == [0, 1, 2, 3]
    assert unlike == 0


def test_a_tie_for_the_predicted_class_goes_to_the_first() -> None:
    rows = gradients(np.array([[0.4, 0.4, 0.2]], np.float32), np.ones((1, 2), np.float32))
    np.testing.assert_allclose(rows.residual, [[-0.6, 0.4, 0.2]], rtol=1e-6)


def test_the_gradient_has_minus_one_at_the_predicted_class() -> None:
    # A peer takes 1 off a row instead of a class: for p = (.7, .2, .1) the residual is (-.3, .2, .1).
    rows = gradients(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32), np.eye(2, dtype=np.float32))
    np.testing.assert_allclose(rows.residual, [[-0.3, 0.2, 0.1], [0.1, 0.1, -0.2]], rtol=1e-5)


def test_gradients_are_those_of_the_loss() -> None:
    # Central differences of -ln softmax(W h)[yhat] by every weight.
    draws = np.random.default_rng(3)
    weights, h, step = draws.normal(size=(3, 4)), draws.normal(size=4), 1e-6

    def proba(w: F64) -> F64:
        found: F64 = np.exp(w @ h) / np.exp(w @ h).sum()
        return found

    label = int(proba(weights).argmax())
    slope = np.empty_like(weights)
    for cell in np.ndindex(weights.shape):
        up, down = weights.copy(), weights.copy()
        up[cell] += step
        down[cell] -= step
        slope[cell] = (np.log(proba(down)[label]) - np.log(proba(up)[label])) / (2 * step)
    rows = gradients(proba(weights)[None].astype(np.float32), h[None].astype(np.float32))
    np.testing.assert_allclose(np.outer(rows.residual[0], rows.features[0]), slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("exponent", [-100, -60, 60, 100])
def test_the_scale_of_the_features_changes_no_pick(exponent: int) -> None:
    proba, h = _rows(200, 3, 4, 5)
    draws = np.random.default_rng(0).random(30)
    expected, _ = spread(gradients(proba, h), draws)
    found, _ = spread(gradients(proba, np.ldexp(h, exponent)), draws)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-38, 3e38])
def test_features_at_the_ends_of_float32_are_picked_once(value: float) -> None:
    proba, h = _rows(50, 3, 4, 5)
    picked, unlike = spread(
        gradients(proba, np.sign(h) * np.float32(value)), np.random.default_rng(0).random(20)
    )
    assert len(set(picked.tolist())) == 20
    assert 0 <= unlike < 1


def test_the_last_draw_still_finds_a_row() -> None:
    proba, h = _rows(50, 3, 4, 5)
    picked, _ = spread(gradients(proba, h), np.full(50, np.nextafter(1.0, 0.0)))
    assert sorted(picked.tolist()) == list(range(50))


def test_a_row_of_every_heap_is_picked() -> None:
    # Heap i has 1, 4, 9, ... rows: the first rows, or random ones, would come from the large heaps.
    proba, h = _rows(12, 4, 6, 2)
    heap = np.random.default_rng(0).permutation(np.repeat(np.arange(12), np.arange(1, 13) ** 2))
    noise = np.random.default_rng(1).normal(scale=1e-3, size=(len(heap), 6)).astype(np.float32)
    picked, _ = spread(gradients(proba[heap], h[heap] + noise), np.random.default_rng(0).random(12))
    assert sorted(heap[picked]) == list(range(12))


def test_factors_may_be_read_only() -> None:
    proba, h = _rows(40, 3, 4, 5)
    for array in (proba, h):
        array.flags.writeable = False
    before = proba.tobytes() + h.tobytes()
    spread(gradients(proba, h), np.random.default_rng(0).random(9))
    assert proba.tobytes() + h.tobytes() == before


def _here(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [function(item) for item in items]


def _parts(rows: Gradients, order: I64, k: int, parts: int) -> list[int]:
    draws = np.random.default_rng(0).random(k)
    return [int(pick) for pick in spread_in_parts(rows, cut(order, draws, parts), _here)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 7), st.data())
def test_parts_give_their_share_and_no_row_twice(m: int, parts: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(min(parts, m), m))
    parts = min(parts, k)
    order = np.random.default_rng(m).permutation(m)
    picked = _parts(gradients(*_rows(m, 3, 4, m)), order, k, parts)
    assert len(set(picked)) == len(picked) == k
    part_of = {int(row): i for i, rows in enumerate(np.array_split(order, parts)) for row in rows}
    shares = Counter(part_of[row] for row in picked)
    assert set(shares.values()) <= {k // parts, -(-k // parts)}
    # The first picks of all parts come first.
    assert [part_of[row] for row in picked[:parts]] == list(range(parts))


def test_one_part_is_the_whole() -> None:
    rows = gradients(*_rows(80, 3, 4, 1))
    expected, _ = spread(rows, np.random.default_rng(0).random(20))
    assert _parts(rows, np.random.default_rng(5).permutation(80), 20, 1) == expected.tolist()


def test_large_batches_are_picked_in_parts_by_the_workers() -> None:
    proba, h = _rows(6000, 3, 2, 0)
    calls: list[int] = []

    def workers(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        calls.append(len(items))
        return _here(function, items)

    here, choice, _ = batch(Badge(), pool_of(h, proba), knowing(5500))
    there, _, _ = batch(Badge(), pool_of(h, proba), replace(knowing(5500), workers=workers))
    assert len(set(here)) == 5500
    assert here == there
    assert calls == [choice.facts["parts"]] == [6]


def test_the_shortlist_is_that_of_the_margin() -> None:
    assert Badge().lanes(knowing(20)) == (Lane(10_000),)
    assert Badge().lanes(knowing(2000)) == (Lane(20_000),)
    assert Badge(candidates=50).lanes(knowing(3)) == (Lane(50),)
    proba, h = _rows(500, 4, 3, 0)
    ids, _, best = batch(Badge(candidates=60), pool_of(h, proba), knowing(6))
    assert best.ids.to_pylist() == np.argsort(-margin(proba), kind="stable")[:60].tolist()
    assert set(ids) <= set(best.ids.to_pylist())


def test_a_shortlist_of_all_rows_is_badge_on_the_pool() -> None:
    proba, h = _rows(300, 4, 3, 0)
    ids, choice, best = batch(Badge(), pool_of(h, proba), knowing(25))
    order = np.array(best.ids.to_pylist())
    draws = knowing(25).generator("badge").random(25)
    expected, value = _plain(_explicit(proba, h)[order], draws)
    assert ids == order[expected].tolist()
    lengths = np.square(_explicit(proba, h)).sum()
    assert choice.facts["unlike"] == pytest.approx(value / lengths, rel=1e-3)


def test_the_layer_says_what_is_read() -> None:
    assert Badge().requires == {Output.PROBA, Output.EMBEDDING}
    assert Badge(layer="last").requires == {Output.PROBA, Output.LAST_LAYER}
    proba, h = _rows(200, 3, 4, 0)
    pool = pool_of(h, proba)
    other = replace(pool, outputs={**pool.outputs, Output.LAST_LAYER: _rows(200, 3, 6, 9)[1]})
    assert batch(Badge(), other, knowing(9))[0] == batch(Badge(), pool, knowing(9))[0]
    assert batch(Badge(layer="last"), other, knowing(9))[0] != batch(Badge(layer="last"), pool, knowing(9))[0]


def test_columns_of_a_table_are_put_on_one_scale_the_last_layer_is_not() -> None:
    proba, h = _rows(200, 3, 4, 0)
    h *= np.array([1, 1e4, 1e-4, 1], np.float32)
    scaled = batch(Badge(), pool_of(standardised(h), proba), knowing(9))[0]
    assert batch(Badge(), pool_of(h, proba), knowing(9))[0] != scaled
    last = batch(Badge(layer="last"), pool_of(h, proba), knowing(9))[0]
    assert batch(Badge(layer="last"), pool_of(h, proba), knowing(9, embedding=False))[0] == last
    # The shortlist holds all rows, in another order: the moments differ in the last bits only.
    assert batch(Badge(), pool_of(h, proba), knowing(9, embedding=False))[0] == scaled


def test_an_empty_shortlist_gives_no_rows() -> None:
    _, _, best = batch(Badge(), pool_of(*heaped([3, 4])[:1]), knowing(2))
    assert len(Badge().choose(best.take(np.empty(0, np.int64)), knowing(2)).positions) == 0


@pytest.mark.parametrize("wrong", [{"candidates": 0}, {"layer": "first"}, {"layer": ""}])
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="; allowed: "):
        Badge(**wrong)
