"""Where the files of a pool lie: a local directory, S3, or anything else that fsspec knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from lamplighter.errors import PoolChanged, PoolError, PoolFileError
from lamplighter.store.refusals import FAILURES, explain

#: Bytes of one ranged request, and how many of them may be on their way at once.
REQUEST_BYTES = 8 * 2**20
REQUESTS = 8
#: Tries of one request; s3fs waits 0.1 s after the first, then 1.7 times as long: 17 s up to the last.
RETRIES = 10
#: What file systems call the thing that changes whenever an object does, most telling first.
_VALIDATORS = ("ETag", "etag", "generation", "md5", "mtime", "LastModified", "last_modified", "created")


@dataclass(frozen=True)
class Listed:
    """A file as a listing shows it: path relative to the pool, bytes, and what changes when it does."""

    path: str
    size: int
    validator: str


@dataclass(frozen=True)
class Storage:
    """Read access to the files below one url; picklable, connects where it is used.

    Endpoint and credentials of S3 come from the environment, as botocore reads it.
    """

    url: str

    @classmethod
    def at(cls, url: str) -> Self:
        """Give access to a url; a relative path is meant from the working directory."""
        return cls(url if "://" in url else os.path.abspath(os.path.expanduser(url)))

    @property
    def fs(self) -> Any:
        """The fsspec file system."""
        return self._connected[0]

    @property
    def root(self) -> str:
        """The url's path on it."""
        return str(self._connected[1])

    @property
    def local(self) -> bool:
        """Whether the files can be opened by the operating system."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def _connected(self) -> tuple[Any, str]:
        return _connect(self.url, os.getpid(), _environment() if self.url.startswith("s3") else ())

    def name(self, path: str) -> str:
        """Give the full path of a file on its file system; of the pool itself where path is empty."""
        return f"{self.root.rstrip('/')}/{path}" if path else self.root

    def shown(self, path: str) -> str:
        """Give a file's address for messages."""
        return f"{self.url.rstrip('/')}/{path}" if path else self.url

    def files(self, glob: str) -> list[Listed]:
        """Give the files whose relative path matches `glob`, sorted by path.

        Files and directories whose names start with "_" or "." are left out: they are what writers
        leave behind, not rows. Where the url is that of one file, that file is the pool.
        """
        with self._failures("list", ""):
            try:
                found = self.fs.find(self.root, detail=True)
            except FileNotFoundError:  # no such bucket
                found = {}
        start, matches = len(self.root.rstrip("/")) + 1, re.compile(glob_translate(glob)).match
        if found.keys() == {self.root}:
            return [self._listed("", found[self.root])]
        paths = {name[start:]: info for name, info in found.items()}
        wanted = [path for path in sorted(paths) if matches(path) and not _hidden(path)]
        return [self._listed(path, paths[path]) for path in wanted]

    def stat(self, path: str) -> Listed:
        """Look a file up; raises PoolChanged if it is gone."""
        with self._failures("look up", path):
            return self._listed(path, {} if self.local else self.fs.info(self.name(path), refresh=True))

    def read(self, path: str, start: int, stop: int) -> bytes:
        """Give the bytes of a file from `start` to `stop`."""
        parts = self.read_ranges(path, in_requests([(start, stop)]))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Give several ranges of a file, each by one request, several of them at once."""
        if not ranges:
            return []
        starts, stops = [start for start, _ in ranges], [stop for _, stop in ranges]
        with self._failures("read", path):
            names = [self.name(path)] * len(ranges)
            got: list[bytes] = self.fs.cat_ranges(names, starts, stops, on_error="raise", batch_size=REQUESTS)
        for start, stop, data in zip(starts, stops, got, strict=True):
            if len(data) != stop - start:
                raise PoolFileError(
                    f"{self.shown(path)}: {len(data)} bytes came instead of {stop - start} at {start}"
                )
        return got

    def _listed(self, path: str, info: dict[str, Any]) -> Listed:
        if self.local:
            with self._failures("look up", path):
                found = os.stat(self.name(path))
            return Listed(path, found.st_size, str(found.st_mtime_ns))
        validator = next((str(info[key]) for key in _VALIDATORS if info.get(key)), "")
        return Listed(path, int(info["size"]), validator.strip('"'))

    @contextmanager
    def _failures(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except PoolError:
            raise
        except FileNotFoundError as error:
            raise PoolChanged(
                f"{self.shown(path)} disappeared; a pool only grows: put the file back, "
                "or start a campaign with another store"
            ) from error
        except FAILURES as error:
            raise PoolFileError(f"cannot {verb} {self.shown(path)}: {_reason(error, self.local)}") from error


def _environment() -> tuple[tuple[str, str], ...]:
    """Give what a client is made from: neither a fork nor other credentials may meet an older one."""
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))


@lru_cache(maxsize=8)
def _connect(url: str, process: int, environment: tuple[tuple[str, str], ...]) -> tuple[Any, str]:
    options = {"use_listings_cache": False, "skip_instance_cache": True} if url.startswith("s3") else {}
    fs, root = fsspec.core.url_to_fs(url, **options)
    if url.startswith("s3"):
        fs.retries = RETRIES
    return fs, str(root)


def _hidden(path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in path.split("/"))


def in_requests(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Cut ranges into pieces that one request each may fetch."""
    return [
        (at, min(at + REQUEST_BYTES, stop))
        for start, stop in ranges
        for at in range(start, stop, REQUEST_BYTES)
    ]


def _reason(error: BaseException, local: bool) -> str:
    return str(error) if local else explain(error)
