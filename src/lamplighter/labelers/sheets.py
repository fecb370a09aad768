"""A batch as a file for people: JSON lines, or CSV that a spreadsheet cannot hurt or be hurt by."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lamplighter.labelers.base import Batch, BatchRow

#: Columns with a meaning of their own; a display column of such a name goes out as "row.<name>".
RESERVED = frozenset(
    {"id", "batch", "label", "annotator", "status", "created_at", "lead_time_s", "predicted", "confidence"}
)
GUARD = "'"
#: What a spreadsheet takes for the start of a formula, in the cell or once it has trimmed it; the
#: last four are the full-width forms that East Asian versions take for the first four.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: Spreadsheets keep 15 decimal digits of a number.
_EXACT = 10**15


def jsonl(batch: Batch, *, show_prediction: bool = False) -> bytes:
    """Write a batch as JSON lines in UTF-8."""
    rows = (_row(batch, row, show_prediction) for row in batch.rows)
    return json_lines(rows)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Write objects as JSON lines in UTF-8."""
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows).encode()


def csv_sheet(batch: Batch, *, show_prediction: bool = False) -> bytes:
    """Write a batch as CSV (RFC 4180, every cell quoted) in UTF-8 with a byte order mark.

    Without the mark, Excel takes UTF-8 for the local code page.
    """
    rows = [_row(batch, row, show_prediction) for row in batch.rows]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    columns = _columns(rows)
    writer.writerow([safe_cell(name) for name in columns])
    for row in rows:
        writer.writerow([_cell(name, row.get(name)) for name in columns])
    return text.getvalue().encode("utf-8-sig")


def safe_cell(text: str) -> str:
    """Put a guard before what a spreadsheet would run as a formula."""
    return GUARD + text if text.lstrip(" ").startswith(_FORMULA) else text


def id_cell(row_id: int | str) -> str:
    """Write an id so that a spreadsheet keeps it as it is.

    Numbers of more than 15 digits would be rounded, and strings such as 007, 1E5, TRUE or MAR1 turned
    into numbers, truths and dates: all but short whole numbers are guarded to stay text.
    """
    short = isinstance(row_id, int) and 0 <= row_id < _EXACT
    return str(row_id) if short else f"{GUARD}{row_id}"


def unguarded(cell: str) -> str:
    """Undo `id_cell`, also where a spreadsheet has already taken the guard for itself."""
    return cell.removeprefix(GUARD)


def _row(batch: Batch, row: BatchRow, show_prediction: bool) -> dict[str, Any]:
    """Give the cells of a row; its purpose and rank stay here, so that all rows look alike."""
    shown = shown_columns(row, show_prediction=show_prediction)
    return {"id": row.id, **shown, "label": "", "annotator": "", "batch": batch.id}


def shown_columns(
    row: BatchRow, *, show_prediction: bool, reserved: frozenset[str] = RESERVED
) -> dict[str, Any]:
    """Give what people see of a row, under names that mean nothing else."""
    shown = {
        f"row.{name}" if name.strip().lower() in reserved else name: plain(value)
        for name, value in row.display.items()
    }
    if show_prediction:
        shown["predicted"] = row.predicted
        shown["confidence"] = round(max(row.proba), 4) if row.proba else None
    return shown


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give the columns of all rows in the order of their first appearance, what is filled in last."""
    last = ("label", "annotator", "batch")
    seen = dict.fromkeys(name for row in rows for name in row if name not in last)
    return [*(seen or ("id",)), *last]


def _cell(name: str, value: Any) -> str:
    if name == "id":
        return id_cell(value)
    if value is None:
        return ""
    return safe_cell(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Give a display value as JSON can say it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
