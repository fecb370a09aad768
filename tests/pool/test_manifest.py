from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter.config import PoolConfig
from lamplighter.errors import EmptyPool, PoolChanged, PoolError, PoolFileError, PoolSchemaError
from lamplighter.pool import Layout, Manifest, footer, take_manifest
from lamplighter.testing.pools import write_files, write_pool

X = np.arange(40, dtype=np.float32).reshape(20, 2)


@pytest.fixture
def config(tmp_path: Path) -> PoolConfig:
    return write_pool(tmp_path, np.arange(20), X, files=2, row_group_rows=4, extra={"text": ["a"] * 20})


def test_the_manifest_says_what_the_pool_holds(config: PoolConfig) -> None:
    manifest = take_manifest(config)
    assert [f.path for f in manifest.files] == ["part-00000.parquet", "part-00001.parquet"]
    assert [f.rows for f in manifest.files] == [(4, 4, 2), (4, 4, 2)]
    assert (manifest.rows, manifest.dim, manifest.dtype) == (20, 2, "float32")
    assert (manifest.layout, manifest.id_kind) == (Layout.FIXED_BINARY, "int64")
    assert (manifest.files[1].id_min, manifest.files[1].id_max) == ((10, 14, 18), (13, 17, 19))
    assert all(f.size == (Path(config.url) / f.path).stat().st_size for f in manifest.files)
    assert X.nbytes <= manifest.stored_bytes < sum(f.size for f in manifest.files)


@pytest.mark.parametrize("ids", [range(20), [f"é{i}" for i in range(20)]])
def test_it_survives_as_bytes(tmp_path: Path, ids: Any) -> None:
    manifest = take_manifest(write_pool(tmp_path, ids, X))
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again == manifest
    assert again.fingerprint == manifest.fingerprint
    assert again.to_bytes() == manifest.to_bytes()


@pytest.mark.parametrize("data", [b"", b"{}", b'{"format": 2}', b"\xff"])
def test_other_bytes_are_no_manifest(data: bytes) -> None:
    with pytest.raises(PoolError, match="no manifest of format 1"):
        Manifest.from_bytes(data)


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    one, two = (take_manifest(write_pool(tmp_path / n, range(20), X)) for n in ("a", "b"))
    other = take_manifest(write_pool(tmp_path / "c", range(20), X + 1))
    assert one.fingerprint == two.fingerprint != other.fingerprint


def test_only_new_files_are_read_again(config: PoolConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    before = take_manifest(config)
    write_files(Path(config.url) / "later", [pq.read_table(Path(config.url) / "part-00000.parquet")])
    read: list[str] = []
    real = footer.read_footer

    def spy(storage: Any, file: Any) -> Any:
        read.append(file.path)
        return real(storage, file)

    monkeypatch.setattr("lamplighter.pool.taking.read_footer", spy)
    after = take_manifest(config, before)
    assert read == ["later/part-00000.parquet"]
    assert [f.path for f in after.files] == ["later/part-00000.parquet", *(f.path for f in before.files)]
    assert after.rows == 30
    assert after == take_manifest(config)


def test_a_file_that_was_only_touched_is_the_same(config: PoolConfig) -> None:
    before = take_manifest(config)
    os.utime(Path(config.url) / "part-00000.parquet", (1, 1))
    after = take_manifest(config, before)
    assert after.fingerprint == before.fingerprint
    assert after.files[0].validator == str(10**9)


def test_other_display_columns_do_not_make_another_pool(config: PoolConfig) -> None:
    before = take_manifest(config)
    after = take_manifest(config.model_copy(update={"display": ()}), before)
    assert after.fingerprint == before.fingerprint


def _remove(path: Path) -> None:
    path.unlink()


def _grow(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)


def _revalue(path: Path) -> None:
    """Other numbers, and nothing else: same size, same footer."""
    data = bytearray(path.read_bytes())
    at = data.index(np.float32(X[10:12]).tobytes())
    data[at : at + 4] = np.float32(99).tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "said"), [(_remove, "disappeared"), (_grow, "bytes"), (_revalue, "same size")]
)
def test_a_file_that_changed_between_rounds_is_named(
    config: PoolConfig, change: Callable[[Path], None], said: str
) -> None:
    before = take_manifest(config)
    path = Path(config.url) / "part-00001.parquet"
    change(path)
    if path.exists():
        os.utime(path, (5, 5))
    with pytest.raises(PoolChanged, match=rf"part-00001\.parquet .*{said}"):
        take_manifest(config, before)


