from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import PoolSchemaError
from lamplighter.pool import Layout
from lamplighter.pool.layout import RaggedVectors, rows_of
from lamplighter.testing.pools import LAYOUTS, LayoutName, feature_columns, write_files, write_pool
from tests.pool.plain import blocks_of, features_of, ids_of, open_pool, slow_features

N, D = 700, 7
WRITERS: list[dict[str, Any]] = [
    {},
    {"compression": "snappy", "dictionary": True},
    {"compression": "zstd", "data_page_version": "2.0"},
    {"compression": "none", "data_page_version": "2.0", "data_page_size": 500},
    {"compression": "gzip", "data_page_size": 500, "dictionary": True, "write_page_checksum": True},
]


def vectors(dtype: str = "float32", n: int = N, dim: int = D) -> npt.NDArray[Any]:
    x = np.random.default_rng(3).standard_normal((n, dim))
    x[5, 1], x[6, 2], x[7, 3] = np.nan, np.inf, -np.inf
    return x.astype(dtype)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_rows_that_were_written(
    tmp_path: Path, layout: LayoutName, dtype: str, writer: dict[str, Any]
) -> None:
    if dtype == "float16" and layout == "columns" and writer.get("dictionary"):
        writer = {**writer, "dictionary": False}
    x = vectors(dtype)
    config = write_pool(tmp_path, np.arange(N), x, layout=layout, files=3, row_group_rows=100, **writer)
    blocks = blocks_of(open_pool(config))
    got = features_of(blocks)
    assert ids_of(blocks) == list(range(N))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, x.astype(np.float32))
    np.testing.assert_array_equal(got, slow_features(config))
    assert all(b.features is not None and b.features.flags.c_contiguous for b in blocks)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_row_groups_larger_than_a_block_are_cut_without_loss(tmp_path: Path, layout: LayoutName) -> None:
    x = vectors(n=80_000, dim=33)
    config = write_pool(tmp_path, np.arange(len(x)), x, layout=layout, row_group_rows=50_000)
    blocks = blocks_of(open_pool(config))
    assert len(blocks) > 3
    np.testing.assert_array_equal(features_of(blocks), x)
    for block in blocks:
        assert block.ids[0].as_py() == block.first_row + 50_000 * block.row_group


@pytest.mark.parametrize(
    "kind",
    ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool"],
)
def test_plain_columns_of_every_numeric_type(tmp_path: Path, kind: str) -> None:
    x = np.random.default_rng(0).integers(0, 2 if kind == "bool" else 120, (50, 3)).astype(kind)
    config = write_pool(tmp_path, np.arange(50), x, layout="columns", row_group_rows=20)
    np.testing.assert_array_equal(features_of(blocks_of(open_pool(config))), x.astype(np.float32))


def test_plain_columns_may_be_of_different_types(tmp_path: Path) -> None:
    table = pa.table(
        {"id": [1, 2], "a": [1, None], "b": [True, None], "c": pa.array([0.5, None], pa.float16())}
    )
    write_files(tmp_path, [table])
    config = write_pool(tmp_path / "other", [1], np.ones((1, 1)), layout="columns").model_copy(
        update={"url": str(tmp_path), "features": ("c", "a", "b"), "glob": "*.parquet"}
    )
    np.testing.assert_array_equal(
        features_of(blocks_of(open_pool(config))), [[0.5, 1, 1], [np.nan, np.nan, np.nan]]
    )


def test_a_large_integer_rounds_the_same_beside_a_null() -> None:
    big = 2**60 + 2**36 + 1  # over float64 it would round down
    alone, beside = (rows_of(Layout.COLUMNS, [pa.array(v)], "mixed", 1) for v in ([big], [big, None]))
    assert alone[0, 0] == beside[0, 0] == np.array(big).astype(np.float32)


def test_one_numeric_column_is_a_pool_of_one_dimension(tmp_path: Path) -> None:
    config = write_pool(tmp_path, [1, 2], np.array([[3.0], [4.0]]), layout="columns")
    pool = open_pool(config.model_copy(update={"features": "x0"}))
    assert pool.manifest.dim == 1
    np.testing.assert_array_equal(features_of(blocks_of(pool)), [[3], [4]])


