"""Churn between two models' predictions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.evaluation import churn

predictions = st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.integers(0, 4), max_size=30)


def _as_arrays(predicted: dict[int, int], *, strings: bool) -> tuple[pa.Array, np.ndarray]:
    ids = [f"row {i}" for i in predicted] if strings else list(predicted)
    kind = pa.large_string() if strings else pa.int64()
    return pa.array(ids, kind), np.array(list(predicted.values()), np.int32)


@given(predictions, predictions, st.booleans())
def test_churn_equals_a_plain_count(before: dict[int, int], after: dict[int, int], strings: bool) -> None:
    common = before.keys() & after.keys()
    expected = sum(before[i] != after[i] for i in common) / len(common) if common else None
    got = churn(_as_arrays(before, strings=strings), _as_arrays(after, strings=strings))
    assert got == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_churn_bounds_the_change_of_accuracy(rows: list[tuple[int, int, int]]) -> None:
    truth, first, second = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    ids = pa.array(range(len(rows)), pa.int64())
    share = churn((ids, first), (ids, second))
    assert share is not None
    assert abs(np.mean(first == truth) - np.mean(second == truth)) <= share + 1e-12


def test_ids_of_different_kinds_have_nothing_in_common() -> None:
    one = np.zeros(1, np.int32)
    assert churn((pa.array([1]), one), (pa.array(["1"]), one)) is None


def test_strings_of_any_width_and_narrow_integers_are_compared() -> None:
    classes = np.array([0, 1], np.int32)
    assert churn((pa.array(["a", "b"]), classes), (pa.array(["b", "a"], pa.large_string()), classes)) == 1.0
    assert churn((pa.array([7, 8], pa.int32()), classes), (pa.array([7, 8]), classes)) == 0.0
