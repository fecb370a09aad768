from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter.config import PoolConfig
from lamplighter.errors import PoolChanged, PoolFileError, PoolSchemaError
from lamplighter.pool import Pool, Shard, take_manifest
from lamplighter.pool.vectors import BLOCK_BYTES, block_rows
from lamplighter.testing.pools import LAYOUTS, LayoutName, write_files, write_pool
from tests.pool.plain import blocks_of, features_of, ids_of, open_pool

X = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)


@pytest.fixture
def config(tmp_path: Path) -> PoolConfig:
    text = [f"text {i}" for i in range(200)]
    return write_pool(tmp_path, np.arange(200), X, files=2, row_group_rows=30, extra={"text": text})


def test_shards_hold_whole_row_groups_of_one_file_and_every_row_once(config: PoolConfig) -> None:
    pool = open_pool(config)
    row = 4 * 4 + 8
    assert pool.shards() == (Shard(0, (0, 1, 2, 3), 100), Shard(1, (0, 1, 2, 3), 100))
    assert pool.shards(60 * row)[:2] == (Shard(0, (0, 1), 60), Shard(0, (2, 3), 40))
    for target in (1, 29 * row, 31 * row, 90 * row, 10**9):
        shards = pool.shards(target)
        assert sorted((s.file, g) for s in shards for g in s.row_groups) == [
            (f, g) for f in (0, 1) for g in range(4)
        ]
        assert sum(s.rows for s in shards) == 200
        assert all(s.rows * row <= max(target, 30 * row) for s in shards)


def test_any_sharding_reads_the_same_rows(config: PoolConfig) -> None:
    pool = open_pool(config)
    for target in (1, 2000, 10**9):
        blocks = [b for s in pool.shards(target) for b in pool.read(s)]
        assert ids_of(blocks) == list(range(200))
        np.testing.assert_array_equal(features_of(blocks), X)


def test_a_pool_travels_as_a_pickle(config: PoolConfig) -> None:
    pool = open_pool(config)
    list(pool.read(pool.shards()[0]))
    again = _sent(pool)
    assert again == pool
    np.testing.assert_array_equal(features_of(blocks_of(again)), X)


def test_a_pool_of_a_relative_path_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pool(tmp_path / "pool", np.arange(200), X)
    monkeypatch.chdir(tmp_path)
    pool = open_pool(PoolConfig(url="pool", features="embedding"))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(features_of(blocks_of(_sent(pool))), X)


def test_a_block_says_where_it_lies(config: PoolConfig) -> None:
    for block in blocks_of(open_pool(config)):
        first = 100 * block.file + 30 * block.row_group + block.first_row
        assert block.ids.to_pylist() == list(range(first, first + len(block)))


def test_other_columns_come_along_and_features_stay_away(config: PoolConfig) -> None:
    pool = open_pool(config)
    (block, *_) = pool.read(pool.shards()[1], features=False, extra=("text",))
    assert block.features is None
    assert block.extra.column("text").to_pylist() == [f"text {i}" for i in block.ids.to_pylist()]
    assert block.extra.column_names == ["text"]
    with pytest.raises(
        PoolSchemaError, match=r"part-00000.parquet: unknown column 'txt'; did you mean 'text'"
    ):
        list(pool.read(pool.shards()[0], extra=("txt",)))


@pytest.mark.parametrize("kind", [pa.int32(), pa.uint8(), pa.int64()])
def test_integer_ids_become_int64(tmp_path: Path, kind: Any) -> None:
    config = write_pool(tmp_path, pa.array(range(200), kind), X)
    blocks = blocks_of(open_pool(config))
    assert {b.ids.type for b in blocks} == {pa.int64()}
    assert ids_of(blocks) == list(range(200))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int16(), pa.string())])
@pytest.mark.parametrize("dictionary", [True, False])
def test_text_ids_become_large_strings(tmp_path: Path, kind: Any, dictionary: bool) -> None:
    ids = [f"é{i}" * (i % 3) + str(i) for i in range(200)]
    config = write_pool(tmp_path, pa.array(ids).cast(kind), X, row_group_rows=70, dictionary=dictionary)
    blocks = blocks_of(open_pool(config))
    assert {b.ids.type for b in blocks} == {pa.large_string()}
    assert ids_of(blocks) == ids


def test_a_null_id_is_named(tmp_path: Path) -> None:
    config = write_pool(tmp_path, pa.array([1, 2, 3, None, 5]), X[:5], row_group_rows=2)
    pool = open_pool(config)
    with pytest.raises(PoolSchemaError, match=r"part-00000.parquet: the id of row 1 in row group 1 is null"):
        blocks_of(pool)


def test_an_id_beyond_int64_is_named(tmp_path: Path) -> None:
    config = write_pool(tmp_path, pa.array([1, 2**63], pa.uint64()), X[:2])
    with pytest.raises(
        PoolSchemaError, match=r"part-00000.parquet: an id in row group 0 does not fit into int64"
    ):
        blocks_of(open_pool(config))