def test_the_glob_chooses_and_leftovers_of_writers_are_no_rows(config: PoolConfig) -> None:
    folder = Path(config.url)
    for name in ("_delta_log/x.parquet", ".part.parquet", "a/_tmp/x.parquet", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"rubbish")
    assert len(take_manifest(config).files) == 2
    only = take_manifest(config.model_copy(update={"glob": "*1.parquet"}))
    assert [f.path for f in only.files] == ["part-00001.parquet"]


def test_one_file_is_a_pool_too(config: PoolConfig) -> None:
    url = f"{config.url}/part-00001.parquet"
    manifest = take_manifest(config.model_copy(update={"url": url}))
    assert (manifest.rows, manifest.files[0].path) == (10, "")


def test_a_relative_path_and_odd_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pool(tmp_path / "a [b] *", range(20), X)
    monkeypatch.chdir(tmp_path)
    assert take_manifest(PoolConfig(url="a [b] *", features="embedding")).rows == 20


@pytest.mark.parametrize("glob", ["*.csv", "x/**"])
def test_no_files_are_an_empty_pool(config: PoolConfig, glob: str) -> None:
    with pytest.raises(EmptyPool, match="no file matches"):
        take_manifest(config.model_copy(update={"glob": glob}))
    with pytest.raises(EmptyPool, match=r"check pool\.url"):
        take_manifest(config.model_copy(update={"url": config.url + "/nowhere"}))


def test_files_without_rows_are_an_empty_pool(tmp_path: Path) -> None:
    config = write_pool(tmp_path, pa.array([], pa.int64()), X[:0], files=2)
    with pytest.raises(EmptyPool, match=r"2 files .* hold no rows"):
        take_manifest(config)


def test_a_file_without_rows_does_no_harm(tmp_path: Path) -> None:
    config = write_pool(tmp_path, range(20), X)
    write_files(tmp_path / "a", [pq.read_table(tmp_path / "part-00000.parquet").slice(0, 0)])
    assert take_manifest(config).rows == 20


@pytest.mark.parametrize("kept", [0, 3, 11, 100, -1, -9])
def test_a_truncated_file_is_named(config: PoolConfig, kept: int) -> None:
    path = Path(config.url) / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(PoolFileError, match=r"part-00001\.parquet: .*(no Parquet|truncated|not Parquet)"):
        take_manifest(config)


def test_a_file_that_lost_its_middle_is_named(config: PoolConfig) -> None:
    path = Path(config.url) / "part-00001.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:4] + data[300:])
    with pytest.raises(PoolFileError, match=r"part-00001\.parquet: it is truncated: row group"):
        take_manifest(config)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"id,embedding\n1,2\n" * 9, "not Parquet"),
        (b"PAR1" + b"\0" * 50 + b"\x10\0\0\0PAR1", "footer cannot be read"),
        (b"PAR1" + b"\0" * 50 + b"\xff\xff\0\0PAR1", "truncated"),
        (b"PARE" + b"\0" * 50 + b"\x10\0\0\0PARE", "encrypted"),
    ],
)
def test_a_file_of_another_kind_is_named(config: PoolConfig, data: bytes, said: str) -> None:
    (Path(config.url) / "bad.parquet").write_bytes(data)
    with pytest.raises(PoolFileError, match=rf"bad\.parquet: .*{said}"):
        take_manifest(config)


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
