"""Near-duplicates: distances by formula, skipping by brute force, shares and quotas kept all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32, F64, I64, Bools
from lamplighter.errors import ConfigError, UnknownClass
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.balance import Balanced
from lamplighter.strategies.base import Choice, Context, Lane, Output, Shortlist, Strategy
from lamplighter.strategies.distinct import Distinct
from lamplighter.strategies.mix import Mix, Share
from lamplighter.strategies.near import distinct, places
from lamplighter.strategies.uncertainty import margin
from lamplighter.testing.contract import Case
from lamplighter.testing.strategies import cases
from lamplighter.testing.strategy_round import CLASSES, block, context
from tests.strategies.heaps import batch, knowing, pool_of

NAMES = ("margin", "random", "badge", "power_margin", "class_margin", "cluster_representatives", "typiclust")
MIX = Mix("margin", STRATEGIES.build("margin"), (Share("random", STRATEGIES.build("random"), 0.3),))
WRAPPED: dict[str, Strategy] = {
    **{f"distinct_{name}": Distinct(STRATEGIES.build(name)) for name in ("badge", "class_margin")},
    "distinct_far": Distinct(STRATEGIES.build("margin"), 0.2),
    "distinct_balanced_mix": Distinct(Balanced(MIX, ("class 1",), 0.4), 0.05),
}


@pytest.mark.parametrize("case", cases(WRAPPED), ids=str)
def test_contract(case: Case) -> None:
    case()


def told(k: int, labelled: F32 | None = None, *, embedding: bool = True) -> Context:
    return knowing(k, labelled, embedding=embedding)


def near_by_formula(x: F32, y: F32, distance: float, *, embedding: bool) -> Bools:
    """Compare all pairs, in float64."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    if not embedding:
        a, b = (part - a.mean(axis=0) for part in (a, b))
        a, b = a / (deviation := a.std(axis=0)), b / deviation
        root: F64 = np.sqrt(np.square(a[:, None] - b[None]).mean(axis=2))
        return root <= distance
    apart: F64 = np.square(a[:, None] - b[None]).sum(axis=2)
    lengths: F64 = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    near: Bools = np.logical_or(apart == 0, apart <= 2 * distance * lengths)
    return near


def kept_by_hand(x: F32, labelled: F32, distance: float, *, embedding: bool, wanted: int) -> list[int]:
    near = near_by_formula(x, x, distance, embedding=embedding)
    barred = set(np.nonzero(near_by_formula(x, labelled, distance, embedding=embedding))[0].tolist())
    kept = list[int]()
    for i in range(len(x)):
        if len(kept) < wanted and i not in barred and not near[i, kept].any():
            kept.append(i)
    return kept


def families(rows: int, copies: int, noise: float, seed: int) -> F32:
    """Draw rows and noisy copies of each, shuffled."""
    draws = np.random.default_rng(seed)
    x = np.repeat(draws.normal(size=(rows, 20)), copies, axis=0)
    return (x + noise * draws.normal(size=x.shape))[draws.permutation(len(x))].astype(np.float32)


def found(x: F32, labelled: F32, distance: float, *, wanted: int, embedding: bool = True) -> Any:
    rows, taken = places(told(5, embedding=embedding), x, labelled, distance)
    at = np.arange(len(x))
    return distinct(rows, at, taken, wanted=wanted, generator=np.random.default_rng(0))


@settings(max_examples=20, deadline=None)
@given(
    kind=st.tuples(st.booleans(), st.sampled_from([0.0, 0.05, 0.3])),
    distance=st.sampled_from([0.0, 0.01, 0.1]),
    wanted=st.sampled_from([1, 30, 10_000]),
    seed=st.integers(0, 3),
)
def test_rows_are_kept_as_brute_force_keeps_them(
    kind: tuple[bool, float], distance: float, wanted: int, seed: int
) -> None:
    embedding, noise = kind
    x = families(130, 5, noise, seed)
    x, labelled = x[:-50], x[-50:]
    expected = kept_by_hand(x, labelled, distance, embedding=embedding, wanted=wanted)
    result = found(x, labelled, distance, wanted=wanted, embedding=embedding)
    assert result.kept.tolist() == expected
    end = expected[-1] + 1 if len(expected) == wanted else len(x)
    assert result.skipped.tolist() == sorted(set(range(end)) - set(expected))


