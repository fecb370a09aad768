"""A quota of rare rows: what it adds by brute force, what it leaves alone, what is said where it fails."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32
from lamplighter.errors import ConfigError, UnknownClass
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.balance import Balanced
from lamplighter.strategies.base import Context, Output, Strategy
from lamplighter.strategies.mix import Mix, Share
from lamplighter.strategies.parts import in_turns
from lamplighter.strategies.uncertainty import margin
from lamplighter.testing.contract import Case
from lamplighter.testing.strategies import cases
from lamplighter.testing.strategy_round import context
from tests.strategies.heaps import batch, pool_of

NAMES = ("ham", "bug", "abuse")
INNER = ("margin", "random", "power_margin", "badge", "cluster_representatives", "class_margin")
WRAPPED: dict[str, Strategy] = {
    f"balanced_{name}": Balanced(STRATEGIES.build(name), ("class 3",), 0.4) for name in INNER
}


@pytest.mark.parametrize("case", cases(WRAPPED), ids=str)
def test_contract(case: Case) -> None:
    case()


def known(k: int) -> Context:
    return replace(context(k), classes=NAMES)


def probabilities(rows: int, seed: int, scarce: float = 1.0) -> F32:
    """Draw probabilities of three classes; the last two become scarce."""
    z = np.random.default_rng(seed).normal(size=(rows, 3))
    p = np.exp(2 * z) * [1, scarce, scarce]
    return np.asfortranarray(p / p.sum(axis=1, keepdims=True), dtype=np.float32)


def chosen(strategy: Strategy, proba: F32, k: int) -> tuple[list[int], Any]:
    features = np.random.default_rng(9).normal(size=(len(proba), 3)).astype(np.float32)
    ids, choice, _ = batch(strategy, pool_of(features, proba), known(k))
    return ids, choice


def by_hand(proba: F32, k: int, share: float) -> set[int]:
    """Take the most uncertain rows of all, but as many rare ones as were asked for."""
    order = np.argsort(-margin(proba), kind="stable").tolist()
    rare = [i for i in order if proba[i].argmax() > 0]
    asked = ceil(round(share * k, 9))
    quota = rare[:asked] if sum(i in rare for i in order[:k]) < asked else []
    return {*quota, *[i for i in order if i not in quota][: k - len(quota)]}


@settings(max_examples=40, deadline=None)
@given(
    k=st.integers(1, 140),
    share=st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.99]),
    scarce=st.sampled_from([1.0, 0.2, 0.05]),
    seed=st.integers(0, 5),
)
def test_the_batch_is_the_best_that_holds_the_quota(k: int, share: float, scarce: float, seed: int) -> None:
    proba = probabilities(120, seed, scarce)
    ids, choice = chosen(Balanced(STRATEGIES.build("margin"), ("bug", "abuse"), share), proba, k)
    assert set(ids) == by_hand(proba, k, share)
    assert len(ids) == min(k, 120)
    assert choice.facts["rare_rows"] == sum(proba[i].argmax() > 0 for i in ids)
    assert choice.facts["rare_rows_asked"] == ceil(round(share * k, 9))
    there = np.count_nonzero(proba.argmax(axis=1))
    assert bool(choice.notices) == (choice.facts["rare_rows"] < choice.facts["rare_rows_asked"])
    assert choice.facts["rare_rows"] >= min(choice.facts["rare_rows_asked"], there)


@pytest.mark.parametrize("name", INNER)
def test_any_strategy_keeps_the_quota(name: str) -> None:
    proba = probabilities(400, 1, 0.1)
    there = int(np.count_nonzero(proba.argmax(axis=1) == 2))
    assert there > 12
    ids, choice = chosen(Balanced(STRATEGIES.build(name), ("abuse",), 0.3), proba, 40)
    assert len(set(ids)) == 40
    assert sum(proba[i].argmax() == 2 for i in ids) >= 12
    assert choice.notices == ()


@pytest.mark.parametrize("name", INNER)
def test_a_batch_that_holds_the_quota_stays_as_it_is(name: str) -> None:
    proba = probabilities(400, 1)
    plain, told = chosen(STRATEGIES.build(name), proba, 40)
    ids, choice = chosen(Balanced(STRATEGIES.build(name), ("abuse",), 0.05), proba, 40)
    assert ids == plain
    assert {key: list(value) for key, value in choice.columns.items()} == {
        key: list(value) for key, value in told.columns.items()
    }
    assert choice.facts.items() >= told.facts.items()


def test_a_quota_that_cannot_be_met_is_filled_and_said() -> None:
    proba = probabilities(200, 3)
    proba[:, 1] = 0
    proba[5:, 2] = 0
    proba[:5] = [0.1, 0, 0.9]
    told = replace(known(30), load=lambda: (np.zeros((2, 3), np.float32), np.array([0, 2], np.int32)))
    ids, choice, _ = batch(
        Balanced(STRATEGIES.build("margin"), ("bug", "abuse"), 0.5),
        pool_of(np.zeros((200, 2), np.float32), proba),
        told,
    )
    assert len(set(ids)) == 30
    assert set(range(5)) <= set(ids)
    assert choice.notices == (
        "balance asked for 15 rows predicted as bug or abuse; the pool had 5",
        "no label of bug yet, so the model gives no row a probability of it",
    )


@pytest.mark.parametrize(("share", "told"), [(0.8, True), (0.05, False)])
def test_a_random_share_that_is_no_simple_random_sample_is_told(share: float, told: bool) -> None:
    proba, rare = probabilities(300, 1, 0.3), ("bug", "abuse")
    mixed = Mix("margin", STRATEGIES.build("margin"), (Share("random", STRATEGIES.build("random"), 0.4),))
    found = [chosen(Balanced(inner, rare, share), proba, 20)[1] for inner in (mixed, mixed.main)]
    said = [any("no simple random sample" in notice for notice in choice.notices) for choice in found]
    assert said == [told, False]


def test_parts_keep_their_columns_facts_and_notices() -> None:
    proba = probabilities(300, 1, 0.05)
    ids, choice = chosen(Balanced(STRATEGIES.build("power_margin"), ("abuse",), 0.5), proba, 10)
    assert {len(column) for column in choice.columns.values()} == {10}
    rare = [proba[i].argmax() == 2 for i in ids]
    assert rare[:4] == [True, False, True, False]
    strategy = Balanced(STRATEGIES.build("badge"), ("abuse",), 0.5)
    assert {"quota.parts", "rest.parts"} <= chosen(strategy, proba, 10)[1].facts.keys()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=3))
def test_every_head_of_a_merged_batch_is_mixed_as_the_whole(counts: list[int]) -> None:
    order = in_turns(counts)
    assert sorted(order.tolist()) == list(range(sum(counts)))
    queue = np.repeat(np.arange(len(counts)), counts)[order]
    for number, n in enumerate(counts):
        assert np.all(np.diff(order[queue == number]) > 0)
        given_so_far = np.cumsum(queue == number)
        due = np.arange(1, len(order) + 1) * n / max(len(order), 1)
        assert np.all(np.abs(given_so_far - due) < (1 if len(counts) < 3 else 1.5))


def test_merging_by_hand() -> None:
    assert in_turns([2, 1]).tolist() == [0, 2, 1]
    assert in_turns([3, 0, 3]).tolist() == [0, 3, 1, 4, 2, 5]
    assert in_turns([1, 4]).tolist() == [1, 2, 0, 3, 4]


def test_it_needs_what_the_inner_strategy_needs_and_probabilities() -> None:
    assert Balanced(STRATEGIES.build("random"), ("bug",), 0.5).requires == {Output.PROBA}
    assert Balanced(STRATEGIES.build("typiclust"), ("bug",), 0.5).requires == {
        Output.PROBA,
        Output.EMBEDDING,
    }


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_wrong_shares_are_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="share is"):
        Balanced(STRATEGIES.build("margin"), ("bug",), share)


def test_names_are_checked_in_every_layer() -> None:
    with pytest.raises(UnknownClass, match="did you mean 'bug'"):
        Balanced(STRATEGIES.build("margin"), ("bugg",), 0.5).check(NAMES)
    inner = STRATEGIES.build("rare_class", {"rare": ["absue"]})
    with pytest.raises(UnknownClass, match="did you mean 'abuse'"):
        Balanced(inner, ("bug",), 0.5).check(NAMES)
