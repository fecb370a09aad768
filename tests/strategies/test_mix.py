"""Mixtures: shares by hand and by brute force, exact lists after others took from them, a mixed head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lamplighter.arrays import F32
from lamplighter.errors import ConfigError, UnknownClass
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.balance import Balanced
from lamplighter.strategies.base import Block, Choice, Context, Output, Shortlist, Strategy
from lamplighter.strategies.mix import Mix, Share, distinct_names, portions
from lamplighter.strategies.uncertainty import entropy, margin
from lamplighter.testing.contract import Case
from lamplighter.testing.strategies import cases
from lamplighter.testing.strategy_round import block, context, pick
from tests.strategies.heaps import batch, knowing, pool_of


def mix(main: str, **shares: float) -> Mix:
    parts = tuple(Share(name, STRATEGIES.build(name), share) for name, share in shares.items())
    return Mix(main, STRATEGIES.build(main), parts)


MIXES: dict[str, Strategy] = {
    "mix_of_two": mix("margin", random=0.2),
    "mix_of_lists": mix("class_margin", random=0.1, cluster_representatives=0.3),
    "mix_of_choosers": mix("badge", power_margin=0.3, typiclust=0.2),
    "balanced_mix": Balanced(mix("margin", random=0.2), ("class 2",), 0.5),
}


@pytest.mark.parametrize("case", cases(MIXES), ids=str)
def test_contract(case: Case) -> None:
    case()


@pytest.mark.parametrize(
    ("shares", "k", "expected"),
    [
        ([0.1], 100, [90, 10]),
        ([0.1], 30, [27, 3]),
        ([0.1], 4, [4, 0]),
        ([0.1], 5, [5, 0]),
        ([0.5], 1, [1, 0]),
        ([0.5], 3, [2, 1]),
        ([0.29], 100, [71, 29]),
        ([0.3, 0.3, 0.3], 2, [0, 1, 1, 0]),
        ([0.25, 0.25], 10, [5, 3, 2]),
        ([0.1, 0.05], 0, [0, 0, 0]),
    ],
)
def test_portions_by_hand(shares: list[float], k: int, expected: list[int]) -> None:
    assert portions(shares, k) == expected


@given(st.lists(st.floats(0.01, 0.3), min_size=1, max_size=3), st.integers(0, 5000))
def test_portions_add_up_and_are_near(shares: list[float], k: int) -> None:
    rows = portions(shares, k)
    assert sum(rows) == k
    assert all(abs(n - share * k) < 1 for n, share in zip(rows, [1 - sum(shares), *shares], strict=True))


def probabilities(rows: int, seed: int) -> F32:
    z = np.random.default_rng(seed).normal(size=(rows, 4))
    return np.asfortranarray(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), dtype=np.float32)


def chosen(strategy: Strategy, proba: F32, k: int) -> tuple[list[int], Choice]:
    features = np.random.default_rng(3).normal(size=(len(proba), 3)).astype(np.float32)
    ids, choice, _ = batch(strategy, pool_of(features, proba), context(k))
    return ids, choice


@settings(max_examples=25, deadline=None)
@given(k=st.integers(1, 120), share=st.sampled_from([0.05, 0.3, 0.5, 0.9]), seed=st.integers(0, 5))
def test_each_has_its_best_rows_of_those_not_taken(k: int, share: float, seed: int) -> None:
    """Margin and entropy want much the same rows: the lists must be long enough for both."""
    proba, n = probabilities(100, seed), min(k, 100)
    ids, choice = chosen(mix("margin", entropy=share), proba, k)
    main, other = portions([share], n)
    by_entropy = np.argsort(-entropy(proba), kind="stable").tolist()[:other]
    rest = [i for i in np.argsort(-margin(proba), kind="stable").tolist() if i not in by_entropy]
    who = list(choice.columns["picked_by"])
    assert [i for i, name in zip(ids, who, strict=True) if name == "entropy"] == by_entropy
    assert [i for i, name in zip(ids, who, strict=True) if name == "margin"] == rest[:main]
    assert choice.facts == {"margin.rows": main, "entropy.rows": other}
    assert choice.notices == ()


def test_every_head_of_the_batch_is_mixed() -> None:
    _, choice = chosen(mix("margin", random=0.2), probabilities(200, 0), 50)
    by_chance = np.cumsum(np.array(choice.columns["picked_by"]) == "random")
    assert np.all(np.abs(by_chance - 0.2 * np.arange(1, 51)) < 1)


def test_the_random_share_is_a_random_sample_of_the_whole_pool() -> None:
    strategy, proba = mix("margin", random=0.5), probabilities(40, 1)
    ranks = np.argsort(np.argsort(-margin(proba), kind="stable"))
    seen = np.zeros(4)
    for seed in range(150):
        whole = replace(pool_of(np.zeros((40, 2), np.float32), proba), seed=seed)
        ids, choice, _ = batch(strategy, whole, context(8))
        by_chance = [i for i, name in zip(ids, choice.columns["picked_by"], strict=True) if name == "random"]
        seen += np.bincount(ranks[by_chance] // 10, minlength=4)
    assert stats.chisquare(seen).pvalue > 1e-3


def test_a_later_random_share_is_a_sample_of_what_is_left() -> None:
    """The share by entropy takes its four best rows: one that draws after it cannot draw them."""
    proba = probabilities(40, 1)
    best = np.argsort(-entropy(proba), kind="stable")[:4]
    by_chance, surest = mix("margin", random=0.25).shares[0], mix("margin", entropy=0.5).shares[0]
    drawn = {True: np.zeros(40), False: np.zeros(40)}
    for seed in range(150):
        whole = replace(pool_of(np.zeros((40, 2), np.float32), proba), seed=seed)
        for first, seen in drawn.items():
            shares = (by_chance, surest) if first else (surest, by_chance)
            ids, choice, _ = batch(replace(mix("margin", random=0.25), shares=shares), whole, context(8))
            who = choice.columns["picked_by"]
            seen[[i for i, name in zip(ids, who, strict=True) if name == "random"]] += 1
    assert drawn[True].sum() == drawn[False].sum() == 300
    assert drawn[True][best].all()
    assert not drawn[False][best].any()


def test_parts_record_what_they_record_alone() -> None:
    strategy = mix("margin", power_margin=0.5)
    _, choice = chosen(strategy, probabilities(100, 0), 10)
    who, weights = choice.columns["picked_by"], choice.columns["power_weight"]
    assert [(w is None) for w in weights] == [name == "margin" for name in who]
    table = pa.table({name: pa.array(column) for name, column in choice.columns.items()})
    assert table.column("power_rank").null_count == 5


@dataclass(frozen=True)
class Choosy(Strategy):
    """Wants three rows of the pool and no other."""

    requires = frozenset({Output.EMBEDDING})

    def score(self, block: Block) -> F32:
        wanted = np.argsort(np.argsort(block.ids.to_numpy())) < 3
        return np.where(wanted, np.float32(1), np.float32(-np.inf))

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        return replace(super().choose(shortlist, context), facts={"x": 1}, notices=("so few",))


def test_a_share_that_is_not_used_up_goes_to_the_main_strategy() -> None:
    strategy = Mix("random", STRATEGIES.build("random"), (Share("choosy", Choosy(), 0.5),))
    ids, choice = chosen(strategy, probabilities(100, 0), 20)
    assert len(set(ids)) == 20
    assert {0, 1, 2} <= set(ids)
    assert choice.notices == ("choosy picked 3 of the 10 rows of its share", "choosy: so few")
    assert choice.facts == {"random.rows": 17, "choosy.rows": 3, "choosy.x": 1}


def test_what_the_main_strategy_never_wants_is_not_forced_on_it() -> None:
    strategy = Mix("choosy", Choosy(), (Share("random", STRATEGIES.build("random"), 0.2),))
    ids, choice = chosen(strategy, probabilities(100, 0), 20)
    assert len(set(ids)) == 20
    assert list(choice.columns["picked_by"]).count("choosy") <= 3
    assert "choosy picked" in choice.notices[0]


def test_one_strategy_may_stand_there_twice() -> None:
    assert distinct_names(["a", "b", "a", "a"]) == ["a", "b", "a 2", "a 3"]
    again = Share("random", STRATEGIES.build("random"), 0.2)
    ids, choice = chosen(Mix("margin", STRATEGIES.build("margin"), (again, again)), probabilities(60, 0), 10)
    assert len(set(ids)) == 10
    assert choice.facts == {"margin.rows": 6, "random.rows": 2, "random 2.rows": 2}


def test_a_batch_that_was_cut_after_the_scan_reads_the_right_lists() -> None:
    """The number of a list may depend on the size of the batch that was scanned for."""
    strategy, whole = mix("margin", cluster_representatives=0.5), block()
    ids, _, best = batch(strategy, whole, knowing(20))
    small = strategy.choose(best, replace(knowing(8), scanned=20))
    rows = best.take(small.positions)
    by_margin = rows.ids.filter(pa.array(small.columns["picked_by"] == np.str_("margin"))).to_pylist()
    mine = np.argsort(-margin(whole.proba), kind="stable").tolist()
    assert len(by_margin) == 4
    assert set(by_margin) <= {whole.ids[i].as_py() for i in mine[:8]}
    assert len(set(ids)) == 20
    assert small.facts["cluster_representatives.random_rows"] == 0


def test_a_batch_of_the_whole_pool_is_still_mixed() -> None:
    _, choice = chosen(mix("margin", random=0.25), probabilities(12, 0), 100)
    assert choice.facts == {"margin.rows": 9, "random.rows": 3}
    assert sorted(pick(mix("margin", random=0.25), [block(12)], 12)) == sorted(block(12).ids.to_pylist())


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({}, "at least one share"),
        ({"random": 0}, "share of random is 0"),
        ({"random": 1.0}, "share of random is 1.0"),
        ({"random": 0.5, "entropy": 0.5}, "add up to 1; below 1"),
        ({"random": 0.7, "entropy": 0.7}, "add up to 1.4"),
    ],
)
def test_wrong_shares_are_refused(shares: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        mix("margin", **shares)


def test_names_of_classes_are_checked_in_every_part() -> None:
    bad = Share("rare_class", STRATEGIES.build("rare_class", {"rare": ["x"]}), 0.1)
    with pytest.raises(UnknownClass, match="unknown class 'x'"):
        Mix("margin", STRATEGIES.build("margin"), (bad,)).check(("a", "b"))
