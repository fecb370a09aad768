"""Rare classes: what is asked for by hand and by brute force, and what is said where it cannot be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32, I32
from lamplighter.errors import ConfigError, UnknownClass
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Context, Lane
from lamplighter.strategies.rare import ClassMargin, RareClass, class_numbers, predicted, summed
from lamplighter.testing.contract import Case
from lamplighter.testing.strategies import cases
from lamplighter.testing.strategy_round import BATCH, block, context
from tests.strategies.heaps import batch, pool_of

NAMES = ("ham", "bug", "abuse")


@pytest.mark.parametrize("case", cases({"rare_of_two": RareClass(("class 1", "class 3"))}), ids=str)
def test_contract(case: Case) -> None:
    case()


def known(k: int, labels: Sequence[int] = (0, 1, 2), names: tuple[str, ...] = NAMES) -> Context:
    features, numbers = np.zeros((len(labels), 2), np.float32), np.array(labels, np.int32)
    return replace(context(k), classes=names, load=lambda: (features, numbers))


def probabilities(rows: int, classes: int, seed: int, levels: int = 0) -> F32:
    """Draw probabilities; `levels` > 0 makes so few different rows that most tie."""
    draws = np.random.default_rng(seed)
    z = draws.normal(size=(rows, classes)) if not levels else draws.integers(0, levels, (rows, classes))
    return np.asfortranarray(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), dtype=np.float32)


@settings(deadline=None)
@given(classes=st.integers(1, 6), levels=st.sampled_from([0, 2]), rows=st.sampled_from([0, 1, 50, 9000]))
def test_the_predicted_class_is_the_first_of_the_largest(classes: int, levels: int, rows: int) -> None:
    proba = probabilities(rows, classes, 3, levels)
    expected = proba.argmax(axis=1)
    for order in (proba, np.ascontiguousarray(proba)):
        assert predicted(order).dtype == np.int32
        np.testing.assert_array_equal(predicted(order), expected)


def test_rare_scores_by_hand() -> None:
    proba = np.array([[0.5, 0.25, 0.25], [1, 0, 0], [0.25, 0.75, 0]], np.float32)
    assert summed(proba, (1, 2)).tolist() == [0.5, 0, 0.75]
    assert summed(proba, (0,)).tolist() == [0.5, 1, 0.25]
    assert summed(proba[:, :1], (0, 2)).tolist() == [0.5, 1, 0.25]


def test_the_most_probable_rows_come_first() -> None:
    proba = probabilities(200, 3, 0)
    ids, choice, _ = batch(RareClass(("abuse",)), pool_of(np.zeros((200, 2), np.float32), proba), known(9))
    assert ids == np.argsort(-proba[:, 2], kind="stable")[:9].tolist()
    assert choice.facts["expected_rare_rows"] == pytest.approx(np.sort(proba[:, 2])[-9:].sum())
    assert choice.notices == ()


@pytest.mark.parametrize(
    ("labels", "rare"), [([0, 0, 1, 2, 2], 1), ([0, 0, 2], 2), ([0, 1, 2], 0), ([], 0), ([2, 2], 2)]
)
def test_without_a_name_the_class_with_fewest_labels_is_rare(labels: list[int], rare: int) -> None:
    proba = probabilities(100, 3, 1)
    ids, _, _ = batch(RareClass(), pool_of(np.zeros((100, 2), np.float32), proba), known(5, labels))
    assert ids == np.argsort(-proba[:, rare], kind="stable")[:5].tolist()


def test_a_class_never_seen_gives_a_random_batch_that_is_said_to_be_one() -> None:
    proba = probabilities(100, 3, 1)
    proba[:, 2] = 0
    pool = pool_of(np.zeros((100, 2), np.float32), proba)
    ids, choice, best = batch(RareClass(("abuse",)), pool, known(5, [0, 1, 1]))
    assert len(set(ids)) == 5
    assert ids == best.ids.to_pylist()[:5]
    assert np.all(np.diff(best.tie.astype(object)) > 0)
    assert choice.notices == (
        "no label of abuse yet, so the model gives no row a probability of it",
        "5 of 5 rows are random: no row left has a probability of a rare class",
    )
    _, choice, _ = batch(RareClass(("abuse", "bug")), pool, known(5, [0, 1, 1]))
    assert [notice[:20] for notice in choice.notices] == ["no label of abuse ye"]


def test_labels_are_not_loaded_unless_something_is_missing() -> None:
    def load() -> tuple[F32, I32]:
        raise AssertionError("loaded")

    told = replace(known(5), load=load)
    batch(RareClass(("abuse",)), pool_of(np.zeros((50, 2), np.float32), probabilities(50, 3, 1)), told)


@pytest.mark.parametrize(
    ("rare", "words"),
    [
        (("buug",), "unknown class 'buug'; did you mean 'bug'"),
        (("bug", "ham", "abuse"), "all 3 classes"),
    ],
)
def test_names_are_checked_against_the_classes(rare: tuple[str, ...], words: str) -> None:
    with pytest.raises(UnknownClass, match=words):
        RareClass(rare).check(NAMES)
    with pytest.raises(UnknownClass, match=words):
        class_numbers(rare, NAMES)


@pytest.mark.parametrize("rare", [[], "bug", ["bug", "bug"], [1]])
def test_wrong_names_are_refused(rare: object) -> None:
    with pytest.raises(ConfigError, match="strategy 'rare_class': rare is"):
        STRATEGIES.build("rare_class", {"rare": rare})


def turns_by_hand(proba: F32, k: int) -> list[int]:
    """Take the most uncertain row left of every class, most uncertain first, until k are taken."""
    top = np.sort(proba, axis=1)
    score, label = np.float32(1) - (top[:, -1] - top[:, -2]), proba.argmax(axis=1)
    left, picked = set(range(len(proba))), list[int]()
    while left and len(picked) < k:
        best = {
            c: max((r for r in left if label[r] == c), key=lambda r: score[r], default=-1) for c in range(3)
        }
        turn = sorted((r for r in best.values() if r >= 0), key=lambda r: -score[r])
        picked += turn
        left -= set(turn)
    return picked[:k]


@pytest.mark.parametrize("k", [1, 7, 60, 199, 250])
def test_class_margin_takes_turns(k: int) -> None:
    proba = probabilities(200, 3, 2)
    proba[:, 2] *= 0.4
    proba /= proba.sum(axis=1, keepdims=True)
    ids, choice, _ = batch(ClassMargin(), pool_of(np.zeros((200, 2), np.float32), proba), known(k))
    assert ids == turns_by_hand(proba, k)
    assert choice.facts["classes_in_batch"] == min(k, 3)


def test_every_class_gives_as_many_as_it_can() -> None:
    proba = np.zeros((100, 3), np.float32)
    proba[:, 0], proba[:3, 1] = np.linspace(0.5, 0.9, 100), 0.95
    proba /= proba.sum(axis=1, keepdims=True)
    ids, choice, best = batch(ClassMargin(), pool_of(np.zeros((100, 2), np.float32), proba), known(10))
    assert sorted(i for i in ids if i < 3) == [0, 1, 2]
    assert len(best.on(2)) == 0
    assert choice.notices == ("no row is predicted as abuse; the other classes took the places",)


def test_any_class_may_fill_the_batch() -> None:
    assert ClassMargin().lanes(context()) == (Lane(BATCH, 4),)
    ids, _, _ = batch(ClassMargin(), block(constant=True), context(30))
    assert len(set(ids)) == 30
