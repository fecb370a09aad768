"""Near-duplicates: distances by formula, skipping by brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32, I64
from lamplighter.strategies.near import Places, distinct, places
from tests.strategies.copied import families, kept_by_hand, told


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
    rows, _ = places(told(5), x, np.empty((0, 0), np.float32), 1e-9)
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


@pytest.mark.parametrize("embedding", [True, False])
@pytest.mark.parametrize("dims", [1, 2, 5])
@pytest.mark.parametrize("middle", [0.0, 1000.0])
def test_different_rows_are_no_copies_however_near(dims: int, middle: float, embedding: bool) -> None:
    """In one dimension thousands of rows lie within what rounding adds to a distance."""
    draws = np.random.default_rng(0)
    x = np.unique((middle + draws.normal(size=(8000, dims))).astype(np.float32), axis=0)
    x = draws.permutation(x)
    labelled = np.nextafter(x[:500], np.float32(np.inf))
    there = {row.tobytes() for row in labelled}
    result = found(np.concatenate([x, x[::-1]]), labelled, 0.0, wanted=10**6, embedding=embedding)
    assert result.kept.tolist() == [i for i in range(len(x)) if x[i].tobytes() not in there]


def test_nothing_has_no_sign() -> None:
    x = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, -1.0]], np.float32)
    assert found(x, x[:0], 0.0, wanted=9).kept.tolist() == [0, 2]


def test_rows_taken_are_made_into_points_once_for_all_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[int]()
    plain = Places.right

    def counting(self: Places, at: I64) -> Any:
        made.append(len(at))
        return plain(self, at)

    monkeypatch.setattr(Places, "right", counting)
    x = families(40, 3, 0.02, 0)
    rows, taken = places(told(5), x[:80], x[80:], 0.01)
    for at in np.array_split(np.arange(80), 8):
        distinct(rows, at, taken, wanted=80, generator=np.random.default_rng(0))
    assert made == [40, *[10] * 8]
