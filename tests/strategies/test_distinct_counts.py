"""What is said of a batch without near-duplicates holds for the batch as it is in the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lamplighter.arrays import F32
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.balance import Balanced
from lamplighter.strategies.base import Choice, Strategy
from lamplighter.strategies.distinct import Distinct
from lamplighter.strategies.mix import Mix, Share
from lamplighter.testing.strategy_round import context
from tests.strategies.copied import families, near_by_formula, probabilities, told
from tests.strategies.heaps import batch, pool_of


def mix(main: str, other: str, share: float) -> Mix:
    return Mix(main, STRATEGIES.build(main), (Share(other, STRATEGIES.build(other), share),))


def chosen(strategy: Strategy, x: F32, proba: F32, k: int) -> tuple[list[int], Choice]:
    known = replace(told(k), classes=context().classes)
    ids, choice, _ = batch(Distinct(strategy, 0.01), pool_of(x, proba), known)
    assert len(set(ids)) == len(ids) == k
    return ids, choice


def with_rare_heaps(heaps: int, copies: int) -> tuple[F32, F32]:
    """Give 300 rows far apart, and noisy copies of a few, which alone are predicted as class 3."""
    x = np.concatenate([families(300, 1, 0.0, 1), families(heaps, copies, 0.02, 2)])
    proba = probabilities(len(x), 3)
    proba[:300, 3] = 0
    proba[300:] = [0.1, 0.2, 0.3, 0.4]
    return x, np.asfortranarray(proba / proba.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    "inner", [STRATEGIES.build("margin"), mix("margin", "random", 0.3)], ids=["plain", "mix"]
)
def test_a_quota_of_copies_is_told_once_and_true(inner: Strategy) -> None:
    x, proba = with_rare_heaps(2, 100)
    ids, choice = chosen(Balanced(inner, ("class 3",), 0.5), x, proba, 30)
    assert sum(i >= 300 for i in ids) == choice.facts["rare_rows"] == 2
    quotas = [line for line in choice.notices if "balance asked" in line]
    assert quotas == [
        "balance asked for 15 rows predicted as class 3; the scan's lists had no more than 2 that are not "
        "near-duplicates"
    ]


def test_a_quota_that_the_copies_fill_up_is_counted_with_them() -> None:
    x, proba = with_rare_heaps(2, 100)
    ids, choice = chosen(Balanced(STRATEGIES.build("margin"), ("class 3",), 0.5), x, proba, 320)
    rare = sum(i >= 300 for i in ids)
    assert rare == choice.facts["rare_rows"] == 20
    assert choice.facts["rare_rows_asked"] == 160
    assert [line.split(";")[1] for line in choice.notices if ";" in line] == [
        " the scan's lists had no more than 20 that are not near-duplicates",
        " the 500 best rows that the scan kept hold no others",
    ]


def test_a_quota_is_asked_for_once_however_often_rows_are_replaced() -> None:
    """Two strategies pick copies of the same rare rows; what is replaced is of the quota still."""
    x, proba = families(60, 10, 0.02, 6), probabilities(600, 6)
    _, family = np.unique(families(60, 10, 0.0, 6), axis=0, return_inverse=True)
    proba[:, 3] = np.where(family.ravel() < 15, 0.5, 0)
    proba = np.asfortranarray(proba / proba.sum(axis=1, keepdims=True))
    strategy = Balanced(mix("margin", "least_confidence", 0.5), ("class 3",), 0.5)
    ids, choice = chosen(strategy, x, proba, 20)
    rare = sum(int(proba[i].argmax()) == 3 for i in ids)
    assert int(choice.facts["near_duplicates_replaced"]) > 0
    assert (rare, choice.facts["rare_rows"], choice.facts["rare_rows_asked"]) == (10, 10, 10)
    assert not any("balance" in line for line in choice.notices)


@pytest.mark.parametrize("balanced", [False, True])
def test_shares_are_counted_in_the_final_batch(balanced: bool) -> None:
    x, proba = families(100, 6, 0.02, 4), probabilities(600, 4)
    inner: Any = mix("margin", "entropy", 0.4)
    strategy = Balanced(inner, ("class 3",), 0.6) if balanced else inner
    ids, choice = chosen(strategy, x, proba, 60)
    who = list(choice.columns["picked_by"])
    assert int(choice.facts["near_duplicates_replaced"]) > 0
    counts = {key: fact for key, fact in choice.facts.items() if key.endswith(".rows")}
    assert counts == {"margin.rows": who.count("margin"), "entropy.rows": who.count("entropy")}
    assert near_by_formula(x[ids], x[ids], 0.01, embedding=True).sum() == 60
    short = [line for line in choice.notices if "of its share" in line]
    least = {"margin": 36, "entropy": 24}
    assert short == [
        f"{name} picked {who.count(name)} of the {rows} rows of its share"
        for name, rows in least.items()
        if who.count(name) < rows
    ]


def test_where_copies_are_all_there_is_the_counts_are_those_of_the_fill() -> None:
    x = np.repeat(families(2, 1, 0.0, 0), 20, axis=0)
    known = replace(told(10, x[[0, 20]]), classes=context().classes)
    strategy = Distinct(mix("margin", "random", 0.3), 0.01)
    ids, choice, _ = batch(strategy, pool_of(x, probabilities(40, 0)), known)
    assert len(set(ids)) == 10
    assert {key: choice.facts[key] for key in ("margin.rows", "random.rows")} == {
        "margin.rows": 7,
        "random.rows": 3,
    }
    assert [line.split(" rows are")[0] for line in choice.notices] == ["10 of 10"]
