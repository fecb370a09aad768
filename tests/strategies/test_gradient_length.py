"""The expected gradient length against explicit gradients, finite differences and hand-computed values."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from lamplighter.arrays import F32, F64
from lamplighter.strategies.base import Block, Output
from lamplighter.strategies.gradient_length import TILE, ExpectedGradientLength, gradient_length
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import Case

STRATEGIES = {
    "expected_gradient_length": ExpectedGradientLength(),
    "expected_gradient_length_direction": ExpectedGradientLength(direction_only=True),
}


def drawn(rows: int, classes: int, width: int, seed: int = 0) -> tuple[F32, F32]:
    """Draw (rows, C) float32 probabilities, class-major, some nearly certain, and (rows, H) float32."""
    draws = np.random.default_rng(seed)
    scale = draws.choice([0.5, 3.0, 15.0], size=(rows, 1))
    proba = softmax(draws.normal(size=(rows, classes)) * scale, axis=1)
    return np.asfortranarray(proba, np.float32), draws.normal(size=(rows, width)).astype(np.float32)


def explicit(proba: F64, layer: F64) -> F64:
    """Make every gradient, (p - e_c)(h, 1)^T, and take the expectation of its norm."""
    lengths = np.zeros(len(proba))
    for row, (p, h) in enumerate(zip(proba, layer, strict=True)):
        for c in range(len(p)):
            gradient = np.outer(p - np.eye(len(p))[c], np.append(h, 1))
            lengths[row] += p[c] * np.linalg.norm(gradient)
    return lengths


@pytest.mark.parametrize("case", contract.cases(STRATEGIES), ids=str)
def test_contract(case: Case) -> None:
    case()


def test_what_is_read() -> None:
    full, direction = STRATEGIES.values()
    assert full.requires == {Output.PROBA, Output.LAST_LAYER}
    assert direction.requires == {Output.PROBA}


@pytest.mark.parametrize(
    ("proba", "layer", "expected"),
    [
        ([0.5, 0.5], [0.0], math.sqrt(0.5)),
        ([0.5, 0.5], [math.sqrt(3)], 2 * math.sqrt(0.5)),
        ([1.0, 0.0], [7.0], 0.0),
        ([0.5, 0.5, 0.0], [0.0, 2.0, 2.0], 3 * math.sqrt(0.5)),
        ([1 / 3] * 3, [0.0], math.sqrt(2 / 3)),
        ([0.8, 0.2], [0.0], 2 * math.sqrt(2) * 0.16),
        ([1.0], [5.0], 0.0),
    ],
)
def test_by_hand(proba: list[float], layer: list[float], expected: float) -> None:
    outputs = {
        Output.PROBA: np.array([proba], np.float32, order="F"),
        Output.LAST_LAYER: np.array([layer], np.float32),
    }
    block = Block(pa.array([1]), outputs, seed=1, round=1)
    assert ExpectedGradientLength().score(block)[0] == pytest.approx(expected, abs=1e-6)
    norm = math.sqrt(1 + sum(h * h for h in layer))
    directed = ExpectedGradientLength(direction_only=True).score(block)[0]
    assert directed == pytest.approx(expected / norm, abs=1e-6)


@pytest.mark.parametrize(("classes", "width"), [(2, 1), (3, 7), (10, 64), (40, 200)])
def test_equals_explicit_gradients(classes: int, width: int) -> None:
    proba, layer = drawn(200, classes, width)
    exact = proba.astype(np.float64), layer.astype(np.float64)
    np.testing.assert_allclose(gradient_length(proba, layer), explicit(*exact), rtol=3e-6, atol=1e-6)
    flat = explicit(exact[0], np.zeros((200, 0)))
    np.testing.assert_allclose(gradient_length(proba), flat, rtol=3e-6, atol=1e-7)


def test_equals_finite_differences_of_the_log_loss() -> None:
    draws = np.random.default_rng(1)
    weights, layer = draws.normal(size=(3, 5)), draws.normal(size=(6, 4))
    inputs = np.hstack([layer, np.ones((6, 1))])
    proba = softmax(inputs @ weights.T, axis=1)
    expected = np.zeros(6)
    for row in range(6):
        for c in range(3):
            numeric = numeric_gradient(weights, inputs[row], c)
            expected[row] += proba[row, c] * np.linalg.norm(numeric)
    found = gradient_length(proba.astype(np.float32), layer.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def numeric_gradient(weights: F64, x: F64, c: int) -> F64:
    """Differentiate the log loss of class c by every weight, by central differences."""
    gradient, step = np.zeros_like(weights), 1e-5
    for at in np.ndindex(weights.shape):
        shift = np.zeros_like(weights)
        shift[at] = step
        up, down = (-log_softmax((weights + sign * shift) @ x)[c] for sign in (1, -1))
        gradient[at] = (up - down) / (2 * step)
    return gradient


def test_one_weight_vector_for_two_classes_gives_the_same_order() -> None:
    proba, layer = drawn(300, 2, 6)
    p, h = proba[:, 1].astype(np.float64), layer.astype(np.float64)
    norm = np.sqrt(1 + (h * h).sum(axis=1))
    binary = 2 * p * (1 - p) * norm  # the gradient of a sigmoid's log loss is (p - y)(h, 1)
    found = gradient_length(proba, layer)
    np.testing.assert_allclose(found, math.sqrt(2) * binary, rtol=2e-3, atol=1e-6)


def test_nearly_certain_rows_keep_their_order() -> None:
    p = 1 - np.array([1e-3, 1e-4, 1e-5, 1e-6], np.float32)
    scores = gradient_length(np.column_stack([p, 1 - p]))
    assert np.all(np.diff(scores) < 0)
    np.testing.assert_allclose(scores, 2 * math.sqrt(2) * p.astype(np.float64) * (1 - p), rtol=1e-5)


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 9))
def test_ranges(seed: int, classes: int) -> None:
    proba, layer = drawn(40, classes, 3, seed)
    assert np.all((gradient_length(proba) >= 0) & (gradient_length(proba) < 1))
    assert np.all(gradient_length(proba, layer) >= gradient_length(proba) * np.float32(1 - 1e-6))


def test_a_length_beyond_float32_stays_a_number() -> None:
    proba = np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)
    layer = np.full((2, 4), 3e38, np.float32)
    scores = gradient_length(proba, layer)
    assert np.isfinite(scores).all()
    assert scores[0] > 1e38
    assert scores[1] == 0


@pytest.mark.parametrize("width", [1, 7, 64, 200])
def test_neither_memory_order_nor_neighbours_change_a_bit(width: int) -> None:
    rows = TILE + 300
    proba, layer = drawn(rows, 5, width)
    whole = gradient_length(proba, layer)
    assert gradient_length(np.ascontiguousarray(proba), np.asfortranarray(layer)).tobytes() == whole.tobytes()
    cuts = [0, 1, 2, 9, 100, TILE, rows - 1, rows]
    parts = [gradient_length(proba[a:b], layer[a:b]) for a, b in pairwise(cuts)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
