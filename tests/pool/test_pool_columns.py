from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lamplighter.config import PoolConfig
from lamplighter.errors import PoolSchemaError
from lamplighter.pool import take_manifest
from lamplighter.testing.pools import write_files, write_pool

X = np.arange(40, dtype=np.float32).reshape(20, 2)


@pytest.fixture
def config(tmp_path: Path) -> PoolConfig:
    return write_pool(tmp_path, np.arange(20), X, files=2, row_group_rows=4, extra={"text": ["a"] * 20})


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"id": "idd"}, "unknown column 'idd'; did you mean 'id'"),
        ({"features": "embeding"}, "did you mean 'embedding'"),
        ({"features": ("embedding", "id")}, "'embedding' is fixed_size_binary.*among several"),
        ({"display": ("texts",)}, "did you mean 'text'"),
        ({"id": "embedding"}, "id column 'embedding' is fixed_size_binary.*allowed are integers and strings"),
        ({"features": "text"}, "feature column 'text' is string; allowed are"),
    ],
)
def test_a_wrong_column_is_named(config: PoolConfig, update: dict[str, Any], said: str) -> None:
    with pytest.raises(PoolSchemaError, match=said):
        take_manifest(config.model_copy(update=update))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[1, 2]], pa.list_(pa.int32(), 2)), "allowed are lists of float16"),
        (pa.array([["a"]]), "allowed are lists of float16"),
        (pa.array([b"12345678"], pa.binary(8)), "dtype missing and dim missing; write dtype"),
        (pa.array([[]], pa.list_(pa.float32())), "holds no vector at all"),
        (pa.array([None], pa.list_(pa.float32())), "holds no vector at all"),
    ],
)
def test_features_of_a_wrong_type_are_refused(tmp_path: Path, column: Any, said: str) -> None:
    write_files(tmp_path, [pa.table({"id": [1], "embedding": column})])
    with pytest.raises(PoolSchemaError, match=said):
        take_manifest(PoolConfig(url=str(tmp_path), features="embedding"))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"dtype": "float32", "dim": "3"}, "has 8 bytes a row, but 3 numbers of float32 take 12"),
        ({"dtype": "int8", "dim": "8"}, "with dtype int8"),
        ({"dtype": "rubbish", "dim": "2"}, "with dtype rubbish"),
        ({"dtype": "float32", "dim": "-2"}, "dim -2"),
    ],
)
def test_a_wrong_declaration_of_binary_vectors_is_refused(
    tmp_path: Path, said: dict[str, str], error: str
) -> None:
    _binary(tmp_path, said, None)
    with pytest.raises(PoolSchemaError, match=error):
        take_manifest(PoolConfig(url=str(tmp_path), features="embedding"))


@pytest.mark.parametrize(
    ("field", "file"),
    [
        ({"dtype": "float32", "dim": "2"}, None),
        ({"dtype": "<f4", "dim": "2"}, {"dtype": "float64", "dim": "1"}),
        (None, {"dtype": "float32", "dim": "2"}),
        (None, {"embedding.dtype": "float32", "embedding.dim": "2", "dim": "7"}),
    ],
)
def test_binary_vectors_may_be_declared_by_field_or_file(
    tmp_path: Path, field: dict[str, str] | None, file: dict[str, str] | None
) -> None:
    _binary(tmp_path, field, file)
    manifest = take_manifest(PoolConfig(url=str(tmp_path), features="embedding"))
    assert (manifest.dtype, manifest.dim) == ("float32", 2)


def _binary(folder: Path, field: dict[str, str] | None, file: dict[str, str] | None) -> None:
    fields = [pa.field("id", pa.int64()), pa.field("embedding", pa.binary(8), metadata=field)]
    values = [pa.array([1]), pa.array([b"12345678"], pa.binary(8))]
    write_files(folder, [pa.table(values, schema=pa.schema(fields, metadata=file))])


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint32(), pa.uint64(), pa.int64()])
def test_ids_of_all_integer_types_are_taken(tmp_path: Path, kind: Any) -> None:
    manifest = take_manifest(write_pool(tmp_path, pa.array(range(20), kind), X))
    assert manifest.id_kind == "int64"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_ids_of_all_string_types_are_one_pool(tmp_path: Path, kind: Any) -> None:
    write_pool(tmp_path, [f"r{i}" for i in range(20)], X)
    config = write_pool(tmp_path / "b", pa.array([f"s{i}" for i in range(20)]).cast(kind), X)
    manifest = take_manifest(config.model_copy(update={"url": str(tmp_path)}))
    assert (manifest.id_kind, manifest.rows) == ("string", 40)


def test_files_with_other_columns_are_named_with_both_schemas(tmp_path: Path) -> None:
    config = write_pool(tmp_path, range(20), X)
    write_pool(tmp_path / "z", range(20, 40), X.astype(np.float64))
    with pytest.raises(
        PoolSchemaError, match=r"z/part-00000.parquet: .*<float64>.*those of the pool .*<float32>"
    ):
        take_manifest(config)


def test_lists_of_another_length_in_a_new_file_are_named(tmp_path: Path) -> None:
    config = write_pool(tmp_path, range(20), X, layout="list")
    before = take_manifest(config)
    assert before.dim == 2
    write_pool(tmp_path / "z", range(20), np.ones((20, 3), np.float32), layout="list")
    for previous in (before, None):
        with pytest.raises(PoolSchemaError, match=r"z/part-00000.parquet: its vectors have 3 values, .* 2;"):
            take_manifest(config, previous)


def test_a_schema_that_changed_between_rounds_is_named_with_both(tmp_path: Path) -> None:
    before = take_manifest(write_pool(tmp_path / "a", range(20), X))
    config = write_pool(tmp_path / "a" / "new", range(20, 40), np.ones((20, 3), np.float32))
    with pytest.raises(PoolSchemaError, match=r"new/part-00000.parquet: .*\[3\], those of the pool .*\[2\]"):
        take_manifest(config.model_copy(update={"url": str(tmp_path / "a")}), before)
    renamed = PoolConfig(url=str(tmp_path / "a"), glob="*.parquet", features=("id",))
    with pytest.raises(
        PoolSchemaError, match=r"part-00000.parquet: its columns are id: int64, id.*last round"
    ):
        take_manifest(renamed, before)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([[1.0]])], ["id", "id", "e"])
    write_files(tmp_path, [table])
    with pytest.raises(PoolSchemaError, match="2 columns are called 'id'"):
        take_manifest(PoolConfig(url=str(tmp_path), features="e"))
