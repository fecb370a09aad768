"""Where a column chunk's plain values lie: found by walking from page header to page header."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.pool.footer import extent, leaves
from lamplighter.pool.layout import Layout
from lamplighter.pool.manifest import Manifest
from lamplighter.pool.page_header import NotAHeader, PageHeader, PageKind, parse
from lamplighter.pool.source import LocalSource, RemoteSource

#: Mean bytes of a page below which looking at every header costs more than it saves.
SMALLEST_PAGE = 32 * 2**10
_HEADER_BYTES = 4 * 2**10
_LONGEST_HEADER = 2**20
_LENGTH = 4  #: bytes of the number that says how long levels are
#: Parquet's names of compressions, and pyarrow's.
_CODECS = {"UNCOMPRESSED": None, "SNAPPY": "snappy", "GZIP": "gzip", "ZSTD": "zstd"}


@dataclass(frozen=True)
class Column:
    """How the vectors of one row group are stored.

    Attributes
    ----------
    rows, row_bytes
        Rows, and bytes of a vector.
    width
        Bytes of a value in Parquet's sense: a number, or a whole vector.
    levels
        How many kinds of levels precede the values of each page.
    start, stop
        Where the column chunk lies.
    codec
        pyarrow's name of the compression; None for none.
    no_nulls
        Whether the footer says that nothing is null.
    """

    rows: int
    row_bytes: int
    width: int
    levels: int
    start: int
    stop: int
    codec: str | None
    no_nulls: bool


@dataclass(frozen=True)
class Page:
    """Where a page's values lie.

    Attributes
    ----------
    start, stored
        The part of the file that holds them.
    size
        Bytes of the values.
    inflated
        Bytes of that part once it is decompressed; None if it is not compressed.
    levels
        How many kinds of levels precede the values in it, each after its length.
    """

    start: int
    stored: int
    size: int
    inflated: int | None = None
    levels: int = 0


@dataclass(frozen=True)
class PlainPages:
    """The pages of a column chunk, from the first plain one on.

    Attributes
    ----------
    pages
        They hold everything but the lead.
    lead_rows
        Vectors at the start that lie, wholly or in part, in pages of another encoding.
    offset
        Bytes at the start of the first page that belong to the last vector of the lead.
    """

    column: Column
    pages: tuple[Page, ...]
    lead_rows: int
    offset: int


def column_of(metadata: Any, manifest: Manifest, row_group: int) -> Column | None:
    """Sum up how vectors are stored; None where their lengths are not given by their type, or do not add up.

    A list type of variable length proves nothing, even if the total is right.
    """
    if manifest.layout not in {Layout.FIXED_BINARY, Layout.FIXED_SIZE_LIST}:
        return None
    at = leaves(metadata, manifest.features)[0]
    group, column = metadata.row_group(row_group), metadata.schema.column(at)
    chunk, number = group.column(at), np.dtype(manifest.dtype).itemsize
    start, size = extent(chunk)
    found = Column(
        rows=group.num_rows,
        row_bytes=number * manifest.dim,
        width=number * (manifest.dim if manifest.layout is Layout.FIXED_BINARY else 1),
        levels=int(column.max_repetition_level > 0) + int(column.max_definition_level > 0),
        start=start,
        stop=start + size,
        codec=_CODECS.get(chunk.compression, chunk.compression),
        no_nulls=chunk.statistics is not None and chunk.statistics.null_count == 0,
    )
    known = chunk.compression in _CODECS
    return found if known and chunk.num_values * found.width == found.rows * found.row_bytes else None


def plain_pages(source: LocalSource | RemoteSource, column: Column) -> PlainPages | None:
    """Find the pages of a column; None where bytes cannot be proven to be its values.

    Writers start with a dictionary, and go on with plain pages once it is full. The vectors up to
    there are the lead: they have to be decoded.
    """
    try:
        pages, lead = _plain(source, column)
    except NotAHeader:
        return None  # pyarrow will say what is wrong with it
    held = sum(page.size for page in pages)
    if not pages or lead + held != column.rows * column.row_bytes or held < SMALLEST_PAGE * (len(pages) - 1):
        return None
    lead_rows = -(-lead // column.row_bytes)
    offset = lead_rows * column.row_bytes - lead
    return PlainPages(column, tuple(pages), lead_rows, offset) if offset <= pages[0].size else None


def _plain(source: LocalSource | RemoteSource, column: Column) -> tuple[list[Page], int]:
    """Give the plain pages, and the bytes that the values before them would take."""
    pages: list[Page] = []
    lead = 0
    for header, body in _headers(source, column):
        if header.plain:
            pages.append(_page(source, column, header, body))
        elif pages:
            raise NotAHeader("a page of another encoding after plain ones")
        else:
            lead += header.values * column.width
    return pages, lead


def _headers(source: LocalSource | RemoteSource, column: Column) -> Iterator[tuple[PageHeader, int]]:
    """Give each page's header, and where its body starts."""
    at = column.start
    while at < column.stop:
        header = _header(source, at, column.stop)
        body = at + header.sizes.header
        at = body + header.sizes.stored
        if at > column.stop:
            raise NotAHeader("a page beyond the end of its column")
        yield header, body


def _header(source: LocalSource | RemoteSource, at: int, stop: int) -> PageHeader:
    size = _HEADER_BYTES
    while True:
        data = source.read(at, min(size, stop - at))
        try:
            return parse(data)
        except NotAHeader:
            if size >= min(stop - at, _LONGEST_HEADER):
                raise
        size *= 16  # statistics of long vectors stand in it


def _page(source: LocalSource | RemoteSource, column: Column, header: PageHeader, body: int) -> Page:
    """Say where a plain page's values are; raises NotAHeader unless they all are there and none is null."""
    size = header.values * column.width
    if header.kind is PageKind.DATA_V2:
        start, stored = body + header.levels, header.sizes.stored - header.levels
        inflated = header.sizes.inflated - header.levels if column.codec and header.compressed else None
        held, levels = (stored if inflated is None else inflated), 0
    elif column.codec:
        # What the levels take is only known once they are decompressed: the reader checks it.
        start, stored, inflated, levels = body, header.sizes.stored, header.sizes.inflated, column.levels
        held = size if column.no_nulls else -1
    else:
        skip = length_of_levels(lambda at: source.read(body + at, _LENGTH), column.levels)
        start, stored, inflated, levels = body + skip, header.sizes.stored - skip, None, 0
        held = stored
    if held != size or header.nulls:
        raise NotAHeader("values are null or missing")
    return Page(start, stored, size, inflated, levels)


def length_of_levels(read: Callable[[int], memoryview], kinds: int) -> int:
    """Give how many bytes of a body the levels take; `read` gives the four bytes from a position on."""
    at = 0
    for _ in range(kinds):
        at += _LENGTH + int.from_bytes(read(at), "little")
    return at
