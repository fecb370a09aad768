"""Files of JSON that somebody else wrote, read so that one bad line costs no other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from lamplighter.labelers.base import Problem


class Unreadable(ValueError):
    """Why a line cannot be taken; whoever reads the file makes a problem of it."""


def decoded(key: str, data: bytes) -> str | Problem:
    """Read a file as text, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(f"{key}:{line}", "the file is not UTF-8; save it again as UTF-8")


def objects(key: str, text: str) -> Iterator[tuple[str, Mapping[str, object]] | Problem]:
    """Give the objects of a file of JSON lines with their places, and a problem for each bad line."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{key}:{number}"
        try:
            yield where, object_of(line)
        except Unreadable as error:
            yield Problem(where, str(error))


def object_of(text: str) -> Mapping[str, object]:
    """Read a JSON object; raises Unreadable."""
    try:
        found = json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not a whole line of JSON: {error}") from error
    if not isinstance(found, dict):
        raise Unreadable(f"a {type(found).__name__} where a JSON object is needed")
    return found


def _no_repeats(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("a key stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON")
