"""Runs that look like a backtest's, and runs of given numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lamplighter.backtest.runs import Point, Run, Setting

#: What each strategy reaches in the end, how fast it rises, and CPU seconds to train, score and select.
REALISTIC: dict[str, tuple[float, float, tuple[float, float, float]]] = {
    "random": (0.905, 260, (0.9, 0.2, 0.01)),
    "margin": (0.930, 170, (0.9, 1.1, 0.02)),
    "entropy": (0.921, 220, (0.9, 1.1, 0.02)),
    "badge": (0.932, 167, (0.9, 1.2, 2.6)),
    "k_center": (0.890, 280, (0.9, 0.5, 1.4)),
    "typiclust": (0.912, 200, (0.9, 0.6, 3.1)),
}
CLASSES = {"news": 4200, "sport": 3100, "culture": 1900, "weather": 640, "corrections": 120}


def setting(metric: str = "accuracy", **changes: object) -> Setting:
    given: dict[str, object] = {
        "campaign": "letters",
        "metric": metric,
        "class_rows": CLASSES,
        "pool_rows": 8000,
        "test_rows": 1960,
        "seed_rows": 50,
        "batch_size": 50,
        "learner": "sklearn.linear_model.LogisticRegression",
        "cost_per_label": 0.1,
    }
    return Setting.model_validate(given | changes)


def points(labels: Sequence[int], values: Sequence[float], metric: str = "accuracy") -> tuple[Point, ...]:
    return tuple(Point(labels=n, metrics={metric: v}) for n, v in zip(labels, values, strict=True))


def run(strategy: str, seed: int, values: Sequence[float], labels: Sequence[int] = ()) -> Run:
    """A run of the metric accuracy, at 10, 20, ... labels if nothing else is said."""
    at = labels or [10 * (i + 1) for i in range(len(values))]
    return Run(strategy=strategy, seed=seed, points=points(at, values))


def flat(heights: Mapping[str, Sequence[float]], *, seconds: Mapping[str, float] | None = None) -> list[Run]:
    """Runs of three points that start at 0 and stand at a height of their own from there on.

    From 10 labels to 30 the area is three quarters of the height.
    """
    return [
        Run(
            strategy=name,
            seed=seed,
            points=tuple(
                Point(
                    labels=labels,
                    metrics={"accuracy": value},
                    seconds={"train": 0.0, "score": 0.0, "select": (seconds or {}).get(name, 1.0)},
                )
                for labels, value in zip((10, 20, 30), (0.0, height, height), strict=True)
            ),
        )
        for name, row in heights.items()
        for seed, height in enumerate(row)
    ]


def realistic(seeds: int = 20, rounds: int = 12, strategies: Sequence[str] = tuple(REALISTIC)) -> list[Run]:
    """Paired runs with noise that is shared within a seed, and noise of their own."""
    return [_realistic(name, seed, rounds) for name in strategies for seed in range(seeds)]


def _realistic(name: str, seed: int, rounds: int) -> Run:
    top, scale, seconds = REALISTIC[name]
    shared = np.random.default_rng(seed).normal(0, 0.012, 2)
    own = np.random.default_rng([seed, sorted(REALISTIC).index(name)]).normal(0, 0.008, (3, rounds))
    found = []
    for i in range(rounds):
        labels = 50 + 50 * i
        risen = 1 - np.exp((50 - labels) / scale)
        # The start set is the same for all strategies, and so is the first model.
        height = 0.62 + shared[0] + (top - 0.62 + own[0, 0]) * risen + (own[0, i] if i else shared[1])
        found.append(
            Point(
                labels=labels,
                metrics={"accuracy": float(height), "log_loss": float(1.2 * (1 - height) + 0.1)},
                recall={
                    label: float(np.clip(height - 0.05 * c**1.5 + (c + 1) * own[1, i] / 2, 0, 1))
                    for c, label in enumerate(CLASSES)
                },
                seconds={
                    step: took * float(np.exp(10 * own[2, i]))
                    for step, took in zip(("train", "score", "select"), seconds, strict=True)
                },
            )
        )
    return Run(strategy=name, seed=seed, points=tuple(found))
