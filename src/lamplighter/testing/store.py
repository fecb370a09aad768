"""What every object store must do. Subclass `StoreContract` and pytest runs it on yours."""
# ruff: noqa: S101 -- these are tests, and tests assert

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from lamplighter.errors import ConfigError, KeyExists, KeyMissing
from lamplighter.store import honours_create
from lamplighter.store.base import ObjectStore

CONTENTS = [b"", b"x", b"\x00\xff\r\n", b"lamp" * 300_000]
KEYS = [
    "a",
    "rounds/000007/record.json",
    "annotations/round=000007/x y.parquet",
    "Größe/日本.json",
    "a+b&c?d#e%20",
]
NO_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    ".hidden",
    "a/.b",
    "a\nb",
    "a\0",
    "x" * 1025,
]


class StoreContract(ABC):
    """The laws of ObjectStore.

    A subclass makes stores, and reaches their objects by another way than the store itself::

        class TestMyStore(StoreContract):
            def create_store(self): return MyStore(...)   # empty, a new one on each call
            def raw_read(self, store, key): ...           # bytes, or None if there is no object
            def raw_write(self, store, key, data): ...
    """

    racers = 20  #: threads that create one key at the same moment

    @abstractmethod
    def create_store(self) -> ObjectStore:
        """Make an empty store; each call another one."""

    @abstractmethod
    def raw_read(self, store: ObjectStore, key: str) -> bytes | None:
        """Read an object without the store; None if there is none."""

    @abstractmethod
    def raw_write(self, store: ObjectStore, key: str, data: bytes) -> None:
        """Write an object without the store."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """An empty store."""
        return self.create_store()

    @pytest.mark.parametrize("data", CONTENTS, ids=len)
    def test_put_writes_and_get_reads(self, store: ObjectStore, data: bytes) -> None:
        """What was put is there, and is what get gives."""
        store.put("k", data)
        assert self.raw_read(store, "k") == data
        assert store.get("k") == data

    @pytest.mark.parametrize("key", KEYS)
    def test_every_key_works(self, store: ObjectStore, key: str) -> None:
        """A key means one object, whatever characters it has."""
        store.create(key, b"1")
        store.put(key, b"2")
        assert self.raw_read(store, key) == b"2"
        assert store.get(key) == b"2"
        assert list(store.list()) == [key]

    @pytest.mark.parametrize("key", NO_KEYS)
    def test_wrong_keys_are_refused(self, store: ObjectStore, key: str) -> None:
        """No call takes what is no key, and nothing is written."""
        for call in (store.get, lambda k: store.put(k, b""), lambda k: store.create(k, b"")):
            with pytest.raises(ConfigError, match="no key of an object store"):
                call(key)
        assert list(store.list()) == []

    def test_get_reads_what_others_wrote(self, store: ObjectStore) -> None:
        """Nothing is remembered: the object is read as it is now."""
        self.raw_write(store, "k", b"old")
        assert store.get("k") == b"old"
        self.raw_write(store, "k", b"newer")
        assert store.get("k") == b"newer"
        self.raw_write(store, "also", b"")
        assert list(store.list()) == ["also", "k"]

    def test_missing_key(self, store: ObjectStore) -> None:
        """A missing object is an error that names store and key, also where others lie below it."""
        store.put("some/thing", b"")
        for key in ("nothing", "some", "some/thing/else"):
            with pytest.raises(KeyMissing, match=f"'{key}'") as raised:
                store.get(key)
            assert store.url in str(raised.value)

    def test_put_replaces(self, store: ObjectStore) -> None:
        """The last put counts, also if it is shorter."""
        store.put("k", b"a long one")
        store.put("k", b"")
        assert store.get("k") == b""

    @pytest.mark.parametrize("first", CONTENTS, ids=len)
    @pytest.mark.parametrize("second", [b"", b"other"], ids=len)
    def test_create_never_replaces(self, store: ObjectStore, first: bytes, second: bytes) -> None:
        """A taken key stays as it is, also under and against an empty object."""
        store.create("k", first)
        if first != second:
            with pytest.raises(KeyExists, match="'k'") as raised:
                store.create("k", second)
            assert store.url in str(raised.value)
        assert self.raw_read(store, "k") == first

    def test_create_respects_what_others_wrote(self, store: ObjectStore) -> None:
        """A key counts as taken whoever took it."""
        self.raw_write(store, "k", b"theirs")
        with pytest.raises(KeyExists):
            store.create("k", b"ours")
        assert self.raw_read(store, "k") == b"theirs"

    def test_create_again_is_no_conflict(self, store: ObjectStore) -> None:
        """Who repeats a creation whose answer was lost meets its own object."""
        store.create("k", b"the very same")
        store.create("k", b"the very same")
        assert self.raw_read(store, "k") == b"the very same"

    def test_one_creator_wins(self, store: ObjectStore) -> None:
        """Of many at the same moment one creates, and its object is the one that stays."""
        together = Barrier(self.racers)

        def race(racer: int) -> bool:
            together.wait()
            try:
                store.create("contested", b"%d" % racer)
            except KeyExists:
                return False
            return True

        with ThreadPoolExecutor(self.racers) as racers:
            won = list(racers.map(race, range(self.racers)))
        assert won.count(True) == 1
        assert self.raw_read(store, "contested") == b"%d" % won.index(True)

    def test_list_is_sorted_by_code_point(self, store: ObjectStore) -> None:
        """The order is that of the keys, not that of a directory tree or a language."""
        keys = ["o/a/1", "o/a-b", "o/a.c", "o/a0", "o/B", "o/é", "o/z", "p", "o/a/1é"]
        for key in keys:
            store.put(key, b"")
        assert list(store.list()) == sorted(keys)

    def test_list_takes_any_prefix(self, store: ObjectStore) -> None:
        """A prefix need not end at a '/', and need not be there."""
        for key in ("a/1", "a/11", "a/2", "ab", "b/a/1"):
            store.put(key, b"")
        assert list(store.list("a")) == ["a/1", "a/11", "a/2", "ab"]
        assert list(store.list("a/")) == ["a/1", "a/11", "a/2"]
        assert list(store.list("a/1")) == ["a/1", "a/11"]
        assert list(store.list("a/1/")) == []
        assert list(store.list("c/d")) == []

    def test_list_leaves_hidden_files_out(self, store: ObjectStore) -> None:
        """What cannot be asked for is not listed."""
        self.raw_write(store, "a/.swap", b"")
        self.raw_write(store, "a/b", b"")
        assert list(store.list()) == ["a/b"]

    def test_two_stores_do_not_mix(self, store: ObjectStore) -> None:
        """Two stores have different urls and different objects."""
        other = self.create_store()
        store.put("k", b"")
        assert store.url != other.url
        assert list(other.list()) == []

    def test_travels_to_other_processes(self, store: ObjectStore) -> None:
        """A store is a value: a copy made by pickle, after use, reads the same objects."""
        store.put("k", b"data")
        copy: ObjectStore = pickle.loads(pickle.dumps(store))  # noqa: S301  (our own bytes)
        assert copy == store
        assert copy.get("k") == b"data"

    def test_honours_create(self, store: ObjectStore) -> None:
        """The probe sees it, the first time and later."""
        assert honours_create(store)
        assert honours_create(store)
