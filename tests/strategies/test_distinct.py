"""Near-duplicates are skipped: batches by brute force, shares and quotas kept all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32, I64
from lamplighter.errors import ConfigError, UnknownClass
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.balance import Balanced
from lamplighter.strategies.base import Choice, Context, Lane, Output, Shortlist, Strategy
from lamplighter.strategies.distinct import Distinct
from lamplighter.strategies.mix import Mix, Share
from lamplighter.strategies.uncertainty import margin
from lamplighter.testing.contract import Case
from lamplighter.testing.strategies import cases
from lamplighter.testing.strategy_round import CLASSES, block, context
from tests.strategies.copied import families, kept_by_hand, near_by_formula, probabilities, told
from tests.strategies.heaps import batch, pool_of

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
        "14 of 20 rows are near-duplicates of others or of labelled rows; the 60 best rows that the scan "
        "kept hold no others",
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
    margins, of_classes = (Distinct(STRATEGIES.build(name)) for name in ("margin", "class_margin"))
    assert margins.lanes(context(10)) == (Lane(4010),)
    assert margins.lanes(context(2000)) == (Lane(8000),)
    assert of_classes.lanes(context(10)) == (Lane(1010, 4),)
    assert of_classes.lanes(context(2000)) == (Lane(3500, 4),)
    assert Distinct(STRATEGIES.build("random")).requires == {Output.EMBEDDING}


@pytest.mark.parametrize("name", ["margin", "rare_class", "cluster_margin", "class_margin"])
def test_a_small_batch_has_no_copies_though_every_row_has_many(name: str) -> None:
    """Twenty copies of each of the best rows are far more than three for each row of the batch."""
    x, which = families(300, 20, 0.0, 5), np.random.default_rng(5).normal(size=(6000, CLASSES))
    _, family = np.unique(x, axis=0, return_inverse=True)
    z = which[: family.max() + 1][family.ravel()]
    proba = np.asfortranarray(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), dtype=np.float32)
    strategy = STRATEGIES.build(name, {"rare": ["class 1"]} if name == "rare_class" else {})
    ids, choice, _ = batch(Distinct(strategy), pool_of(x, proba), told(50))
    assert len({int(family.ravel()[i]) for i in ids}) == len(ids) == 50
    assert choice.notices == ()


def test_a_batch_beyond_the_lists_says_how_many_rows_they_had() -> None:
    x, proba = families(3, 2000, 0.0, 0), probabilities(6000, 0)
    ids, choice, _ = batch(Distinct(STRATEGIES.build("margin")), pool_of(x, proba), told(5))
    assert len({x[i].tobytes() for i in ids}) == 3
    assert choice.notices == (
        "2 of 5 rows are near-duplicates of others or of labelled rows; the 4005 best rows that the scan "
        "kept hold no others",
    )


class _Strange(Strategy):
    """Picks one row and no other, whatever is asked."""

    requires = frozenset({Output.EMBEDDING})

    def score(self, block: Any) -> F32:
        return np.zeros(len(block), np.float32)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        return Choice(np.arange(min(1, len(shortlist))))


def test_a_strategy_that_gives_less_ends_after_some_attempts() -> None:
    ids, choice, _ = batch(Distinct(_Strange()), pool_of(families(50, 1, 0.0, 0)), told(30))
    assert 1 <= len(set(ids)) == len(ids) < 30
    assert choice.notices == ()  # no row is near another, though the lists were not used up


@pytest.mark.parametrize("distance", [-0.1, float("nan"), float("inf")])
def test_wrong_distances_are_refused(distance: float) -> None:
    with pytest.raises(ConfigError, match="distance is"):
        Distinct(STRATEGIES.build("margin"), distance)


def test_names_of_classes_are_checked_inside() -> None:
    with pytest.raises(UnknownClass):
        Distinct(STRATEGIES.build("rare_class", {"rare": ["x"]})).check(("a", "b"))
