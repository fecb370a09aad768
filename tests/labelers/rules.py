"""Functions as users write them, for the function labeler."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from os import getcwd
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tests.campaigns import write_pool
from tests.labelers.service import label_of

Rows = list[dict[str, Any]]
#: The rows of every call, since the tests last cleared it.
calls: list[Rows] = []
NOT_A_FUNCTION = 7
passed_on = getcwd


def agree(rows: Rows, classes: Sequence[str]) -> list[str]:
    calls.append(rows)
    return [label_of(row["id"]) for row in rows]


def in_any_form(rows: Rows, classes: Sequence[str]) -> Iterator[Any]:
    forms: list[Any] = [
        None,
        np.str_("dog"),
        {"label": "cat", "confidence": np.float32(0.5)},
        {"label": None, "confidence": 0.1},
        {"label": "eel"},
        "dgo",
    ]
    return iter(forms[: len(rows)])


def one_short(rows: Rows, classes: Sequence[str]) -> list[str]:
    return ["cat"] * (len(rows) - 1)


def one_text(rows: Rows, classes: Sequence[str]) -> str:
    return "cat"


def nothing(rows: Rows, classes: Sequence[str]) -> None:
    return None


def a_number(rows: Rows, classes: Sequence[str]) -> list[Any]:
    return [1] * len(rows)


def too_sure(rows: Rows, classes: Sequence[str]) -> list[Any]:
    return [{"label": "cat", "confidence": 1.5}] * len(rows)


def sure_in_words(rows: Rows, classes: Sequence[str]) -> list[Any]:
    return [{"label": "cat", "confidence": "0.5"}] * len(rows)


def fails(rows: Rows, classes: Sequence[str]) -> list[str]:
    calls.append(rows)
    raise ZeroDivisionError("no luck")


def fails_at_105(rows: Rows, classes: Sequence[str]) -> list[str]:
    calls.append(rows)
    if any(row["id"] == 105 for row in rows):
        raise ValueError("105 is odd")
    return [label_of(row["id"]) for row in rows]


def spoils_its_rows(rows: Rows, classes: Sequence[str]) -> list[str]:
    ids = [row.pop("id") for row in rows]
    return [label_of(row_id) for row_id in ids]


def dies_at_110(rows: Rows, classes: Sequence[str]) -> list[str]:
    if any(row["id"] == 110 for row in rows):
        os._exit(9)
    return agree(rows, classes)


def says_what_it_is_given(rows: Rows, classes: Sequence[str]) -> list[Any]:
    return [{"label": row["predicted"], "confidence": max(row["proba"])} for row in rows]


def classify(rows: Rows, classes: Sequence[str]) -> list[str]:
    """Label the fruit of tests/campaigns.py by a model that knows nothing: the first class."""
    calls.append(rows)
    return [classes[row["id"] % len(classes)] for row in rows]


def sure_of_two_in_three(rows: Rows, classes: Sequence[str]) -> list[Any]:
    """Be sure of some rows, unsure of others, and silent about a few; the label is that of `label_of`."""
    calls.append(rows)
    return [_with_confidence(row["id"]) for row in rows]


def _with_confidence(row_id: Any) -> Any:
    kind = sum(map(ord, str(row_id))) % 6
    if kind == 0:
        return None
    return {"label": label_of(row_id), "confidence": 0.95 if kind > 2 else 0.5}


def of_another_mind(rows: Rows, classes: Sequence[str]) -> list[Any]:
    """Agree with `label_of` on every other row."""
    calls.append(rows)
    sound = {row["id"]: sum(map(ord, str(row["id"]))) % 2 == 0 for row in rows}
    return [
        {"label": label_of(i) if agrees else _another(label_of(i), classes), "confidence": 0.99}
        for i, agrees in sound.items()
    ]


def _another(label: str, classes: Sequence[str]) -> str:
    return classes[(list(classes).index(label) + 1) % len(classes)]


#: The true class of each row, where a test wants a function that is often right.
fruit: dict[int, str] = {}


def learn_fruit(folder: Path) -> dict[int, str]:
    """Write a pool of fruit; give what each of its rows is, of which `guess_fruit` now knows most."""
    write_pool(folder)
    table = pq.read_table(folder / "truth.parquet")
    found = dict(zip(table.column("id").to_pylist(), table.column("label").to_pylist(), strict=True))
    calls.clear()
    fruit.update(found)
    return found


def guess(row_id: int) -> str:
    """Give the true class of most rows."""
    return fruit[row_id] if row_id % 7 else _another(fruit[row_id], sorted(set(fruit.values())))


def guess_fruit(rows: Rows, classes: Sequence[str]) -> list[Any]:
    """Be right about most rows, and sure of two in three."""
    calls.append(rows)
    return [{"label": guess(row["id"]), "confidence": 0.5 if row["id"] % 3 == 0 else 0.95} for row in rows]
