"""The learning curve."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lamplighter.report.curves import Curve, Point, Saving
from lamplighter.report.plots.style import BLUE, FULL, GREEN, GREY, INK, MUTED, canvas, styled
from lamplighter.report.text import count, shorten


def learning_curve(
    curve: Curve,
    control: Curve | None = None,
    *,
    metric: str,
    names: tuple[str, str] = ("this campaign", "random"),
    saving: Saving | None = None,
    target: float | None = None,
) -> Figure:
    """Draw the metric over the labels, with 95% bands, beside the control.

    Parameters
    ----------
    names
        What the two lines are called at their ends.
    saving
        Drawn as an arrow from the campaign's labels to the control's at equal quality.
    target
        Drawn as a line when given.
    """
    with styled():
        figure, axes = canvas(FULL, 4.3)
        if control is not None and control.points:
            _draw(axes, control, GREY, dashed=True)
        _draw(axes, curve, BLUE)
        if target is not None:
            _target(axes, target)
        _from_zero(axes, curve)
        if saving is not None:
            slower = curve if control is None or saving.labels < 0 else control
            _arrow(axes, saving, slower)
        _name_ends(axes, _ends(curve, control, names))
        _label(axes, metric, empty=not curve.points)
    return figure


def _label(axes: Axes, metric: str, *, empty: bool) -> None:
    axes.set_title(f"{metric.replace('_', ' ')} on the holdout, with 95% interval")
    axes.set_xlabel("labelled rows in training")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x)))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if empty:
        axes.text(0.5, 0.5, "no round has a metric yet", transform=axes.transAxes, ha="center", color=MUTED)
        axes.set(xticks=[], yticks=[])


def _draw(axes: Axes, curve: Curve, colour: str, *, dashed: bool = False) -> None:
    labels = [p.labels for p in curve.points]
    values = [p.value for p in curve.points]
    lows, highs = [p.low for p in curve.points], [p.high for p in curve.points]
    if len(labels) > 1:
        axes.fill_between(labels, lows, highs, color=colour, alpha=0.14, linewidth=0)
    elif labels:
        axes.vlines(labels, lows, highs, color=colour, alpha=0.5)
    style = (0, (4, 2)) if dashed else "-"
    axes.plot(
        labels, values, color=colour, linestyle=style, marker="o", markersize=4 if len(labels) < 40 else 0
    )


def _ends(curve: Curve, control: Curve | None, names: tuple[str, str]) -> list[tuple[Point, str, str]]:
    lines = [(curve, names[0], BLUE), (control, names[1], GREY)]
    return [(line.points[-1], name, colour) for line, name, colour in lines if line and line.points]


def _name_ends(axes: Axes, ends: list[tuple[Point, str, str]]) -> None:
    """Write each line's name and value beside its end, apart from each other."""
    low, high = axes.get_ylim()
    apart = (high - low) * 0.10
    taken: list[tuple[float, float]] = []
    span = axes.get_xlim()[1] - axes.get_xlim()[0]
    for point, name, colour in ends:
        y = point.value
        for at, other in taken:
            if abs(at - point.labels) < 0.25 * span and abs(other - y) < apart:
                y = other - apart if y <= other else other + apart
        taken.append((point.labels, y))
        axes.annotate(
            f"{shorten(name, 24)}\n{point.value:.3f}",
            (point.labels, y),
            xytext=(9, 0),
            textcoords="offset points",
            color=colour if colour != GREY else MUTED,
            va="center",
            weight="bold",
            annotation_clip=False,
        )


def _arrow(axes: Axes, saving: Saving, slower: Curve) -> None:
    """Draw an arrow between the labels that each needed, its text clear of the slower curve."""
    start, end = sorted((saving.needed, saving.control_needed))
    if end - start < 1:
        return
    colour = GREEN if saving.labels > 0 else MUTED
    axes.annotate(
        "",
        (start, saving.value),
        xytext=(end, saving.value),
        arrowprops={"arrowstyle": "<|-|>", "color": colour, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0},
    )
    worst = np.interp(start, [p.labels for p in slower.points], [p.value for p in slower.points])
    side = 1 if slower.higher_is_better else -1
    word = "saved" if saving.labels > 0 else "more"
    axes.annotate(
        f"{count(abs(saving.labels))} labels {word} ({abs(saving.share):.0%})",
        ((start + end) / 2, float(worst)),
        xytext=(0, -6 * side),
        textcoords="offset points",
        ha="center",
        va="top" if side > 0 else "bottom",
        color=colour,
        weight="bold",
    )


def _from_zero(axes: Axes, curve: Curve) -> None:
    axes.set_xlim(left=0)
    if len(curve.points) == 1:
        axes.set_xlim(right=2 * max(1, curve.points[0].labels))


def _target(axes: Axes, target: float) -> None:
    axes.axhline(target, color=INK, linewidth=1, linestyle=(0, (1, 3)))
    axes.annotate(
        f"target {target:g}",
        (0, target),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3),
        textcoords="offset points",
        color=MUTED,
        fontsize=8.5,
    )
