"""The layouts in which the files labeler writes batches and reads answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lamplighter.labelers import exchange_doccano, exchange_potato
from lamplighter.labelers.answers import Line, lines
from lamplighter.labelers.base import Batch, Problem
from lamplighter.labelers.sheets import csv_sheet, jsonl


class Sheet(Protocol):
    """Writes a batch as a file."""

    def __call__(self, batch: Batch, *, show_prediction: bool = False) -> bytes:
        """Give the file."""


@dataclass(frozen=True)
class Layout:
    """How one program, or people by themselves, exchange files.

    Attributes
    ----------
    sheets
        Writers of batches, by format.
    chosen
        Gives the keys that hold answers, and a problem for each that only seems to, among those of an inbox.
    lines
        Reads the answers of a file.
    """

    sheets: Mapping[str, Sheet]
    chosen: Callable[[Sequence[str]], Iterator[str | Problem]]
    lines: Callable[[str, bytes], Iterator[Line | Problem]]


def _plain_keys(keys: Sequence[str]) -> Iterator[str | Problem]:
    for key in keys:
        if key.lower().endswith((".jsonl", ".csv")):
            yield key
        else:
            yield Problem(key, "answers are read from .jsonl and .csv files; rename it, or move it away")


LAYOUTS = {
    "plain": Layout({"jsonl": jsonl, "csv": csv_sheet}, _plain_keys, lines),
    "doccano": Layout({"jsonl": exchange_doccano.sheet}, exchange_doccano.chosen, exchange_doccano.lines),
    "potato": Layout({"jsonl": exchange_potato.sheet}, exchange_potato.chosen, exchange_potato.lines),
}
