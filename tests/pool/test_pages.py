from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamplighter.config import PoolConfig
from lamplighter.errors import PoolFileError
from lamplighter.pool import Pool, fetch_features, page_header, page_scan, pages, take_manifest, vectors
from lamplighter.pool.open_file import open_file
from lamplighter.testing.pools import LayoutName, write_files, write_pool
from tests.pool.plain import blocks_of, features_of, open_pool

SLICED: tuple[LayoutName, ...] = ("fixed_binary", "fixed_size_list")
RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_scan, "SMALLEST_PAGE", 0)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each row group read, whether its pages were taken."""
    log: list[bool] = []

    def spy(*arguments: Any) -> page_scan.PlainPages | None:
        found = pages.find_pages(*arguments)
        log.append(found is not None)
        return found

    monkeypatch.setattr(vectors, "find_pages", spy)
    return log


def decoded(pool: Pool) -> np.ndarray:
    """What pyarrow gives, over `rows_of`."""
    parts = []
    for entry in pool.manifest.files:
        with open_file(pool.storage, pool.config, entry) as opened:
            for row_group in range(len(entry.rows)):
                parts += list(vectors.decoded_vectors(opened, pool.manifest, row_group))
    return np.concatenate(parts)


def assert_same(pool: Pool) -> None:
    got, wanted = features_of(blocks_of(pool)), decoded(pool)
    assert got.dtype == wanted.dtype == np.float32
    np.testing.assert_array_equal(got.view(np.uint32), wanted.view(np.uint32))
    copies = [
        b.features.copy() for s in pool.shards() for b in pool.read(s, reuse=True) if b.features is not None
    ]
    np.testing.assert_array_equal(np.concatenate(copies).view(np.uint32), wanted.view(np.uint32))
    for reuse in (False, True):
        alone = [block.copy() for shard in pool.shards() for block in pool.vectors(shard, reuse=reuse)]
        np.testing.assert_array_equal(np.concatenate(alone).view(np.uint32), wanted.view(np.uint32))
    some = np.arange(0, pool.manifest.files[0].rows[0], 3)
    fetched = fetch_features(pool, 0 * some, 0 * some, some)
    np.testing.assert_array_equal(fetched.view(np.uint32), wanted[some].view(np.uint32))


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("page_bytes", [100, 5000, 2**20])
@pytest.mark.parametrize("layout", SLICED)
def test_pages_give_what_pyarrow_decodes(
    tmp_path: Path, taken: list[bool], *, layout: LayoutName, page_bytes: int, version: str, compression: str
) -> None:
    options: dict[str, Any] = {
        "data_page_version": version,
        "data_page_size": page_bytes,
        "write_batch_size": 13,
    }
    for dtype, dim in (("float32", 5), ("float16", 8), ("float64", 1), ("float32", 64)):
        x = RNG.standard_normal((1500, dim)).astype(dtype)
        config = write_pool(
            tmp_path / f"{dtype}{dim}",
            np.arange(1500),
            x,
            layout=layout,
            row_group_rows=700,
            compression=compression,
            **options,
        )
        assert_same(open_pool(config))
    assert set(taken) == {True}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_writer_gives_what_pyarrow_decodes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    n, dim = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 40))
    x = RNG.integers(0, data.draw(st.sampled_from([2, 1000, 60_000])), (n, dim)).astype(
        data.draw(st.sampled_from(["float16", "float32", "float64"])), copy=False
    )
    config = write_pool(
        tmp_path_factory.mktemp("pool"),
        np.arange(n),
        x,
        layout=data.draw(st.sampled_from(SLICED)),
        row_group_rows=data.draw(st.integers(1, 300)),
        compression=data.draw(st.sampled_from(["none", "snappy", "zstd", "lz4", "brotli"])),
        dictionary=data.draw(st.booleans()),
        dictionary_pagesize_limit=data.draw(st.sampled_from([64, 1000, 2**20])),
        data_page_version=data.draw(st.sampled_from(["1.0", "2.0"])),
        data_page_size=data.draw(st.sampled_from([64, 1000, 2**20])),
        write_batch_size=data.draw(st.sampled_from([1, 7, 1024])),
        write_statistics=data.draw(st.booleans()),
        write_page_checksum=data.draw(st.booleans()),
    )
    assert_same(open_pool(config))


@pytest.mark.parametrize("compression", ["none", "snappy"])
@pytest.mark.parametrize("limit", [50, 999, 4000])
def test_vectors_before_the_first_plain_page_are_decoded(
    tmp_path: Path, taken: list[bool], limit: int, compression: str
) -> None:
    x = RNG.standard_normal((3000, 7)).astype(np.float32)
    config = write_pool(
        tmp_path, np.arange(3000), x, layout="fixed_size_list", dictionary=True, compression=compression,
        dictionary_pagesize_limit=limit, data_page_size=600, write_batch_size=5,
    )  # fmt: skip
    pool = open_pool(config)
    with open_file(pool.storage, config, pool.manifest.files[0]) as file:
        found = pages.find_pages(file, pool.manifest, 0)
        assert found is not None
        assert 0 < found.lead_rows < 3000
    assert_same(pool)
    assert set(taken) == {True}


def test_what_is_all_dictionary_is_decoded(tmp_path: Path, taken: list[bool]) -> None:
    x = RNG.integers(0, 5, (500, 7)).astype(np.float32)
    config = write_pool(tmp_path, np.arange(500), x, layout="fixed_size_list", dictionary=True)
    assert_same(open_pool(config))
    assert set(taken) == {False}


def test_a_long_lead_is_decoded_with_all_the_rest(
    tmp_path: Path, taken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LONGEST_LEAD", 100)
    x = RNG.standard_normal((3000, 7)).astype(np.float32)
    config = write_pool(
        tmp_path, np.arange(3000), x, layout="fixed_size_list", dictionary=True, dictionary_pagesize_limit=900
    )
    assert_same(open_pool(config))
    assert set(taken) == {False}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy"])
@pytest.mark.parametrize("null", ["row", "value"])
def test_nulls_are_decoded(
    tmp_path: Path, taken: list[bool], *, null: str, compression: str, version: str
) -> None:
    rows: list[Any] = RNG.standard_normal((400, 3)).tolist()
    rows[333] = None if null == "row" else [1.0, None, 2.0]
    column = pa.array(rows, pa.list_(pa.float32(), 3))
    _write(tmp_path, column, compression=compression, data_page_version=version, use_dictionary=False)
    pool = open_pool(PoolConfig(url=str(tmp_path), features="embedding"))
    assert np.isnan(features_of(blocks_of(pool))[333, 1])
    assert set(taken) == {False}
    assert_same(pool)


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_null_binary_rows_are_decoded(tmp_path: Path, taken: list[bool], compression: str) -> None:
    values = [RNG.bytes(8) for _ in range(50)]
    column = pa.array([*values, None], pa.binary(8))
    field = pa.field("embedding", pa.binary(8), metadata={"dtype": "float32", "dim": "2"})
    table = pa.table([pa.array(range(51)), column], schema=pa.schema([("id", pa.int64()), field]))
    write_files(tmp_path, [table], compression=compression, use_dictionary=False)
    assert_same(open_pool(PoolConfig(url=str(tmp_path), features="embedding")))
    assert set(taken) == {False}


def test_lists_of_equal_total_but_different_lengths_are_decoded(tmp_path: Path, taken: list[bool]) -> None:
    _write(tmp_path, pa.array([[1.0, 2.0], [3.0, 4.0, 5.0], [6.0]], pa.list_(pa.float32())))
    with pytest.raises(ValueError, match="row 1 in row group 0 has 3 values"):
        blocks_of(open_pool(PoolConfig(url=str(tmp_path), features="embedding")))
    assert set(taken) == {False}


def test_small_pages_are_decoded(tmp_path: Path, taken: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_scan, "SMALLEST_PAGE", 32 * 2**10)
    x = RNG.standard_normal((30_000, 8)).astype(np.float32)
    for bytes_, sliced in ((2000, False), (2**20, True)):
        config = write_pool(
            tmp_path / str(bytes_), np.arange(len(x)), x, layout="fixed_size_list", data_page_size=bytes_
        )
        assert_same(open_pool(config))
        assert set(taken) == {sliced}
        taken.clear()


def test_statistics_as_long_as_vectors_do_not_hide_the_header(tmp_path: Path, taken: list[bool]) -> None:
    x = RNG.standard_normal((20, 4000)).astype(np.float32)  # minimum and maximum of 16 kB each
    assert_same(open_pool(write_pool(tmp_path, np.arange(20), x)))
    assert set(taken) == {True}


def test_compressed_pages_that_hold_less_than_they_say_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = RNG.standard_normal((500, 4)).astype(np.float32)
    pool = open_pool(write_pool(tmp_path, np.arange(500), x, layout="fixed_size_list", compression="zstd"))
    monkeypatch.setattr(pages, "length_of_levels", lambda read, kinds: 1)
    with pytest.raises(PoolFileError, match=r"part-00000\.parquet: the page at byte \d+ is damaged"):
        blocks_of(pool)


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_header_or_none(data: bytes) -> None:
    try:
        header = page_header.parse(memoryview(data))
    except page_header.NotAHeader:
        return
    assert min(header.sizes.header, header.sizes.stored, header.values) >= 0
    assert header.sizes.header <= len(data)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_an_error_or_read_as_pyarrow_reads_it(damaged: Damaged, data: st.DataObject) -> None:
    """Headers with wrong bytes never make up other rows than pyarrow would."""
    at = data.draw(st.sampled_from(damaged.header_bytes))
    pool = damaged.with_byte(at, data.draw(st.integers(0, 255)))
    try:
        wanted, got = decoded(pool), features_of(blocks_of(pool))
    except PoolFileError as error:
        assert "part-00000.parquet" in str(error)  # noqa: PT017 - either outcome is right
        return
    np.testing.assert_array_equal(got, wanted)


class Damaged:
    """A small pool of which single bytes can be changed."""

    def __init__(self, folder: Path) -> None:
        x = RNG.standard_normal((60, 3)).astype(np.float32)
        self.config = write_pool(folder, np.arange(60), x, layout="fixed_size_list", data_page_size=200,
                                 write_batch_size=10)  # fmt: skip
        self.path = folder / "part-00000.parquet"
        self.whole = self.path.read_bytes()
        pool = open_pool(self.config)
        with open_file(pool.storage, self.config, pool.manifest.files[0]) as file:
            column = page_scan.column_of(file.metadata, pool.manifest, 0)
            assert column is not None
            found = [(body - h.sizes.header, body) for h, body in page_scan._headers(file.source, column)]
        # The first four kilobytes are in the digest that tells whether a file changed.
        self.header_bytes = [at for start, stop in found[-2:] for at in range(start, stop)]

    def with_byte(self, at: int, value: int) -> Pool:
        data = bytearray(self.whole)
        data[at] = value
        self.path.write_bytes(data)
        return open_pool(self.config)


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    return Damaged(tmp_path)


def _write(folder: Path, column: Any, **options: Any) -> None:
    write_files(folder, [pa.table({"id": range(len(column)), "embedding": column})], **options)
    assert pq.ParquetFile(folder / "part-00000.parquet").metadata.num_rows == len(column)


def test_memory_is_reused_only_where_it_is_asked_for(tmp_path: Path, taken: list[bool]) -> None:
    x = RNG.normal(size=(3000, 2000)).astype(np.float32)
    pool = Pool(config := write_pool(tmp_path, np.arange(len(x)), x), take_manifest(config))
    shard = pool.shards()[0]
    for reuse in (False, True):
        blocks = [block.features for block in pool.read(shard, reuse=reuse)]
        assert len(blocks) > 3
        shared = [np.shares_memory(a, b) for a, b in pairwise(blocks) if a is not None and b is not None]
        assert all(shared) if reuse else not any(shared)
    assert all(taken)
