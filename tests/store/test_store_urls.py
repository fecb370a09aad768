"""Opening stores, and what they say when something is wrong with them."""

from __future__ import annotations

import os
import pickle
import stat
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError, KeyMissing, StoreError
from lamplighter.store import LocalStore, ObjectStore, S3Store, honours_create, open_store
from lamplighter.store import s3 as s3_module
from lamplighter.store.keys import is_key
from lamplighter.testing.faults import Wrapped
from tests.servers.seaweed import Seaweed


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("/data/x", LocalStore("/data/x")),
        ("/data/x/", LocalStore("/data/x")),
        ("file:///data/a%20b", LocalStore("/data/a b")),
        ("file://localhost/data", LocalStore("/data")),
        ("s3://my-bucket", S3Store("s3://my-bucket")),
        ("s3://my-bucket/", S3Store("s3://my-bucket")),
        ("s3://my-bucket/a/b/", S3Store("s3://my-bucket/a/b")),
    ],
)
def test_open_store(url: str, opened: ObjectStore) -> None:
    store = open_store(url)
    assert store == opened
    assert open_store(store.url) == store
    assert pickle.loads(pickle.dumps(store)) == store  # noqa: S301  (our own bytes)


def test_relative_and_home_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert open_store("campaign").url == str(tmp_path / "campaign")
    assert open_store("~/campaign").url == "/home/somebody/campaign"
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("s3a://bucket/x", "did you mean 's3'"),
        ("gs://bucket/x", "known: file, s3"),
        ("https://host/bucket", "known: file, s3"),
        ("s3:/bucket/x", "s3://bucket/prefix"),
        ("s3://", "s3://bucket/prefix"),
        ("s3://b/x", "s3://bucket/prefix"),
        ("s3://bucket:9000/x", "s3://bucket/prefix"),
        ("s3://bucket/../x", "no key"),
        ("s3://bucket//x", "no key"),
        ("file://host/x", "file:///directory"),
        ("file:///x?y", "file:///directory"),
    ],
)
def test_wrong_urls(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        open_store(url)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY") as raised:
        open_store("s3://AKIA:hush-hush@bucket/x")
    assert "hush" not in str(raised.value)


@given(st.text())
def test_keys_stay_below_the_store(key: str) -> None:
    if is_key(key):
        path = os.path.normpath(os.path.join("/store", key))
        assert path == f"/store/{key}"
        assert not any(part.startswith(".") for part in key.split("/"))


class Overwriting(Wrapped):
    """A server that ignores the condition of a conditional put."""

    def create(self, key: str, data: bytes) -> None:
        self.store.put(key, data)


def test_honours_create_sees_servers_that_overwrite(tmp_path: Path) -> None:
    assert not honours_create(Overwriting(LocalStore(str(tmp_path))))


def test_local_objects_can_be_read_by_others(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        LocalStore(str(tmp_path)).create("a/b", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o640


def test_local_store_explains_what_is_in_the_way(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    store.put("file", b"")
    store.put("directory/file", b"")
    for write in (store.put, store.create):
        with pytest.raises(StoreError, match=r"'file/x'.*a file lies where"):
            write("file/x", b"")
        with pytest.raises(StoreError, match=r"'directory'.*a directory lies where"):
            write("directory", b"")
    assert list(store.list()) == ["directory/file", "file"]
    assert not list(tmp_path.rglob(".*"))


def test_local_store_explains_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match=r"'k'.*No space left on device; free some space"):
        LocalStore(str(tmp_path)).put("k", b"data")
    assert not any(tmp_path.iterdir())


def test_s3_list_goes_over_all_pages(bucket: str) -> None:
    asked: list[str] = []

    class SmallPages(S3Store):
        def _request(self, method: str, **arguments: object) -> object:
            asked.append(method)
            return super()._request(method, **arguments, MaxKeys=3)  # else a thousand

    keys = [f"k/{i}" for i in range(16)]
    whole, store = S3Store(bucket), SmallPages(bucket)
    for key in keys:
        whole.put(key, b"")
    assert list(store.list()) == sorted(keys)
    assert len(asked) == 6
    assert len(store.list("k/1")) == 7


def test_s3_deleted_keys_leave_no_ghost(s3: Seaweed, bucket: str) -> None:
    store = S3Store(bucket)
    store.put("q/x", b"")
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    s3.client().delete_object(Bucket=name, Key=f"{prefix}/q/x")
    assert list(store.list()) == []
    with pytest.raises(KeyMissing):
        store.get("q")


def test_s3_refuses_what_no_single_put_takes(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_module, "LARGEST", 10)
    S3Store(bucket).put("k", b"x" * 10)
    with pytest.raises(StoreError, match=r"'k2'.*11 bytes.*10"):
        S3Store(bucket).create("k2", b"x" * 11)


def refusals(store: ObjectStore) -> Sequence[str]:
    """Give what the store says to a get, a put, a create and a list that it refuses."""
    said = []
    for call in (
        lambda: store.get("k"),
        lambda: store.put("k", b"1"),
        lambda: store.create("k", b"1"),
        store.list,
    ):
        with pytest.raises(StoreError) as raised:
            call()
        assert type(raised.value) is StoreError  # not KeyMissing, not StoreUnavailable
        assert store.url in str(raised.value)
        said.append("".join(traceback.format_exception(raised.value)))
    return said


def test_s3_wrong_secret(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    for said in refusals(S3Store(bucket)):
        assert "check AWS_SECRET_ACCESS_KEY" in said
        assert "hush" not in said


def test_s3_unknown_identity(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    assert all("check AWS_ACCESS_KEY_ID" in said for said in refusals(S3Store(bucket)))


def test_s3_missing_bucket(bucket: str) -> None:
    assert all("create the bucket" in said for said in refusals(S3Store("s3://no-such-bucket/x")))


def test_s3_without_credentials(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert all("set AWS_ACCESS_KEY_ID and" in said for said in refusals(S3Store(bucket)))


def test_s3_reader_may_read_only(s3: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    S3Store(bucket).put("k", b"data")
    for name, value in s3.reader_env.items():
        monkeypatch.setenv(name, value)
    reader = S3Store(bucket)
    assert reader.get("k") == b"data"
    assert list(reader.list()) == ["k"]
    for write in (reader.put, reader.create):
        with pytest.raises(StoreError, match="allow this identity") as raised:
            write("k", b"changed")
        assert "ro-secret" not in str(raised.value)
    assert reader.get("k") == b"data"
