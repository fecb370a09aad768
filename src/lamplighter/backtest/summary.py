"""The outcome as plain values, as a file of points, and as Markdown."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from math import isfinite
from typing import Any

from lamplighter.backtest.comparison import Quantity, Test
from lamplighter.backtest.evidence import chance, height, needed, plain, saved
from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.reaching import Reach
from lamplighter.backtest.runs import TIMED, Run
from lamplighter.report.text import decimal, duration, shorten

FORMAT = 1
_MARKUP = re.compile(r"([\\`*\[\]<>|&#~!])")


def summary(outcome: Outcome) -> dict[str, Any]:
    """Give all numbers of an outcome, JSON-ready: None where there is none, and never NaN."""
    areas = outcome.ranked
    return {
        "format": FORMAT,
        "setting": outcome.setting.model_dump(mode="json"),
        "higher_is_better": outcome.higher_is_better,
        "seeds": list(outcome.runs.seeds),
        "labels": [float(n) for n in outcome.curves.labels],
        "recommendation": asdict(outcome.recommendation),
        "notices": outcome.notices,
        "strategies": {name: _strategy(outcome, name) for name in areas},
        "tests": {q.name: _tests(q) for q in _compared(outcome)},
        "contenders": {q.name: list(q.contenders) for q in _compared(outcome)},
    }


def _compared(outcome: Outcome) -> list[Quantity]:
    return [outcome.area, outcome.final, *([outcome.rare] if outcome.rare else [])]


def _strategy(outcome: Outcome, name: str) -> dict[str, Any]:
    reach = outcome.reaches.get(name)
    mean, low, high = outcome.curves.band(outcome.strategies.index(name), outcome.bounds)
    return {
        **{q.name: _mean(q, name) for q in _compared(outcome)},
        "reach": _reach(reach) if reach else None,
        "seconds": dict(outcome.seconds[name]),
        "recall": {c: _mean(q, name) for c, q in outcome.recall.items()},
        "curve": {"mean": _numbers(mean), "low": _numbers(low), "high": _numbers(high)},
    }


def _mean(quantity: Quantity, name: str) -> dict[str, Any] | None:
    mean = quantity.means[name]
    return asdict(mean) if mean else None


def _reach(reach: Reach) -> dict[str, Any]:
    return {**asdict(reach), "saved": reach.saved, "share": reach.share, "money": reach.money}


def _tests(quantity: Quantity) -> dict[str, list[dict[str, Any]]]:
    """Give the families: every other strategy against each."""
    return {name: [_test(test) for test in quantity.against(name)] for name in quantity.strategies}


def _test(test: Test) -> dict[str, Any]:
    return {**asdict(test), "significant": test.significant}


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [float(v) if isfinite(v) else None for v in values]


def points_csv(runs: Sequence[Run]) -> str:
    """Give every point of every run, one a line: strategy, seed, labels, and all that was measured.

    `model` is "no" where there was none yet, and one class for every row was measured: see Point.
    Columns of recall and of seconds carry that word before their name; what a run does not have is
    empty. Numbers are written so that they read back the same.
    """
    points = [point for run in runs for point in run.points]
    metrics = _keys(point.metrics for point in points)
    classes = _keys(point.recall for point in points)
    steps = [*TIMED, *(s for s in _keys(point.seconds for point in points) if s not in TIMED)]
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [*metrics, *(f"recall {name}" for name in classes), *(f"seconds {step}" for step in steps)]
    writer.writerow(["strategy", "seed", "labels", "model", *names])
    for run in runs:
        for point in run.points:
            cells = [*_cells(point.metrics, metrics), *_cells(point.recall, classes)]
            cells += _cells(point.seconds, steps)
            model = "yes" if point.model else "no"
            writer.writerow([run.strategy, run.seed, point.labels, model, *cells])
    return file.getvalue()


def _keys(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _cells(values: Mapping[str, float | None], keys: Iterable[str]) -> list[float | str]:
    found = (values.get(key) for key in keys)
    return ["" if value is None else value for value in found]


def markdown(outcome: Outcome) -> str:
    """Give the recommendation and a table of the strategies, best first, as Markdown."""
    columns: dict[str, Callable[[str], str]] = {
        "strategy": lambda name: escaped(shorten(name, 40)),
        f"mean {plain(outcome.setting.metric)}": lambda name: height(outcome.area.means[name]),
        "at the end": lambda name: height(outcome.final.means[name]),
        **_against_control(outcome),
        "a round takes": lambda name: _time(outcome.seconds[name]["round"]),
    }
    lines = [list(columns), ["---"] * len(columns)]
    lines += [[cell(name) for cell in columns.values()] for name in outcome.ranked]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notices = "".join(f"\n- {escaped(shorten(notice, 400))}" for notice in outcome.notices)
    return f"**{escaped(outcome.recommendation.sentence)}**\n\n{table}\n{notices}".rstrip() + "\n"


def _against_control(outcome: Outcome) -> dict[str, Callable[[str], str]]:
    if outcome.control is None:
        return {}
    tests = {test.first: test for test in outcome.area.against(outcome.control)}
    control = escaped(shorten(outcome.control, 40))
    return {
        f"against {control}": lambda name: _verdict(tests[name]) if name in tests else "",
        f"labels to the end of {control}": lambda name: needed(outcome.reaches[name]),
        "saved": lambda name: saved(outcome.reaches[name]) if name in tests else "",
    }


def _verdict(test: Test) -> str:
    return f"{test.difference:+.4f}, {chance(test)}"


def escaped(text: str) -> str:
    r"""Give text as Markdown that shows it and does nothing else.

    >>> print(escaped("a|b <i>"))
    a\|b \<i\>
    """
    return _MARKUP.sub(r"\\\1", text)


def _time(seconds: float | None) -> str:
    return decimal(None) if seconds is None else duration(seconds)
