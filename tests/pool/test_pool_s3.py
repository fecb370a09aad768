from __future__ import annotations

import threading
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from lamplighter.errors import EmptyPool, PoolChanged, PoolFileError
from lamplighter.pool import (
    Pool,
    compact,
    fetch_display,
    fetch_features,
    find_duplicates,
    find_ids,
    page_scan,
    source,
    storage,
    take_manifest,
)
from lamplighter.testing.pools import LAYOUTS, LayoutName, write_pool
from tests.pool.plain import blocks_of, features_of, ids_of, open_pool
from tests.servers.seaweed import BUCKET, Seaweed

N = 3000
X = np.random.default_rng(0).standard_normal((N, 16)).astype(np.float32)
TEXT = [f"text {i}" for i in range(N)]


@pytest.mark.parametrize(("prefetch", "request_bytes"), [(2**30, 2**23), (2**30, 1000), (0, 2**23)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pool_on_s3_is_the_same_as_here(
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    layout: LayoutName,
    prefetch: int,
    request_bytes: int,
) -> None:
    monkeypatch.setattr(source, "PREFETCH_BYTES", prefetch)
    monkeypatch.setattr(storage, "REQUEST_BYTES", request_bytes)
    monkeypatch.setattr(page_scan, "SMALLEST_PAGE", 0)
    near, far = (
        open_pool(
            write_pool(url, np.arange(N), X, layout=layout, files=2, row_group_rows=600, extra={"text": TEXT})
        )
        for url in (tmp_path, bucket)
    )
    assert far.manifest.fingerprint == near.manifest.fingerprint
    here, there = blocks_of(near, ("text",)), blocks_of(far, ("text",))
    assert [(b.file, b.row_group, b.first_row) for b in there] == [
        (b.file, b.row_group, b.first_row) for b in here
    ]
    np.testing.assert_array_equal(features_of(there), X)
    assert ids_of(there) == list(range(N))
    place = np.array([1, 0]), np.array([2, 1]), np.array([5, 6])
    np.testing.assert_array_equal(fetch_features(far, *place), X[[2705, 606]])
    assert fetch_display(far, *place).column("text").to_pylist() == ["text 2705", "text 606"]
    assert find_ids(far.shards()[1], far, pa.array([2999])).row.tolist() == [299]
    assert find_duplicates(far).count == 0


def test_only_the_columns_needed_are_fetched(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ballast = [np.random.default_rng(i).bytes(1000) for i in range(N)]
    config = write_pool(bucket, np.arange(N), X, row_group_rows=1000, extra={"ballast": ballast})
    pool = open_pool(config)
    asked: list[tuple[int, int]] = []
    real = type(pool.storage).read_ranges

    def spy(self: object, path: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        asked.extend(ranges)
        return real(self, path, ranges)  # type: ignore[arg-type]  # a method, called unbound

    monkeypatch.setattr(type(pool.storage), "read_ranges", spy)
    blocks_of(pool)
    assert len(asked) <= 2 + 3  # footer, and one range for each row group
    assert sum(b - a for a, b in asked) < 2 * (X.nbytes + 8 * N) < N * 1000


def test_compacting_to_s3_and_back(bucket: str, tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((120_000, 16)).astype(np.float32)  # some parts of 5 MB each
    near = write_pool(tmp_path, np.arange(len(x)), x, layout="fixed_size_list")
    manifest = compact(near, bucket, row_group_bytes=2**20, file_bytes=6 * 2**20)
    assert len(manifest.files) == 2
    far = near.model_copy(update={"url": bucket})
    np.testing.assert_array_equal(features_of(blocks_of(Pool(far, manifest))), x)


def test_what_fails_leaves_no_object(bucket: str, tmp_path: Path) -> None:
    x = X.copy()
    x[-1] = 1e9
    near = write_pool(tmp_path, np.arange(N), x, row_group_rows=500)
    with pytest.raises(ValueError, match="float16"):
        compact(near, bucket, float16=True)
    fs, root = fsspec.core.url_to_fs(bucket, skip_instance_cache=True)
    assert not fs.exists(root)


def test_objects_that_change_or_disappear_are_named(bucket: str) -> None:
    config = write_pool(bucket, np.arange(N), X, files=2)
    pool = open_pool(config)
    before = take_manifest(config)
    assert take_manifest(config, before) == before
    x = X.copy()
    x[0, 0] += 1
    write_pool(bucket, np.arange(N), x, files=2)  # as large as before
    with pytest.raises(PoolChanged, match=r"part-00000\.parquet changed since the round began"):
        list(pool.read(pool.shards()[0]))
    np.testing.assert_array_equal(features_of(list(pool.read(pool.shards()[1]))), X[N // 2 :])
    np.testing.assert_array_equal(np.concatenate(list(pool.vectors(pool.shards()[1]))), X[N // 2 :])
    with pytest.raises(PoolChanged, match=r"part-00000\.parquet changed since the last round"):
        take_manifest(config, before)
    pool.storage.fs.rm(pool.storage.name("part-00001.parquet"))
    with pytest.raises(PoolChanged, match=r"part-00001\.parquet disappeared"):
        list(pool.read(pool.shards()[1]))
    with pytest.raises(PoolChanged, match=r"part-00001\.parquet disappeared since"):
        take_manifest(config, before)


def test_a_server_that_is_away_for_some_seconds_is_waited_for(
    s3: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RETRIES", 14)  # a busy machine takes its time to start the server again
    with Seaweed() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        pool = open_pool(write_pool(f"s3://{BUCKET}/pool", np.arange(N), X, files=2))
        blocks = list(pool.read(pool.shards()[0]))
        server.stop()
        back = threading.Timer(3, server.start)
        back.start()
        try:
            blocks += list(pool.read(pool.shards()[1]))
        finally:
            back.join()
    np.testing.assert_array_equal(features_of(blocks), X)


def test_a_bucket_that_is_not_there_or_not_ours(
    bucket: str, s3: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_pool(bucket, np.arange(N), X)
    with pytest.raises(EmptyPool, match=r"s3://no-such-bucket/x; check pool\.url"):
        take_manifest(config.model_copy(update={"url": "s3://no-such-bucket/x"}))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-and-secret")
    with pytest.raises(PoolFileError, match="403 SignatureDoesNotMatch; check AWS_SECRET") as caught:
        take_manifest(config)
    assert "wrong-and-secret" not in str(caught.value)
