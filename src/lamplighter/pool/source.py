"""One open file of the pool: its bytes, for pyarrow and for ourselves, as its storage gives them best."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa

from lamplighter.errors import PoolFileError
from lamplighter.pool.storage import Listed, Storage, in_requests

#: Bytes of a row group that are fetched at once from far away; of larger ones they come bit by bit.
PREFETCH_BYTES = 160 * 2**20
#: Bytes that all columns together may read ahead.
_AHEAD = 32 * 2**20


class Source(Protocol):
    """Random access to one file."""

    @property
    def handle(self) -> Any:
        """What pyarrow.parquet.ParquetFile opens."""

    def buffer_size(self, columns: int) -> int:
        """Bytes to read ahead in each of so many columns."""

    def prefetch(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Make the coming reads of these bytes cheap; says whether small reads are, too."""

    def read(self, start: int, size: int) -> memoryview:
        """Give bytes; fewer only at the end of the file."""

    def read_into(self, start: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `start` on."""


class LocalSource(AbstractContextManager["LocalSource"]):
    """A file of this machine.

    Not mapped into memory: a map of a file that somebody truncates kills the process, and its pages
    count as the worker's memory.
    """

    def __init__(self, storage: Storage, path: str) -> None:
        self.shown = storage.shown(path)
        self.handle = pa.OSFile(storage.name(path))

    def __exit__(self, *_: object) -> None:
        self.handle.close()

    def buffer_size(self, columns: int) -> int:
        """Bytes to read ahead in each of so many columns."""
        return _ahead(columns)

    def prefetch(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Do nothing: the operating system reads ahead."""
        return True

    def read(self, start: int, size: int) -> memoryview:
        """Give bytes; fewer only at the end of the file."""
        return memoryview(os.pread(self.handle.fileno(), size, start))

    def read_into(self, start: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `start` on, without a copy between."""
        done = 0
        while done < len(target):
            got = os.preadv(self.handle.fileno(), [target[done:]], start + done)
            if not got:
                raise PoolFileError(
                    f"{self.shown}: it ends at byte {start + done}, in the middle of its data"
                )
            done += got


class RemoteSource(AbstractContextManager["RemoteSource"]):
    """A file far away: what was prefetched lies in memory, all else is one ranged request each."""

    def __init__(self, storage: Storage, file: Listed) -> None:
        self.storage, self.file = storage, file
        self.handle = pa.PythonFile(_Seekable(self), mode="r")
        self._starts: list[int] = []
        self._windows: list[memoryview] = []

    def __exit__(self, *_: object) -> None:
        self._starts, self._windows = [], []

    def buffer_size(self, columns: int) -> int:
        """Bytes to read ahead in each of so many columns: the fewer requests, the better."""
        return _ahead(columns) if self._windows else max(2**20, _AHEAD // columns)

    def prefetch(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Fetch the ranges at once, unless they are too large; what was fetched before is dropped."""
        self._starts, self._windows = [], []
        if sum(stop - start for start, stop in ranges) > PREFETCH_BYTES:
            return False
        pieces = in_requests(sorted(ranges))
        self._windows = [memoryview(data) for data in self.storage.read_ranges(self.file.path, pieces)]
        self._starts = [start for start, _ in pieces]
        return True

    def read(self, start: int, size: int) -> memoryview:
        """Give bytes; fewer only at the end of the file."""
        stop = min(start + size, self.file.size)
        parts = self._fetched(start, stop)
        if parts is None:
            return memoryview(self.storage.read(self.file.path, start, stop))
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))

    def read_into(self, start: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `start` on."""
        stop = start + len(target)
        for part in self._fetched(start, stop) or [self.read(start, len(target))]:
            target[: len(part)] = part
            target = target[len(part) :]

    def _fetched(self, start: int, stop: int) -> list[memoryview] | None:
        """Give the bytes as parts of what was prefetched; None if some of them were not."""
        parts = []
        while start < stop:
            at = bisect_right(self._starts, start) - 1
            skip = start - self._starts[at] if at >= 0 else 0
            if at < 0 or skip >= len(self._windows[at]):
                return None
            parts.append(self._windows[at][skip : skip + stop - start])
            start += len(parts[-1])
        return parts or [memoryview(b"")]


class _Seekable:
    """A RemoteSource as the file object that pyarrow wants. It takes views, so nothing is copied."""

    def __init__(self, source: RemoteSource) -> None:
        self.source = source
        self.at = 0
        self.closed = False

    def read(self, size: int) -> memoryview:
        data = self.source.read(self.at, size)
        self.at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.source.file.size}[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False


def _ahead(columns: int) -> int:
    return max(64 * 2**10, min(2**20, _AHEAD // columns))


def open_source(storage: Storage, file: Listed) -> LocalSource | RemoteSource:
    """Open a file of the pool."""
    return LocalSource(storage, file.path) if storage.local else RemoteSource(storage, file)
