"""The header of a Parquet page, as far as reading plain values needs it.

Thrift's compact protocol, read from bytes that may be anything: what is not understood is an error,
never a guess. (parquet-format, `parquet.thrift`: PageHeader, DataPageHeader, DataPageHeaderV2.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS = {4, 5, 6}
_DEEPEST = 8
_PLAIN, _RLE = 0, 3

Value: TypeAlias = "int | Struct | None"
Struct: TypeAlias = dict[int, Value]


class NotAHeader(ValueError):
    """The bytes are no page header, or only a part of one."""


class PageKind(IntEnum):
    """The kinds of pages that a column chunk is made of."""

    DATA = 0
    DICTIONARY = 2
    DATA_V2 = 3


class Sizes(NamedTuple):
    """Bytes of a page: of its header, and of the body after it, as stored and decompressed."""

    header: int
    stored: int
    inflated: int


@dataclass(frozen=True)
class PageHeader:
    """What a page says about itself.

    Attributes
    ----------
    kind
        DATA is format version 1: levels and values are compressed together. DATA_V2 keeps levels apart.
    sizes
        Bytes of header and body.
    values
        Number of values, nulls included.
    plain
        Whether the values are plain, and the levels in the only encoding still in use.
    levels
        DATA_V2: bytes of repetition and definition levels; they come first and are not compressed.
    nulls
        DATA_V2: how many values are null.
    compressed
        Whether the values are compressed, if the column chunk is.
    """

    kind: PageKind
    sizes: Sizes
    values: int
    plain: bool
    levels: int = 0
    nulls: int = 0
    compressed: bool = True


def parse(data: memoryview) -> PageHeader:
    """Read the page header that `data` starts with.

    Raises
    ------
    NotAHeader
        The bytes are no header, end too early, or announce a page of another kind.
    """
    reader = _Reader(data)
    try:
        page = reader.struct(0)
    except IndexError as error:
        raise NotAHeader("the header ends too early") from error
    kind, size, stored = (_integer(page, field) for field in (1, 2, 3))
    sizes = Sizes(reader.at, stored, size)
    if kind == PageKind.DATA:
        first = _struct(page, 5)
        plain = [_integer(first, field) for field in (2, 3, 4)] == [_PLAIN, _RLE, _RLE]
        return PageHeader(PageKind.DATA, sizes, _integer(first, 1), plain=plain)
    if kind == PageKind.DATA_V2:
        return _version_2(_struct(page, 8), sizes)
    if kind == PageKind.DICTIONARY:
        return PageHeader(PageKind.DICTIONARY, sizes, values=0, plain=False)
    raise NotAHeader(f"a page of kind {kind}")


def _version_2(page: Struct, sizes: Sizes) -> PageHeader:
    values, nulls, encoding, definition, repetition = (_integer(page, field) for field in (1, 2, 4, 5, 6))
    return PageHeader(
        PageKind.DATA_V2,
        sizes,
        values,
        plain=encoding == _PLAIN,
        levels=definition + repetition,
        nulls=nulls,
        compressed=page.get(7, 1) == 1,
    )


def _struct(struct: Struct, field: int) -> Struct:
    value = struct.get(field)
    if not isinstance(value, dict):
        raise NotAHeader(f"field {field} is missing")
    return value


def _integer(struct: Struct, field: int) -> int:
    value = struct.get(field)
    if not isinstance(value, int) or value < 0:
        raise NotAHeader(f"field {field} is {value}")
    return value


class _Reader:
    """Reads values of Thrift's compact protocol one after the other."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def struct(self, depth: int) -> Struct:
        if depth > _DEEPEST:
            raise NotAHeader("too deep")
        fields: Struct = {}
        last = 0
        while kind := self.byte():
            last = last + (kind >> 4) if kind >> 4 else self.zigzag()
            fields[last] = self.value(kind & 15, depth)
        return fields

    def value(self, kind: int, depth: int) -> Value:
        if kind in {_TRUE, _FALSE}:
            return int(kind == _TRUE)
        if kind in _INTEGERS:
            return self.zigzag()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        self.skip(kind)
        return None

    def skip(self, kind: int) -> None:
        """Pass over what no field that we need consists of; lists and maps do not occur in headers."""
        if kind == _BYTE:
            self.byte()
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BINARY:
            length = self.varint()  # moves `at`, too
            self.at += length
        else:
            raise NotAHeader(f"a field of type {kind}")

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]  # an IndexError where the bytes end

    def varint(self) -> int:
        value = shift = 0
        while shift < 64:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise NotAHeader("a number of more than 64 bits")

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)
