"""Scores and class counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lamplighter.arrays import F32, F64
from lamplighter.report.plots.style import AMBER, BLUE, GREY, HALF, MUTED, canvas, styled
from lamplighter.report.text import count, shorten

#: More classes than this have no room for their names.
NAMED_CLASSES = 30
_BINS = 40


def score_histogram(sample: F32, batch: F32) -> Figure:
    """Draw how the pool's scores lie, and where in them the batch was taken.

    Parameters
    ----------
    sample, batch
        Scores of a sample of the pool and of the batch; each is drawn as a share of its own rows, as
        the batch is a few rows of millions.
    """
    shown = [("sample of the pool", _finite(sample), GREY), ("batch", _finite(batch), AMBER)]
    with styled():
        figure, axes = canvas(HALF, 3.2)
        edges = _edges(np.concatenate([scores for _, scores, _ in shown]))
        for name, scores, colour in shown:
            if len(scores):
                share = np.histogram(scores, edges)[0] / len(scores)
                axes.stairs(share, edges, fill=True, color=colour, alpha=0.55, label=name)
                axes.stairs(share, edges, color=colour, linewidth=1.2)
        axes.set_title("Scores: what was picked, of what there was")
        axes.set_xlabel("score (higher is more wanted)")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if axes.patches:
            axes.legend(frameon=False, loc="upper left", labelcolor=MUTED)
    return figure


def class_counts(counts: Mapping[str, int]) -> Figure:
    """Draw labels per class, most frequent first; beyond 30 classes as one ranked outline."""
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    with styled():
        if len(ranked) > NAMED_CLASSES:
            return _ranked(ranked)
        figure, axes = canvas(HALF, max(1.6, 0.9 + 0.24 * len(ranked)))
        names = [shorten(name, 22) for name, _ in ranked]
        values = [value for _, value in ranked]
        bars = axes.barh(range(len(values)), values, color=BLUE, height=0.68)
        axes.bar_label(bars, [count(v) for v in values], padding=4, color=MUTED)
        axes.set_yticks(range(len(values)), names)
        axes.invert_yaxis()
        _bare(axes, f"Labels by class: {count(sum(values))} in {len(values)} classes")
    return figure


def _ranked(ranked: list[tuple[str, int]]) -> Figure:
    figure, axes = canvas(HALF, 3.2)
    values = [value for _, value in ranked]
    axes.stairs(values, np.arange(len(values) + 1), fill=True, color=BLUE)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_title(f"Labels by class: {count(sum(values))} in {len(values)} classes")
    ends = [f"{shorten(name, 20)} ({count(value)})" for name, value in (ranked[0], ranked[-1])]
    axes.set_xlabel(f"classes, from {ends[0]} to {ends[1]}")
    axes.set_xticks([])
    return figure


def _bare(axes: Axes, title: str) -> None:
    """Bars with their numbers beside them need no axis."""
    axes.set_title(title)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.margins(x=0.12, y=0.02)
    axes.tick_params(axis="y", colors="#1b2733")


def _finite(scores: F32) -> F64:
    return np.asarray(scores, np.float64)[np.isfinite(scores)]


def _edges(scores: F64) -> F64:
    low, high = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)
