"""The uncertainty scores against hand-computed values, plain numpy, scipy and each other."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from lamplighter.arrays import F32, F64
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Block, Output
from lamplighter.strategies.uncertainty import TILE, entropy, least_confidence, margin, top_two


def probabilities(rows: int, classes: int, seed: int = 0) -> F32:
    """Draw (rows, classes) float32 probabilities, some of them exactly 0 and 1, class-major."""
    draws = np.random.default_rng(seed)
    logits = draws.normal(scale=4, size=(rows, classes))
    values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    values[::7] = np.eye(classes)[draws.integers(classes, size=len(values[::7]))]
    return np.asfortranarray(values, dtype=np.float32)


def scores(name: str, proba: list[list[float]]) -> list[float]:
    """Score rows with a registered strategy."""
    values = np.array(proba, np.float32, order="F")
    block = Block(pa.array(range(len(values)), pa.int64()), {Output.PROBA: values}, seed=1, round=1)
    return [float(s) for s in STRATEGIES.build(name).score(block)]


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("least_confidence", [0.5, 0.3, 0.2], 0.5),
        ("least_confidence", [1.0, 0.0, 0.0], 0.0),
        ("least_confidence", [0.25, 0.25, 0.25, 0.25], 0.75),
        ("least_confidence", [1.0], 0.0),
        ("margin", [0.5, 0.3, 0.2], 0.8),
        ("margin", [0.2, 0.3, 0.5], 0.8),
        ("margin", [0.5, 0.5, 0.0], 1.0),
        ("margin", [0.0, 1.0, 0.0], 0.0),
        ("margin", [1.0], 0.0),
        ("entropy", [0.5, 0.5], math.log(2)),
        ("entropy", [0.5, 0.25, 0.25], 1.5 * math.log(2)),
        ("entropy", [0.0, 1.0, 0.0], 0.0),
        ("entropy", [0.25, 0.25, 0.25, 0.25], math.log(4)),
        ("entropy", [1.0], 0.0),
    ],
)
def test_by_hand(name: str, row: list[float], expected: float) -> None:
    assert scores(name, [row]) == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 77])
def test_the_fast_formulas_equal_the_plain_ones(classes: int) -> None:
    proba = probabilities(2 * TILE + 17, classes)
    ordered = np.sort(np.pad(proba, ((0, 0), (1, 0))), axis=1)
    first, second = top_two(proba)
    np.testing.assert_array_equal(first, ordered[:, -1])
    np.testing.assert_array_equal(second, ordered[:, -2])
    np.testing.assert_array_equal(least_confidence(proba), 1 - ordered[:, -1])
    np.testing.assert_array_equal(margin(proba), 1 - (ordered[:, -1] - ordered[:, -2]))


@pytest.mark.parametrize("classes", [1, 2, 10, 77])
def test_entropy_equals_scipy(classes: int) -> None:
    proba = probabilities(3000, classes)
    exact: F64 = stats.entropy(proba.astype(np.float64), axis=1)
    np.testing.assert_allclose(entropy(proba), exact, atol=5e-6)


@pytest.mark.parametrize("score", [least_confidence, margin, entropy])
def test_memory_order_does_not_change_a_bit(score: object) -> None:
    assert callable(score)
    proba = probabilities(TILE + 3, 10)
    expected = score(proba).tobytes()
    assert score(np.ascontiguousarray(proba)).tobytes() == expected
    assert score(np.repeat(proba, 2, axis=1)[:, ::2]).tobytes() == expected


def test_two_classes_make_the_three_scores_one_order() -> None:
    p = np.random.default_rng(3).permutation(np.linspace(0, 1, 1001)).astype(np.float32)
    proba = np.asfortranarray(np.column_stack([p, 1 - p]))
    expected = np.argsort(np.abs(p - 0.5), kind="stable")[:500]
    for score in (least_confidence, margin, entropy):
        found = np.argsort(-score(proba), kind="stable")[:500]
        # p and 1 - p mean the same distance from 1/2, so pairs of rows tie.
        np.testing.assert_allclose(np.abs(p[found] - 0.5), np.abs(p[expected] - 0.5), atol=2e-4)


@given(arrays(np.float64, (5, 4), elements=st.floats(0, 1)))
def test_ranges(raw: F64) -> None:
    raw[:, 0] += 1e-3
    proba = np.asfortranarray(raw / raw.sum(axis=1, keepdims=True), dtype=np.float32)
    assert np.all((least_confidence(proba) >= 0) & (least_confidence(proba) <= 0.75 + 1e-6))
    assert np.all((margin(proba) >= -1e-6) & (margin(proba) <= 1))
    assert np.all((entropy(proba) >= 0) & (entropy(proba) <= math.log(4) + 1e-6))


def test_entropy_of_a_probability_rounded_above_one_is_not_negative() -> None:
    proba = np.array([[np.nextafter(np.float32(1), np.float32(2)), 0]], np.float32)
    assert entropy(proba).tolist() == [0.0]
