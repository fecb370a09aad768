"""What runs had to remark, in few lines: remarks that differ in their numbers alone are one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lamplighter.backtest.runs import Run

#: Not what is part of a name, or is one.
_NUMBER = re.compile(r"(?<![\w'.])\d[\d,]*(?:\.\d+)?(?![\w'])")


def gathered(runs: Sequence[Run], seeds: int) -> list[str]:
    """Give each remark once a strategy, its numbers as ranges, with the number of runs that made it."""
    said: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for run in runs:
        for notice in run.notices:
            said.setdefault((run.strategy, _NUMBER.sub("#", notice)), []).append((run.seed, notice))
    return [f"{name}: {_told(found, seeds)}" for (name, _), found in said.items()]


def _told(found: Sequence[tuple[int, str]], seeds: int) -> str:
    runs = len({seed for seed, _ in found})
    return f"{merged([notice for _, notice in found])} ({runs} of {seeds} runs)"


def merged(notices: Sequence[str]) -> str:
    """Make one of remarks that are equal but for their numbers.

    >>> merged(["9 of 100 rows", "48 of 100 rows", "11 of 100 rows"])
    '9 to 48 of 100 rows'
    """
    numbers = iter(zip(*map(_NUMBER.findall, notices), strict=True))
    return _NUMBER.sub(lambda _: _range(next(numbers)), notices[0])


def _range(numbers: Sequence[str]) -> str:
    low, high = (pick(numbers, key=lambda text: float(text.replace(",", ""))) for pick in (min, max))
    return low if low == high else f"{low} to {high}"
