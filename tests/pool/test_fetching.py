from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.config import PoolConfig
from lamplighter.errors import PoolError, PoolSchemaError
from lamplighter.pool import (
    Pool,
    fetch_display,
    fetch_features,
    fetch_rows,
    find_ids,
    shards_that_may_hold,
)
from lamplighter.pool.open_file import OpenFile
from lamplighter.testing.pools import LAYOUTS, LayoutName, write_pool
from tests.pool.plain import open_pool

N = 500
X = np.random.default_rng(0).standard_normal((N, 3)).astype(np.float32)
TEXT = [f"text {i}" for i in range(N)]


@pytest.fixture(scope="module", params=LAYOUTS)
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pool")
    layout: LayoutName = request.param
    return open_pool(_write(folder, np.arange(N), layout))


def _write(folder: Path, ids: object, layout: LayoutName = "fixed_binary") -> PoolConfig:
    return write_pool(
        folder, ids, X, layout=layout, files=5, row_group_rows=30, extra={"text": TEXT, "n": range(N)}
    )


def _places(rows: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    at = np.array(rows, dtype=np.int64)
    return at // 100, at % 100 // 30, at % 100 % 30


@settings(max_examples=25)
@given(rows=st.lists(st.integers(0, N - 1), max_size=40))
def test_rows_come_in_the_order_asked_for_also_twice(pool: Pool, rows: list[int]) -> None:
    np.testing.assert_array_equal(fetch_features(pool, *_places(rows)), X[rows])
    shown = fetch_display(pool, *_places(rows))
    assert shown.column_names == ["text", "n"]
    assert shown.to_pylist() == [{"text": TEXT[i], "n": i} for i in rows]


def test_each_row_group_is_read_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    real = OpenFile.batches

    def spy(self: OpenFile, row_group: int, names: tuple[str, ...], rows: int = 0) -> object:
        read.append((self.entry.path, row_group))
        return real(self, row_group, names, rows)

    monkeypatch.setattr(OpenFile, "batches", spy)
    fetch_rows(pool, *_places([499, 0, 1, 29, 130, 131, 0]), columns=["id"])
    assert read == [("part-00000.parquet", 0), ("part-00001.parquet", 1), ("part-00004.parquet", 3)]


def test_files_may_keep_a_text_each_in_its_own_way(tmp_path: Path) -> None:
    config = _write(tmp_path, np.arange(N))
    kinds = [pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string()]
    for path, kind in zip(sorted(tmp_path.rglob("*.parquet")), kinds, strict=False):
        table = pq.read_table(path)
        at = table.column_names.index("text")
        kept = table.set_column(at, "text", table.column("text").cast(kind))
        pq.write_table(kept, path, row_group_size=30)
    rows = [5, 105, 205, 305]
    found = fetch_rows(open_pool(config), *_places(rows), columns=["text"])
    assert found.column("text").to_pylist() == [TEXT[row] for row in rows]
    assert found.schema.field("text").type == pa.string()


@pytest.mark.parametrize("place", [(5, 0, 0), (0, 4, 0), (0, 3, 10), (-1, 0, 0), (0, 0, -1)])
def test_a_place_outside_the_pool_is_refused(pool: Pool, place: tuple[int, int, int]) -> None:
    file, row_group, row = (np.array([p]) for p in place)
    with pytest.raises(PoolError, match=f"no row {place[2]} in row group {place[1]} of file {place[0]}"):
        fetch_features(pool, file, row_group, row)


def test_an_unknown_column_is_named(pool: Pool) -> None:
    for rows in ([], [1]):
        with pytest.raises(PoolSchemaError, match="did you mean 'text'"):
            fetch_rows(pool, *_places(rows), columns=["texts"])


@settings(max_examples=10)
@given(data=st.data())
def test_ids_are_found_where_they_lie(pool: Pool, data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.integers(-5, N + 5), unique=True, max_size=30))
    parts = [find_ids(shard, pool, pa.array(wanted, pa.int64())) for shard in pool.shards(1000)]
    found = [i for part in parts for i in part.ids.to_pylist()]
    assert found == sorted(i for i in wanted if 0 <= i < N)
    np.testing.assert_array_equal(np.concatenate([part.features for part in parts]), X[found])
    for part in parts:
        np.testing.assert_array_equal(
            fetch_features(pool, part.file, part.row_group, part.row), X[part.ids.to_pylist()]
        )


def test_text_ids_are_found(tmp_path: Path) -> None:
    pool = open_pool(_write(tmp_path, [f"r{i:03d}" for i in range(N)]))
    ids = pa.array(["r499", "r000", "nope"], pa.large_string())
    shards = shards_that_may_hold(pool, ids, 1)
    assert [(s.file, s.row_groups) for s in shards] == [(0, (0,)), (4, (3,))]
    found = [find_ids(shard, pool, ids) for shard in shards]
    assert [f.ids.to_pylist() for f in found] == [["r000"], ["r499"]]
    np.testing.assert_array_equal(np.concatenate([f.features for f in found]), X[[0, 499]])


def test_row_groups_are_left_out_by_their_range_of_ids(tmp_path: Path) -> None:
    pool = open_pool(_write(tmp_path, np.arange(N) * 2))
    assert not shards_that_may_hold(pool, pa.array([], pa.int64()))
    assert not shards_that_may_hold(pool, pa.array([-1, 10**6]))
    (shard,) = shards_that_may_hold(pool, pa.array([0, 61]))
    assert (shard.file, shard.row_groups, shard.rows) == (0, (0, 1), 60)


@settings(max_examples=40)
@given(
    ids=st.lists(st.integers(0, 60), min_size=1, max_size=60), wanted=st.sets(st.integers(-3, 63), max_size=5)
)
def test_leaving_out_never_loses_a_row(
    tmp_path_factory: pytest.TempPathFactory, ids: list[int], wanted: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("pool")
    pool = open_pool(write_pool(folder, ids, np.zeros((len(ids), 1), np.float32), files=2, row_group_rows=5))
    asked = pa.array(sorted(wanted), pa.int64())
    found = [i for s in shards_that_may_hold(pool, asked) for i in find_ids(s, pool, asked).ids.to_pylist()]
    assert found == [i for i in ids if i in wanted]


def test_without_statistics_every_shard_may_hold_any_id(tmp_path: Path) -> None:
    config = write_pool(tmp_path, np.arange(N), X, files=2, write_statistics=False)
    pool = open_pool(config)
    assert shards_that_may_hold(pool, pa.array([10**9])) == pool.shards()
