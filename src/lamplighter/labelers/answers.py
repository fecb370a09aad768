"""Answer files as people and programs really write them, read line by line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lamplighter.errors import unknown
from lamplighter.labelers.base import Annotation, Desk, Problem, Status
from lamplighter.labelers.objects import Unreadable, decoded, objects
from lamplighter.labelers.sheets import GUARD, unguarded

SKIP = "__skip__"
ANONYMOUS = "anonymous"
_STATUS = {"": Status.LABELLED, "skipped": Status.ABSTAINED, **{str(s): s for s in Status}}
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_ID_RANGE = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Line:
    """One line of an answer file: its cells by column, and where it stands.

    `cut` is the column in which a last line without a line end may have been cut off.
    """

    where: str
    cells: Mapping[str, object]
    guarded: bool = False
    cut: str | None = None


def lines(key: str, data: bytes) -> Iterator[Line | Problem]:
    """Give the lines of a .jsonl or .csv file, and a problem for each that is not whole."""
    text = decoded(key, data)
    if isinstance(text, Problem):
        yield text
    else:
        yield from _csv_lines(key, text) if key.lower().endswith(".csv") else _json_lines(key, text)


def annotation(line: Line, desk: Desk) -> Annotation | Problem | None:
    """Give what a line says, None if it is not answered yet, or why it cannot be taken."""
    try:
        return _annotation(line, desk)
    except Unreadable as error:
        return Problem(line.where, str(error))


# JSON lines


def _json_lines(key: str, text: str) -> Iterator[Line | Problem]:
    for found in objects(key, text):
        if isinstance(found, Problem):
            yield found
            continue
        where, cells = found
        missing = [
            n for n in ("id", "label") if n not in cells and not (n == "label" and cells.get("status"))
        ]
        yield Problem(where, f"no '{missing[0]}'; it has {_few(cells)}") if missing else Line(where, cells)


# CSV


def _csv_lines(key: str, text: str) -> Iterator[Line | Problem]:
    delimiter, header = _header(text)
    fault = _fault_of_header(header)
    if fault:
        yield Problem(f"{key}:1", fault)
        return
    records = _records(text, delimiter)
    next(records)
    end = _unfinished_line(text)
    for first, last, cells in records:
        where = f"{key}:{first}"
        if isinstance(cells, str):
            until = f", up to line {last}" if last > first else ""
            yield Problem(where, f"not whole CSV{until}: {cells}")
        else:
            yield _line(where, header, cells, header[-1] if last == end else None)


def _line(where: str, header: list[str], cells: list[str], cut: str | None) -> Line | Problem:
    # Spreadsheets pad with empty cells; anything else beyond the header has lost its column.
    if len(cells) < len(header) or any(cells[len(header) :]):
        return Problem(where, f"{len(cells)} cells under a header of {len(header)}")
    return Line(where, dict(zip(header, cells, strict=False)), guarded=True, cut=cut)


def _header(text: str) -> tuple[str, list[str]]:
    """Give the delimiter and the names: spreadsheets write ; or tabs where the comma is decimal."""
    found = {d: _names(text, d) for d in ",;\t"}
    fits = [d for d, names in found.items() if {"id", "label"} <= set(names)]
    delimiter = fits[0] if fits else ","
    return delimiter, found[delimiter]


def _names(text: str, delimiter: str) -> list[str]:
    cells = next(_records(text, delimiter), (1, 1, []))[2]
    names = [] if isinstance(cells, str) else [cell.strip().lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def _fault_of_header(header: list[str]) -> str:
    missing = [name for name in ("id", "label") if name not in header]
    if missing:
        return f"the header has no column '{missing[0]}'; it has {_few(header)}"
    ours = [
        name for name in header if name in ("id", "label", "status", "annotator", "created_at", "lead_time_s")
    ]
    twice = sorted({name for name in ours if ours.count(name) > 1})
    return f"the header has the column '{twice[0]}' twice" if twice else ""


def _records(text: str, delimiter: str) -> Iterator[tuple[int, int, list[str] | str]]:
    """Give (first line, last line, cells or what is wrong) of every record that is not blank."""
    usual = csv.field_size_limit()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        first = reader.line_num + 1
        # The limit is the process's own; a long document in a cell must not meet it, nor others a new one.
        csv.field_size_limit(max(usual, len(text) + 1))
        try:
            cells: list[str] | str = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = str(error)
        finally:
            csv.field_size_limit(usual)
        if isinstance(cells, str) or any(cell.strip() for cell in cells):
            yield first, reader.line_num, cells


def _unfinished_line(text: str) -> int | None:
    """Give the number of the last line if it has no line end."""
    if text.endswith(("\n", "\r")):
        return None
    return sum(1 for _ in io.StringIO(text, newline=""))


# What a line says


def _annotation(line: Line, desk: Desk) -> Annotation | None:
    status = _status(line)
    label = _label(line, desk.classes) if status is Status.LABELLED else None
    if status is Status.LABELLED and label is None:
        return None
    return Annotation(
        id=_row_id(line, desk.integer_ids),
        label=None if label == SKIP else label,
        annotator=_text(line, "annotator").strip() or ANONYMOUS,
        labeler="files",
        created_at=_moment(_text(line, "created_at").strip()),
        lead_time_s=_seconds(_text(line, "lead_time_s").strip()),
        status=Status.ABSTAINED if label == SKIP else status,
        source=line.where,
    )


def _text(line: Line, name: str) -> str:
    """Give a cell as text; "" where there is none."""
    value = line.cells.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Unreadable(f"{name} is a {type(value).__name__}; a string is needed")
    text = str(value)
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise Unreadable(f"{name} holds half of a surrogate pair, which is no text")
    return text


def _status(line: Line) -> Status:
    text = _text(line, "status").strip().lower()
    if text not in _STATUS:
        raise Unreadable(unknown("status", text, filter(None, _STATUS)))
    return _STATUS[text]


def _label(line: Line, classes: Sequence[str]) -> str | None:
    """Give the class, SKIP, or None where nothing is filled in."""
    text = _text(line, "label")
    if not text.strip():
        return None
    forms = (text, text.strip(), text.strip().removeprefix(GUARD) if line.guarded else text)
    label = next((form for form in forms if form in classes or form == SKIP), None)
    if label is None:
        raise Unreadable(unknown("class", text.strip(), classes))
    if line.cut == "label" and any(c != label and c.startswith(label) for c in classes):
        raise Unreadable(
            f"the file ends in '{label}' without a line end, so that a longer class may be cut off"
        )
    return label


def _row_id(line: Line, integer_ids: bool) -> int | str:
    if line.cut == "id":
        raise Unreadable("the file ends in the id without a line end, so that it may be cut off")
    cell = _text(line, "id")
    if not cell.strip():
        raise Unreadable("the id is empty")
    text = unguarded(cell) if line.guarded else cell
    if not integer_ids:
        return text
    if not _WHOLE.fullmatch(text.strip()) or int(text) not in _ID_RANGE:
        raise Unreadable(
            f"id '{_short(text)}' is not a whole number of 64 bits; a spreadsheet may have changed it"
        )
    return int(text)


def _moment(text: str) -> datetime | None:
    """Read an ISO 8601 time; without a zone it is UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(
            f"created_at '{_short(text)}' is no ISO 8601 time such as 2026-03-01T09:30:00Z"
        ) from error


def _seconds(text: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise Unreadable(f"lead_time_s '{_short(text)}' is no number of seconds from 0 on")
    return seconds


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[:most] + "..."


def _few(names: Mapping[str, object] | Sequence[str], most: int = 10) -> str:
    return ", ".join(_short(name) for name in list(names)[:most]) or "nothing"