def test_the_distance_by_hand() -> None:
    x = np.array([[3, 4], [6, 8], [4, 3], [-3, -4], [0, 0], [0, 0], [3, 4]], np.float32)
    rows, _ = places(told(5), x, np.empty((0, 0), np.float32), 0.0)
    every = np.arange(7)
    distance = 1e-6 - (rows.left(every) @ rows.right(every).T + rows.limit)
    # The same; twice as long: 25 / (2 * 5 * 10); 1 - 24/25 of one length; opposite; nothing to nothing.
    assert distance[0, [0, 1, 2, 3, 6]] == pytest.approx([0, 0.25, 0.04, 2, 0], abs=2e-6)
    assert distance[4, 5] == pytest.approx(0, abs=2e-6)
    assert np.all(distance[4:6, [0, 1, 2, 3, 6]] > 0.9)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_distances_know_no_scale(scale: float) -> None:
    x = (families(40, 3, 0.02, 0) * scale).astype(np.float32)
    plain = found(families(40, 3, 0.02, 0), np.empty((0, 0), np.float32), 0.01, wanted=1000)
    assert found(x, np.empty((0, 0), np.float32), 0.01, wanted=1000).kept.tolist() == plain.kept.tolist()


def test_lengths_at_both_ends_of_float32() -> None:
    x = np.array([[1e38, 1e38], [1e-38, 0], [1e38, 1e38], [1e-38, 0], [0, 0], [1, 1]], np.float32)
    assert found(x, np.empty((0, 0), np.float32), 0.5, wanted=9).kept.tolist() == [0, 1, 4, 5]


@pytest.mark.parametrize("embedding", [True, False])
def test_copies_are_found_in_cells_too(monkeypatch: pytest.MonkeyPatch, embedding: bool) -> None:
    monkeypatch.setattr("lamplighter.strategies.near.EXACT", 60)
    monkeypatch.setattr("lamplighter.strategies.near._CELL", 50)
    x = families(300, 4, 0.0, 2)
    labelled = x[-100:]
    result = found(x[:-100], labelled, 0.0, wanted=10_000, embedding=embedding)
    assert result.kept.tolist() == kept_by_hand(x[:-100], labelled, 0.0, embedding=embedding, wanted=10_000)


def test_cells_miss_few_near_rows_and_make_none_up(monkeypatch: pytest.MonkeyPatch) -> None:
    x = families(500, 4, 0.02, 3)
    nothing = np.empty((0, 0), np.float32)
    exact = found(x, nothing, 0.01, wanted=10_000)
    assert len(exact.kept) == 500
    monkeypatch.setattr("lamplighter.strategies.near.EXACT", 200)
    monkeypatch.setattr("lamplighter.strategies.near._CELL", 100)
    cells = found(x, nothing, 0.01, wanted=10_000)
    assert set(exact.kept.tolist()) <= set(cells.kept.tolist())
    assert len(cells.kept) <= 1.05 * len(exact.kept)
    some = found(x, nothing, 0.01, wanted=300)
    assert some.kept.tolist() == cells.kept.tolist()[:300]
    assert len(some.kept) + len(some.skipped) == some.kept[-1] + 1


def test_the_default_distance_drops_copies_with_noise_and_no_different_rows() -> None:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - only here

    draws, nothing = np.random.default_rng(0), np.empty((0, 0), np.float32)
    digits = load_digits().data.astype(np.float32)
    for x in (digits, draws.normal(size=(2000, 16)), draws.normal(size=(2000, 384))):
        rows = np.asarray(x, np.float32)
        assert len(found(rows, nothing, 0.01, wanted=10_000).kept) > 0.99 * len(rows)
        noise = draws.normal(size=rows.shape) * np.linalg.norm(rows, axis=1, keepdims=True)
        copies = (rows + 0.08 * noise / np.sqrt(rows.shape[1])).astype(np.float32)
        left = found(copies, rows, 0.01, wanted=10_000).kept
        assert len(left) < 0.01 * len(rows)


def probabilities(rows: int, seed: int) -> F32:
    z = np.random.default_rng(seed).normal(size=(rows, CLASSES))
    return np.asfortranarray(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), dtype=np.float32)


@settings(max_examples=15, deadline=None)
@given(k=st.sampled_from([1, 10, 40]), seed=st.integers(0, 5), labels=st.sampled_from([0, 30]))
def test_the_batch_is_the_best_of_rows_that_are_not_near(k: int, seed: int, labels: int) -> None:
    x, proba = families(100, 4, 0.02, seed), probabilities(400, seed)
    ids, choice, _ = batch(Distinct(STRATEGIES.build("margin"), 0.01), pool_of(x, proba), told(k, x[:labels]))
    order: I64 = np.argsort(-margin(proba), kind="stable")
    expected = kept_by_hand(x[order], x[:labels], 0.01, embedding=True, wanted=k)
    assert ids == order[expected].tolist()
    assert choice.facts["near_duplicates_skipped"] == expected[-1] + 1 - k
    assert choice.notices == ()


