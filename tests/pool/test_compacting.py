from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import progress
from lamplighter.config import PoolConfig
from lamplighter.errors import ConfigError, PoolError, PoolFileError
from lamplighter.pool import Layout, Manifest, Pool, compact
from lamplighter.testing.pools import LAYOUTS, LayoutName, write_pool
from tests.pool.plain import blocks_of, features_of, ids_of

N, D = 1000, 6
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


def _write(folder: Path, layout: LayoutName, dtype: str = "float32") -> PoolConfig:
    rows = range(N)
    extra = {"text": [f"é{i}" for i in rows], "when": pa.array(rows, pa.timestamp("ms"))}
    return write_pool(
        folder,
        [f"r{i}" for i in rows],
        X.astype(dtype),
        layout=layout,
        files=3,
        row_group_rows=77,
        extra=extra,
    )


def _open(source: PoolConfig, url: Path, manifest: Manifest) -> Pool:
    features = manifest.features[0]
    return Pool(source.model_copy(update={"url": str(url), "features": features}), manifest)


@pytest.mark.parametrize(
    "sizes", [(100 * 24, 300 * 24), (10**6, 10**9), (24, 10**6), (77 * 24, 10 * 77 * 24)]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_new_pool_holds_the_same_rows(tmp_path: Path, layout: LayoutName, sizes: tuple[int, int]) -> None:
    source, target = _write(tmp_path / "a", layout), tmp_path / "b"
    told: list[progress.Progress] = []
    with progress.listening(told.append):
        manifest = compact(source, str(target), row_group_bytes=sizes[0], file_bytes=sizes[1])
    blocks = blocks_of(_open(source, target, manifest), ("text", "when"))
    assert ids_of(blocks) == [f"r{i}" for i in range(N)]
    np.testing.assert_array_equal(features_of(blocks), X)
    shown = pa.concat_tables([b.extra for b in blocks])
    assert shown.column("text").to_pylist() == [f"é{i}" for i in range(N)]
    assert shown.column("when").cast(pa.int64()).to_pylist() == list(range(N))
    assert told[-1].share == 1
    assert (told[-1].shards, told[-1].what) == (told[-1].total_shards, "compacting")


def test_row_groups_and_files_have_the_sizes_asked_for(tmp_path: Path) -> None:
    manifest = compact(
        _write(tmp_path / "a", "list"), str(tmp_path / "b"), row_group_bytes=150 * 24, file_bytes=300 * 24
    )
    assert [f.rows for f in manifest.files] == [(150, 150), (150, 150), (150, 150), (100,)]


def test_the_layout_is_the_fastest(tmp_path: Path) -> None:
    manifest = compact(_write(tmp_path / "a", "columns"), str(tmp_path / "b"))
    assert (manifest.layout, manifest.features, manifest.dtype) == (
        Layout.FIXED_BINARY,
        ("features",),
        "float32",
    )
    file = pq.ParquetFile(tmp_path / "b" / "part-00000.parquet")
    chunk = file.metadata.row_group(0).column(1)
    assert (chunk.compression, chunk.physical_type) == ("UNCOMPRESSED", "FIXED_LEN_BYTE_ARRAY")
    assert not chunk.has_dictionary_page
    assert not chunk.is_stats_set
    assert not file.schema_arrow.field("features").nullable
    assert not file.schema_arrow.field("id").nullable
    said = file.metadata.metadata
    assert (said[b"features.dtype"], said[b"features.dim"]) == (b"float32", b"6")
    assert said[b"features.columns"] == b'["x0", "x1", "x2", "x3", "x4", "x5"]'
    assert manifest.files[0].id_min[0] == "r0"


@pytest.mark.parametrize(
    ("dtype", "half"), [("float16", False), ("float16", True), ("float32", True), ("float64", True)]
)
def test_float16_halves_the_vectors(tmp_path: Path, dtype: str, half: bool) -> None:
    source = _write(tmp_path / "a", "fixed_size_list", dtype)
    manifest = compact(source, str(tmp_path / "b"), float16=half)
    assert manifest.dtype == "float16"
    got = features_of(blocks_of(_open(source, tmp_path / "b", manifest)))
    np.testing.assert_array_equal(
        got, X.astype(dtype).astype(np.float32).astype(np.float16).astype(np.float32)
    )


def test_what_float16_cannot_hold_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    x = X.copy()
    x[700, 2] = 1e5
    x[3, 0], x[4, 0] = np.inf, np.nan  # these it can
    source = write_pool(tmp_path / "a", np.arange(N), x, files=2, row_group_rows=100)
    with pytest.raises(
        PoolError, match=r"part-00001.parquet: row 0 of row group 2 holds 100000; float16 reaches"
    ):
        compact(source, str(tmp_path / "b"), float16=True)
    assert list(tmp_path.glob("b/**/*")) == []


def test_nulls_become_nan(tmp_path: Path) -> None:
    source = write_pool(tmp_path / "a", [0], np.ones((1, 2)), layout="list")
    pq.write_table(pa.table({"id": [1, 2], "embedding": [[1.0, None], None]}), tmp_path / "a" / "z.parquet")
    manifest = compact(source, str(tmp_path / "b"))
    got = features_of(blocks_of(_open(source, tmp_path / "b", manifest)))
    np.testing.assert_array_equal(got, [[1, 1], [1, np.nan], [np.nan, np.nan]])


def test_a_place_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    source = _write(tmp_path / "a", "list")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / ".part-00000.parquet.tmp").touch()
    with pytest.raises(ConfigError, match="b is not empty: it holds 1 file"):
        compact(source, str(tmp_path / "b"))
    with pytest.raises(ConfigError, match="lies inside the pool"):
        compact(source, str(tmp_path / "a" / "b"))


def test_a_file_that_fails_leaves_only_whole_ones(tmp_path: Path) -> None:
    source = _write(tmp_path / "a", "list")
    path = tmp_path / "a" / "part-00002.parquet"
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    data[start : start + 12] = b"\xff" * 12
    path.write_bytes(data)
    with pytest.raises(PoolFileError, match=r"part-00002\.parquet"):
        compact(source, str(tmp_path / "b"), row_group_bytes=100 * 24, file_bytes=200 * 24)
    written = sorted(p.name for p in (tmp_path / "b").iterdir())
    assert written == [f"part-0000{i}.parquet" for i in range(3)]
    assert all(pq.ParquetFile(tmp_path / "b" / name).metadata.num_rows == 200 for name in written)


def test_memory_is_a_row_group(tmp_path: Path) -> None:
    x = np.zeros((400_000, 32), np.float32)
    source = write_pool(tmp_path / "a", np.arange(len(x)), x, layout="list", row_group_rows=len(x))
    gc.collect()  # what earlier tests left must not go meanwhile
    before, peak = pa.total_allocated_bytes(), 0

    def watch(_: progress.Progress) -> None:
        nonlocal peak
        peak = max(peak, pa.total_allocated_bytes() - before)

    with progress.listening(watch):
        compact(source, str(tmp_path / "b"), row_group_bytes=4 * 2**20, file_bytes=16 * 2**20)
    assert 0 < peak < 24 * 2**20 < x.nbytes
