"""Killed writers, lost answers, servers that go away: what a store promises then."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lamplighter.errors import KeyExists, KeyMissing, StoreUnavailable
from lamplighter.store import S3Store
from tests.servers.proxy import Proxy
from tests.servers.seaweed import Seaweed

WRITE = """
import sys
from lamplighter.store import S3Store
getattr(S3Store(sys.argv[1]), sys.argv[2])("k", b"n" * 8_000_000)
"""
FORK = """
import os, sys
from lamplighter.store import open_store
store = open_store(sys.argv[1])
store.put("k", b"from the parent")
if os.fork() == 0:
    store.put("k", b"from the child")
    os._exit(0)
assert os.wait()[1] == 0
print(store.get("k").decode(), end="")
"""
BIG = b"n" * 8_000_000


def program(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def proxy(s3: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the server, in the environment of all clients made from now on."""
    with Proxy(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture
def beside(s3: Seaweed, bucket: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """The same store, not through the proxy."""
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
        store = S3Store(bucket)
        store.list()
    return store


@pytest.mark.fault
def test_local_writes_survive_death_at_every_moment() -> None:
    assert len(program("-m", "tests.store.deaths").splitlines()) == 3


@pytest.mark.fault
def test_one_local_process_wins(tmp_path: os.PathLike[str]) -> None:
    assert program("-m", "tests.store.race", os.fspath(tmp_path), "20").endswith("won\n")


@pytest.mark.fault
def test_one_s3_process_wins(bucket: str) -> None:
    assert program("-m", "tests.store.race", bucket, "4").endswith("won\n")


@pytest.mark.fault
def test_a_used_store_works_after_a_fork(bucket: str) -> None:
    assert program("-c", FORK, bucket) == "from the child"


@pytest.mark.fault
@pytest.mark.parametrize("verb", ["put", "create"])
@pytest.mark.parametrize("fault", ["hold request", "hold reply"])
def test_s3_writes_survive_death(proxy: Proxy, beside: S3Store, verb: str, fault: str) -> None:
    if verb == "put":
        beside.put("k", b"old")
    proxy.play("hold request" if fault == "hold request" else "hold reply")
    writer = subprocess.Popen([sys.executable, "-c", WRITE, beside.url, verb])
    try:
        assert proxy.happened.wait(60)
    finally:
        writer.kill()
        writer.wait()
    if fault == "hold reply":
        assert beside.get("k") == BIG
    elif verb == "put":
        assert beside.get("k") == b"old"
    else:
        assert list(beside.list()) == []


@pytest.mark.parametrize("call", [lambda s: s.put("k", b"data"), lambda s: s.create("k", b"data")])
def test_a_lost_answer_is_no_failure(proxy: Proxy, beside: S3Store, call: Callable[[S3Store], None]) -> None:
    proxy.play("lose reply", times=2)
    call(S3Store(beside.url))
    assert proxy.seen == 2
    assert beside.get("k") == b"data"


def test_a_lost_refusal_stays_a_refusal(proxy: Proxy, beside: S3Store) -> None:
    beside.put("k", b"theirs")
    proxy.play("lose reply")
    with pytest.raises(KeyExists):
        S3Store(beside.url).create("k", b"ours")
    assert proxy.seen == 1
    assert beside.get("k") == b"theirs"


def test_lost_answers_to_reads(proxy: Proxy, beside: S3Store) -> None:
    beside.put("k", b"data")
    store = S3Store(beside.url)
    proxy.play("lose reply")
    assert store.get("k") == b"data"
    proxy.play("lose reply")
    assert list(store.list()) == ["k"]
    proxy.play("hang up", times=2)
    assert S3Store(beside.url).get("k") == b"data"
    assert proxy.seen == 4


def test_patience_ends(proxy: Proxy, bucket: str) -> None:
    store = S3Store(bucket, patience=1.5)
    store.list()
    proxy.play("lose reply", times=1000)
    calls: list[Callable[[], object]] = [
        lambda: store.get("some/key"),
        lambda: store.put("some/key", b""),
        lambda: store.create("some/key", b""),
        lambda: store.list("some/key"),
    ]
    for call in calls:
        proxy.seen = 0
        with pytest.raises(StoreUnavailable, match=r"'some/key'.*1\.5 s.*AWS_ENDPOINT_URL") as raised:
            call()
        assert bucket in str(raised.value)
        assert proxy.seen >= 2  # it did try again


@pytest.mark.fault
def test_an_outage_is_waited_for(s3: Seaweed, bucket: str) -> None:
    store = S3Store(bucket, patience=120)  # this machine may be slow to start the server
    store.put("before", b"1")
    s3.stop()
    done: list[str] = []
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: store.get("before"),
        "put": lambda: store.put("put", b"2"),
        "create": lambda: store.create("create", b"3"),
        "list": store.list,
    }

    def call(name: str) -> None:
        calls[name]()
        done.append(name)

    callers = [threading.Thread(target=call, args=(name,)) for name in calls]
    for caller in callers:
        caller.start()
    time.sleep(4)
    assert done == []
    s3.start()
    for caller in callers:
        caller.join()
    assert sorted(done) == sorted(calls)
    assert list(store.list()) == ["before", "create", "put"]


@pytest.mark.fault
def test_a_killed_server_keeps_what_it_acknowledged(s3: Seaweed, bucket: str) -> None:
    store = S3Store(bucket)
    for i in range(50):
        store.create(f"k/{i:02d}", b"%d" % i)
    s3.kill()
    s3.start()
    assert [store.get(key) for key in store.list("k/")] == [b"%d" % i for i in range(50)]


def test_taken_and_yet_missing_is_not_believed(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Store(bucket)
    store.put("k", b"theirs")

    def missing(self: S3Store, key: str) -> bytes:
        raise KeyMissing(key)

    monkeypatch.setattr(S3Store, "get", missing)
    with pytest.raises(StoreUnavailable, match="run again"):
        store.create("k", b"ours")
