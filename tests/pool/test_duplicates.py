from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import rng
from lamplighter.arrays import U64
from lamplighter.pool import duplicates, find_duplicates, in_turn
from lamplighter.testing.pools import write_pool
from tests.pool.plain import open_pool


def _pool(folder: Path, ids: list[Any], files: int = 3, row_group_rows: int = 7) -> Any:
    x = np.zeros((len(ids), 1), np.float32)
    return open_pool(write_pool(folder, ids, x, files=files, row_group_rows=row_group_rows))


@settings(max_examples=40)
@given(
    ids=st.one_of(
        st.lists(st.integers(-20, 20), min_size=1, max_size=80),
        st.lists(st.text("ab", max_size=4), min_size=1, max_size=80),
    ),
    limit=st.sampled_from([16, 100, 2**20]),
)
def test_all_repeated_ids_are_counted_in_any_number_of_passes(
    tmp_path_factory: pytest.TempPathFactory, ids: list[Any], limit: int
) -> None:
    found = find_duplicates(_pool(tmp_path_factory.mktemp("pool"), ids), in_turn, limit, shown=5)
    repeated = {i for i, n in Counter(ids).items() if n > 1}
    assert found.count == len(repeated)
    shown = found.ids.to_pylist()
    assert len(shown) == len(set(shown)) == min(5, len(repeated))
    assert set(shown) <= repeated


@pytest.mark.parametrize("text", [False, True])
def test_one_pair_among_many_in_different_files_is_found(tmp_path: Path, text: bool) -> None:
    ids: list[Any] = list(range(20_000))
    ids[19_999] = 3
    pool = _pool(tmp_path, [str(i) for i in ids] if text else ids, row_group_rows=3000)
    found = find_duplicates(pool, limit_bytes=2**16)
    assert (found.count, found.ids.to_pylist()) == (1, ["3" if text else 3])


def test_no_duplicates_are_none(tmp_path: Path) -> None:
    found = find_duplicates(_pool(tmp_path, list(range(100))))
    assert (found.count, len(found.ids)) == (0, 0)


def test_the_order_in_which_shards_finish_does_not_matter(tmp_path: Path) -> None:
    def backwards(function: Any, shards: Any, *args: object) -> Iterator[Any]:
        return in_turn(function, shards[::-1], *args)

    pool = _pool(tmp_path, [*range(50), *range(40)])
    one, two = find_duplicates(pool), find_duplicates(pool, backwards)
    assert one.ids.equals(two.ids)
    assert one.count == two.count == 40


def test_the_driver_holds_no_more_hashes_than_it_may(tmp_path: Path) -> None:
    ids = list(range(4000))
    pool = _pool(tmp_path, [*ids, *ids], row_group_rows=500)
    held: list[int] = []

    def watched(function: Any, shards: Any, *args: object) -> Iterator[Any]:
        results = list(in_turn(function, shards, *args))
        if function is duplicates.hashes_in_range:
            held.append(sum(r.nbytes for r in results))
        return iter(results)

    limit = 2**14
    assert find_duplicates(pool, watched, limit).count == 4000
    assert len(held) == 8
    assert max(held) < limit  # what is sorted takes as much again: half of it was planned for


def test_one_id_on_every_row_costs_two_hashes_a_shard(tmp_path: Path) -> None:
    pool = _pool(tmp_path, [5] * 3000)
    for shard in pool.shards():
        assert len(duplicates.hashes_in_range(shard, pool, 0, 2**64 - 1)) == 2
    assert find_duplicates(pool).count == 1


def test_strings_with_equal_hashes_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def colliding(ids: Any, key: int) -> U64:
        return np.array([len(i) for i in ids.to_pylist()], np.uint64) * np.uint64(2**60)

    monkeypatch.setattr(rng, "row_hash", colliding)
    pool = _pool(tmp_path, ["a", "b", "c", "dd", "ee", "dd", "fff"])
    for limit in (16, 2**20):
        found = find_duplicates(pool, in_turn, limit)
        assert (found.count, found.ids.to_pylist()) == (1, ["dd"])


def test_many_repeated_strings_are_folded_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "COMPARED", 50)
    ids = [f"r{i}" for i in range(45)]
    found = find_duplicates(_pool(tmp_path, ids * 4))
    assert found.count == 45
    assert len(found.ids) == duplicates.SHOWN
    many = find_duplicates(_pool(tmp_path / "many", [f"r{i}" for i in range(60)] * 2))
    assert (many.count, len(many.ids)) == (60, duplicates.SHOWN)
