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
from lamplighter.errors import EmptyPool, PoolChanged, PoolError, PoolFileError
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
