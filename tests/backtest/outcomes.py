"""Outcomes of every kind that a report has to show."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.runs import Point, Run
from tests.backtest.fakes import flat, realistic, run, setting


@cache
def full() -> Outcome:
    return Outcome.of(setting(facts={"pool": "s3://bucket/pool/*.parquet"}), realistic())


def with_classes(number: int) -> Outcome:
    recall = {f"class number {i}": i / number for i in range(number)}
    recall_of: dict[str, float | None] = {**recall, "never in the test rows": None}
    point = Point(labels=10, metrics={"accuracy": 0.5}, recall=recall_of)
    points = (point, point.model_copy(update={"labels": 20}))
    runs = [
        Run(strategy=name, seed=seed, points=points) for name in ("random", "margin") for seed in range(2)
    ]
    rows = {name: 1 + i for i, name in enumerate(recall_of)}
    return Outcome.of(setting(class_rows=rows), runs)


def with_a_notice() -> Outcome:
    runs = [r.model_copy(update={"notices": ("3 rows short", "3 rows short")}) for r in realistic(2, 3)]
    return Outcome.of(setting(), [*runs, run("margin", 9, [0.1, 0.2])])


CASES: dict[str, Callable[[], Outcome]] = {
    "full": full,
    "one seed": lambda: Outcome.of(setting(), realistic(1)),
    "one strategy": lambda: Outcome.of(setting(), realistic(3, 4, ["badge"])),
    "one point": lambda: Outcome.of(setting(), realistic(3, 1)),
    "no random": lambda: Outcome.of(setting(), realistic(12, 4, ["badge", "margin"])),
    "only random": lambda: Outcome.of(setting(), realistic(3, 4, ["random"])),
    "less is better": lambda: Outcome.of(setting("log_loss", cost_per_label=None), realistic(9)),
    "all equal": lambda: Outcome.of(setting(), flat({"random": [0.5] * 9, "margin": [0.5] * 9})),
    "nothing optional": lambda: Outcome.of(
        setting(class_rows={}, cost_per_label=None, learner=""),
        [run(name, seed, [0.1, 0.2]) for name in ("random", "a") for seed in range(2)],
    ),
    "60 classes": lambda: with_classes(60),
    "20 strategies": lambda: Outcome.of(
        setting(), flat({f"strategy {i}": [i / 40, i / 50] for i in range(19)} | {"random": [0.2, 0.3]})
    ),
    "notices": with_a_notice,
}