@pytest.mark.parametrize("name", [*NAMES, "representative", "cluster_margin"])
def test_where_nothing_is_near_the_batch_is_the_inner_one(name: str) -> None:
    inner, whole, known = STRATEGIES.build(name), block(), context()
    ids, choice, _ = batch(inner, whole, known)
    again, kept, _ = batch(Distinct(inner, 0.0), whole, replace(known, load=None))
    if name != "typiclust":  # which also looks at the labelled rows
        assert again == ids
        assert kept.facts.items() >= choice.facts.items()
        assert kept.columns.keys() == choice.columns.keys()
    assert kept.facts["near_duplicates_skipped"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_strategy_picks_near_rows(name: str) -> None:
    x, proba = families(120, 5, 0.02, 1), probabilities(600, 1)
    ids, choice, _ = batch(Distinct(STRATEGIES.build(name), 0.01), pool_of(x, proba), told(30, x[:40]))
    assert len(set(ids)) == 30
    near = near_by_formula(x[ids], x[ids], 0.01, embedding=True)
    assert near.sum() == 30
    assert not near_by_formula(x[ids], x[:40], 0.01, embedding=True).any()
    assert choice.notices == ()
    assert {len(column) for column in choice.columns.values()} <= {30}


def test_shares_and_quotas_hold_though_near_rows_are_replaced() -> None:
    x, proba = families(100, 6, 0.02, 4), probabilities(600, 4)
    proba[:, 3] *= 0.2
    proba /= proba.sum(axis=1, keepdims=True)
    strategy = Distinct(Balanced(MIX, ("class 3",), 0.5), 0.01)
    ids, choice, _ = batch(strategy, pool_of(x, proba), replace(told(24), classes=context().classes))
    assert near_by_formula(x[ids], x[ids], 0.01, embedding=True).sum() == len(ids) == 24
    assert sum(proba[i].argmax() == 3 for i in ids) >= 12
    assert set(choice.columns["picked_by"]) == {"margin", "random"}
    strategy = Distinct(MIX, 0.01)
    ids, choice, _ = batch(strategy, pool_of(x, proba), told(60))
    assert near_by_formula(x[ids], x[ids], 0.01, embedding=True).sum() == len(ids) == 60
    assert list(choice.columns["picked_by"]).count("random") >= 18


def test_a_pool_of_copies_is_asked_for_all_the_same_and_says_so() -> None:
    x, proba = families(6, 10, 0.0, 0), probabilities(60, 0)
    ids, choice, _ = batch(Distinct(STRATEGIES.build("power_margin")), pool_of(x, proba), told(20))
    assert len(set(ids)) == 20
    assert len({x[i].tobytes() for i in ids[:6]}) == 6
    assert choice.facts["near_duplicates_skipped"] == 40
    assert choice.notices == (
        "14 of 20 rows are near-duplicates of others or of labelled rows; the scan's lists had nothing "
        "else left",
    )
    assert {len(column) for column in choice.columns.values()} == {20}


def test_table_columns_are_compared_in_their_own_units() -> None:
    draws = np.random.default_rng(0)
    x = (draws.normal(size=(50, 3)) * [1, 1000, 0.001]).astype(np.float32)
    x = np.concatenate([x, x + np.array([0, 1, 0], np.float32)])
    strategy, pool = Distinct(STRATEGIES.build("margin"), 0.01), pool_of(x)
    ids, _, _ = batch(strategy, pool, told(50, embedding=False))
    assert len({i % 50 for i in ids}) == 50


def test_few_dimensions_leave_no_room_to_be_unlike() -> None:
    strategy = Distinct(STRATEGIES.build("margin"))
    assert strategy.near(told(5), 15) == 0
    assert strategy.near(told(5), 16) == 0.001
    assert strategy.near(told(5, embedding=False), 3) == 0.01
    assert Distinct(STRATEGIES.build("margin"), 0.3).near(told(5), 2) == 0.3


def test_the_lists_have_room_for_what_is_skipped() -> None:
    assert Distinct(STRATEGIES.build("margin")).lanes(context(10)) == (Lane(40),)
    assert Distinct(STRATEGIES.build("class_margin")).lanes(context(10)) == (Lane(18, 4),)
    assert Distinct(STRATEGIES.build("random")).requires == {Output.EMBEDDING}


class _Strange(Strategy):
    """Picks one row and no other, whatever is asked."""

    requires = frozenset({Output.EMBEDDING})

    def score(self, block: Any) -> F32:
        return np.zeros(len(block), np.float32)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        return Choice(np.arange(min(1, len(shortlist))))


def test_a_strategy_that_gives_less_ends_after_some_attempts() -> None:
    ids, _, _ = batch(Distinct(_Strange()), pool_of(families(50, 1, 0.0, 0)), told(30))
    assert 1 <= len(set(ids)) == len(ids) < 30


@pytest.mark.parametrize("distance", [-0.1, float("nan"), float("inf")])
def test_wrong_distances_are_refused(distance: float) -> None:
    with pytest.raises(ConfigError, match="distance is"):
        Distinct(STRATEGIES.build("margin"), distance)


def test_names_of_classes_are_checked_inside() -> None:
    with pytest.raises(UnknownClass):
        Distinct(STRATEGIES.build("rare_class", {"rare": ["x"]})).check(("a", "b"))