def _sent(pool: Pool) -> Pool:
    """As Dask does it."""
    there: Pool = pickle.loads(pickle.dumps(pool))  # noqa: S301 - our own bytes
    return there


def _remove(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _rewrite(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(1), path)


@pytest.mark.parametrize(
    ("change", "said"), [(_remove, "disappeared"), (_truncate, "changed"), (_rewrite, "changed")]
)
def test_a_file_that_changed_during_the_round_is_named(
    config: PoolConfig, change: Callable[[Path], None], said: str
) -> None:
    pool = open_pool(config)
    change(Path(config.url) / "part-00001.parquet")
    list(pool.read(pool.shards()[0]))
    for read in (pool.read, pool.vectors):
        with pytest.raises(PoolChanged, match=rf"part-00001\.parquet {said}"):
            list(read(pool.shards()[1]))


@pytest.mark.parametrize("read", [Pool.read, Pool.vectors])
def test_a_file_that_changes_while_it_is_read_is_named(
    config: PoolConfig, read: Callable[[Pool, Shard], Iterator[Any]]
) -> None:
    pool = open_pool(config)
    blocks = read(pool, pool.shards()[1])
    next(blocks)
    _rewrite(Path(config.url) / "part-00001.parquet")
    with pytest.raises(PoolChanged, match=r"part-00001\.parquet changed"):
        list(blocks)


def test_a_file_written_again_with_the_same_content_is_read(config: PoolConfig) -> None:
    pool = open_pool(config)
    os.utime(Path(config.url) / "part-00001.parquet", (7, 7))
    np.testing.assert_array_equal(features_of(blocks_of(pool)), X)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_pages_are_an_error_that_names_the_file(tmp_path: Path, layout: LayoutName) -> None:
    config = write_pool(tmp_path, np.arange(200), X, layout=layout, row_group_rows=50)
    path = tmp_path / "part-00000.parquet"
    data = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(1)
    start = group.column(1).data_page_offset
    data[start : start + 12] = b"\xff" * 12  # the page's header
    path.write_bytes(data)
    with pytest.raises(PoolFileError, match=r"part-00000\.parquet: it cannot be read"):
        blocks_of(open_pool(config))


@pytest.mark.parametrize("dim", [1, 2, 64, 384, 1000, 5000, 10**6])
def test_blocks_stay_small(dim: int) -> None:
    rows = block_rows(dim)
    assert rows & (rows - 1) == 0
    assert rows * dim * 4 <= max(BLOCK_BYTES, 512 * dim * 4)
    assert rows == 65_536 or rows * dim * 4 * 2 > BLOCK_BYTES


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_stays_flat_however_large_a_row_group_is(tmp_path: Path, layout: LayoutName) -> None:
    peaks = []
    for rows in (60_000, 240_000):
        x = np.zeros((rows, 64), np.float32)
        config = write_pool(tmp_path / str(rows), np.arange(rows), x, layout=layout, row_group_rows=rows)
        pool = open_pool(config)
        gc.collect()  # what earlier tests left must not go meanwhile
        before = pa.total_allocated_bytes()
        peak = 0
        for block in pool.read(pool.shards()[0]):
            peak = max(peak, pa.total_allocated_bytes() - before)
            assert block.features is not None
            assert block.features.nbytes <= BLOCK_BYTES
        peaks.append(peak)
    chunks = 240_000 * 64 * 4
    assert peaks[1] < chunks
    if layout != "columns":  # there each of the 64 columns reads ahead
        assert peaks[1] < 32 * 2**20
        assert peaks[1] < 1.3 * peaks[0] + 2**20


def test_empty_row_groups_and_files_give_nothing(tmp_path: Path) -> None:
    config = write_pool(tmp_path, np.arange(5), X[:5])
    table = pq.read_table(tmp_path / "part-00000.parquet")
    write_files(tmp_path / "a", [table.slice(0, 0)])
    with pq.ParquetWriter(tmp_path / "z.parquet", table.schema, compression="none") as writer:
        for part in (table, table.slice(0, 0), table):
            writer.write_table(part)
    pool = Pool(config, take_manifest(config))
    assert [b.first_row for b in blocks_of(pool)] == [0] * 3
    assert ids_of(blocks_of(pool)) == [*range(5)] * 3


def test_names_with_dots_and_odd_characters(tmp_path: Path) -> None:
    table = pa.table({"my.id": [1, 2], "é v": [1.0, 2.0], "a.b": [3, 4], "a": [5, 6]})
    write_files(tmp_path, [table])
    config = PoolConfig(url=str(tmp_path), id="my.id", features=("a.b", "é v", "a"))
    blocks = blocks_of(open_pool(config))
    assert ids_of(blocks) == [1, 2]
    np.testing.assert_array_equal(features_of(blocks), [[3, 1, 5], [4, 2, 6]])