@pytest.mark.parametrize("layout", ["fixed_binary", "fixed_size_list", "list", "large_list"])
def test_float32_vectors_are_not_copied(layout: LayoutName) -> None:
    x = vectors()
    array = feature_columns(x, layout)["embedding"].slice(11, 300)
    rows = rows_of(_kind(layout), [array], "float32", D)
    assert np.shares_memory(rows, x)
    assert rows.ctypes.data == x[11:].ctypes.data
    np.testing.assert_array_equal(rows, x[11:311])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_slices_of_other_types_start_where_they_should(layout: LayoutName, dtype: str) -> None:
    x = vectors(dtype)
    columns = [column.slice(11, 300) for column in feature_columns(x, layout).values()]
    np.testing.assert_array_equal(rows_of(_kind(layout), columns, dtype, D), x[11:311].astype(np.float32))


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32(), 2),
        pa.list_(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.float64(), 2),
    ],
)
def test_null_rows_and_null_values_become_nan(tmp_path: Path, kind: Any) -> None:
    rows = [[1.0, 2.0], None, [3.0, None], [5.0, 6.0], None]
    config = write_pool(tmp_path, [0], np.ones((1, 2))).model_copy(update={"glob": "part*"})
    write_files(tmp_path, [pa.table({"id": range(5), "embedding": pa.array(rows, kind)})])
    nan = np.nan
    np.testing.assert_array_equal(
        features_of(blocks_of(open_pool(config))), [[1, 2], [nan, nan], [3, nan], [5, 6], [nan, nan]]
    )


def test_null_binary_rows_become_nan(tmp_path: Path) -> None:
    value = np.array([1, 2], np.float32).tobytes()
    field = pa.field("embedding", pa.binary(8), metadata={"dtype": "float32", "dim": "2"})
    config = write_pool(tmp_path, [0], np.ones((1, 2)))
    table = pa.table([pa.array([0, 1, 2]), pa.array([value, None, value], pa.binary(8))],
                     schema=pa.schema([("id", pa.int64()), field]))  # fmt: skip
    write_files(tmp_path, [table])
    np.testing.assert_array_equal(features_of(blocks_of(open_pool(config))), [[1, 2], [np.nan] * 2, [1, 2]])


def test_numbers_beyond_float32_are_infinite(tmp_path: Path) -> None:
    for layout in ("fixed_binary", "columns"):
        config = write_pool(tmp_path / layout, [1], np.array([[1e300, -1e300]]), layout=layout)
        np.testing.assert_array_equal(features_of(blocks_of(open_pool(config))), [[np.inf, -np.inf]])


@pytest.mark.parametrize(
    "rows", [[[1.0, 2.0]] * 3 + [[1.0]] + [[1.0, 2.0, 3.0]], [[1.0, 2.0], [], [1.0, 2.0]]]
)
def test_a_vector_of_another_length_is_named(tmp_path: Path, rows: list[list[float]]) -> None:
    config = write_pool(tmp_path, [0], np.ones((1, 2)))
    write_files(tmp_path, [pa.table({"id": range(len(rows)), "embedding": rows})])
    row = next(i for i, r in enumerate(rows) if len(r) != 2)
    with pytest.raises(
        PoolSchemaError, match=f"part-00000.parquet: the vector of row {row} in row group 0 has"
    ):
        blocks_of(open_pool(config))


def test_a_ragged_slice_names_its_own_row() -> None:
    array = pa.array([[1.0], [1.0, 2.0], None, [3.0]]).slice(1)
    with pytest.raises(RaggedVectors) as caught:
        rows_of(Layout.LIST, [array], "float64", 2)
    assert (caught.value.row, caught.value.length) == (2, 1)


@given(data=st.data())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    n, dim = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 9))
    dtype = data.draw(st.sampled_from(["float16", "float32", "float64"]))
    numbers = np.random.default_rng(data.draw(st.integers(0, 2**32))).standard_normal((n, dim)).astype(dtype)
    ids = data.draw(
        st.one_of(
            st.lists(st.integers(-(2**63), 2**63 - 1), min_size=n, max_size=n),
            st.lists(st.text(st.characters(codec="utf-8"), max_size=5), min_size=n, max_size=n),
        )
    )
    config = write_pool(
        tmp_path_factory.mktemp("pool"),
        ids,
        numbers,
        layout=data.draw(st.sampled_from(LAYOUTS)),
        files=data.draw(st.integers(1, 3)),
        row_group_rows=data.draw(st.integers(1, 20)),
        compression=data.draw(st.sampled_from(["none", "snappy"])),
    )
    pool = open_pool(config)
    blocks = blocks_of(pool)
    assert ids_of(blocks) == ids
    np.testing.assert_array_equal(features_of(blocks), numbers.astype(np.float32))
    alone = [block.copy() for shard in pool.shards() for block in pool.vectors(shard, reuse=True)]
    np.testing.assert_array_equal(np.concatenate(alone), numbers.astype(np.float32))


def _kind(layout: LayoutName) -> Layout:
    return Layout.LIST if layout == "large_list" else Layout(layout)
