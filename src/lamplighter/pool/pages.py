"""Vectors straight from a file's pages, without decoding levels.

pyarrow decodes repetition and definition levels value by value, also where every list has the same
length and nothing is null (apache/arrow#34510). But plain values of such a column are a stretch of
bytes in each page. This copies the stretches, several times as fast; wherever it is not proven that
the bytes are what pyarrow would give, pyarrow decodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lamplighter.arrays import F32
from lamplighter.errors import PoolFileError
from lamplighter.pool.layout import as_float32
from lamplighter.pool.manifest import Manifest
from lamplighter.pool.open_file import OpenFile
from lamplighter.pool.page_scan import Page, PlainPages, column_of, length_of_levels, plain_pages

#: Bytes of vectors at the start of a row group that may have to be decoded.
LONGEST_LEAD = 16 * 2**20


def find_pages(file: OpenFile, manifest: Manifest, row_group: int) -> PlainPages | None:
    """Find the pages of a row group's vectors; None where only decoding is safe, or worth it."""
    column = column_of(file.metadata, manifest, row_group)
    found = plain_pages(file.source, column) if column else None
    if found is None or found.lead_rows * found.column.row_bytes > LONGEST_LEAD:
        return None
    return found


@dataclass
class PageVectors:
    """Reads the vectors of a row group one after the other.

    Attributes
    ----------
    file, manifest
        What is read.
    found
        From `find_pages`.
    lead
        Decoded vectors of the lead, in parts: at least as many as it has, cut into parts anyhow.
    reuse
        Whether each `take` may overwrite what the one before it gave.
    """

    file: OpenFile
    manifest: Manifest
    found: PlainPages
    lead: Iterator[F32]
    reuse: bool = False
    _room: npt.NDArray[Any] | None = None
    _page: int = 0
    _at: int = field(init=False)
    _body: memoryview | None = None
    _head: F32 = field(init=False)

    def __post_init__(self) -> None:
        self._at = self.found.offset
        self._head = self._decoded_lead()

    def take(self, n: int) -> F32:
        """Give the next n vectors: (n, D) float32, C-contiguous."""
        head, self._head = self._head[:n], self._head[n:]
        if len(head) == n:
            return head
        rows = self._space(n - len(head))
        self._fill(rows.reshape(-1).view(np.uint8).data)
        vectors = as_float32(rows)
        return np.concatenate([head, vectors]) if len(head) else vectors

    def _space(self, n: int) -> npt.NDArray[Any]:
        if self._room is None or len(self._room) < n or not self.reuse:
            dtype = np.dtype(self.manifest.dtype).newbyteorder("<")
            self._room = np.empty((n, self.manifest.dim), dtype)
        return self._room[:n]

    def skip(self, n: int) -> None:
        """Pass over the next n vectors without reading them."""
        lead = min(n, len(self._head))
        self._head = self._head[lead:]
        left = (n - lead) * self.found.column.row_bytes
        while left:
            step = min(left, self.found.pages[self._page].size - self._at)
            self._advance(step)
            left -= step

    def _decoded_lead(self) -> F32:
        parts, wanted = [np.empty((0, self.manifest.dim), np.float32)], self.found.lead_rows
        while wanted > 0:
            parts.append(next(self.lead)[:wanted])
            wanted -= len(parts[-1])
        return np.concatenate(parts)

    def _fill(self, target: memoryview) -> None:
        while len(target):
            page = self.found.pages[self._page]
            part = target[: page.size - self._at]
            if page.inflated is None:
                self.file.source.read_into(page.start + self._at, part)
            else:
                part[:] = self._values(page)[self._at : self._at + len(part)]
            self._advance(len(part))
            target = target[len(part) :]

    def _advance(self, step: int) -> None:
        """Move on, at most to the end of the page."""
        self._at += step
        if self._at == self.found.pages[self._page].size:
            self._page, self._at, self._body = self._page + 1, 0, None

    def _values(self, page: Page) -> memoryview:
        """Decompress a page, once."""
        if self._body is None:
            stored = self.file.source.read(page.start, page.stored)
            codec = pa.Codec(self.found.column.codec)
            body = memoryview(codec.decompress(stored, decompressed_size=page.inflated)).cast("B")
            skip = length_of_levels(lambda at: body[at : at + 4], page.levels)
            if skip + page.size != len(body):
                raise PoolFileError(f"{self.file.shown}: the page at byte {page.start} is damaged")
            self._body = body[skip:]
        return self._body
