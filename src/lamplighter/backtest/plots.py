"""The figures of a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lamplighter.arrays import F64
from lamplighter.backtest.means import Mean
from lamplighter.report.plots.style import FULL, GREY, INK, MUTED, SERIES, canvas, styled
from lamplighter.report.text import count, shorten

_DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)))


@dataclass(frozen=True)
class Look:
    """How a strategy is drawn, the same in all figures."""

    colour: str
    dashes: str | tuple[float, tuple[float, ...]] = "-"


@dataclass(frozen=True)
class Line:
    """A strategy's mean curve with its band; NaN where there is none."""

    name: str
    look: Look
    mean: F64
    low: F64
    high: F64


def looks(strategies: Sequence[str], control: str | None) -> dict[str, Look]:
    """Give every strategy its colour, in order; the control is grey, beyond six the dashes change."""
    others = [name for name in strategies if name != control]
    found = {
        name: Look(SERIES[i % len(SERIES)], _DASHES[i // len(SERIES) % len(_DASHES)])
        for i, name in enumerate(others)
    }
    return found | ({control: Look(GREY, (0, (4, 2)))} if control else {})


def learning_curves(labels: F64, lines: Sequence[Line], *, title: str, goal: float | None = None) -> Figure:
    """Draw mean curves with their bands over the labels; the first line lies on top.

    Parameters
    ----------
    goal
        A height that is drawn as a dotted line.
    """
    with styled():
        figure, axes = canvas(FULL, max(4.3, 0.8 + 0.24 * len(lines)))
        marker = "o" if len(labels) < 40 else ""
        for line in reversed(lines):
            axes.fill_between(labels, line.low, line.high, color=line.look.colour, alpha=0.14, linewidth=0)
            colour, dashes = line.look.colour, line.look.dashes
            axes.plot(
                labels,
                line.mean,
                color=colour,
                linestyle=dashes,
                marker=marker,
                markersize=3.5,
                linewidth=1.8,
            )
        if goal is not None:
            axes.axhline(goal, color=INK, linewidth=1, linestyle=(0, (1, 3)))
        _axis_of_labels(axes, labels, title)
        _name_ends(axes, labels, lines)
    return figure


def _axis_of_labels(axes: Axes, labels: F64, title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("labelled rows in training")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x)))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    # A single point stands in the middle.
    axes.set_xlim(0, max(1.0, float(labels[-1])) * (2 if len(labels) == 1 else 1.01))


def _name_ends(axes: Axes, labels: F64, lines: Sequence[Line]) -> None:
    """Write each line's name beside its end, apart from each other, in the order of the ends."""
    drawn = sorted((line for line in lines if np.isfinite(line.mean[-1])), key=lambda line: line.mean[-1])
    if not drawn:
        return
    low, high = axes.get_ylim()
    inches = axes.get_figure(root=True).get_figheight() - 1.0  # type: ignore[union-attr]
    gap = min((high - low) * 0.19 / inches, (high - low) / len(drawn))
    places = within(spread([float(line.mean[-1]) for line in drawn], gap), gap, low, high)
    for line, place in zip(drawn, places, strict=True):
        axes.annotate(
            f"{shorten(line.name, 22)} {line.mean[-1]:.3f}",
            (float(labels[-1]), float(line.mean[-1])),
            xytext=(float(labels[-1]) + 0.03 * (axes.get_xlim()[1] - axes.get_xlim()[0]), place),
            textcoords="data",
            color=line.look.colour if line.look.colour != GREY else MUTED,
            va="center",
            weight="bold",
            fontsize=9,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": line.look.colour, "linewidth": 0.6, "relpos": (0, 0.5)},
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move ascending heights so that neighbours are at least a gap apart, as little as may be.

    Least squares under order: with i gaps taken off the i-th height it is isotonic regression, by
    pooling adjacent violators.

    >>> spread([0.0, 0.25, 9.0], 1.0)
    [-0.375, 0.625, 9.0]
    """
    blocks: list[tuple[float, int]] = []
    for i, height in enumerate(heights):
        block = (height - i * gap, 1)
        while blocks and blocks[-1][0] >= block[0]:
            value, size = blocks.pop()
            block = ((value * size + block[0] * block[1]) / (size + block[1]), size + block[1])
        blocks.append(block)
    flat = [value for value, size in blocks for _ in range(size)]
    return [value + i * gap for i, value in enumerate(flat)]


def within(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move heights that stand outside of the limits inside, and their neighbours on.

    >>> within([0.0, 3.0, 4.0], 1.0, 0.5, 3.5)
    [0.5, 2.5, 3.5]
    """
    last = len(heights) - 1
    return [max(low + i * gap, min(high - (last - i) * gap, h)) for i, h in enumerate(heights)]


def recalls(classes: Sequence[str], strategies: Sequence[tuple[str, Look, Sequence[Mean | None]]]) -> Figure:
    """Draw the mean recall of each class with its interval, strategy by strategy.

    Parameters
    ----------
    classes
        From top to bottom.
    strategies
        Name, look, and the mean of each class, from top to bottom within each class.
    """
    with styled():
        step = 0.72 / max(1, len(strategies))
        figure, axes = canvas(FULL, 1.1 + len(classes) * max(0.42, 0.13 * len(strategies) + 0.12))
        for i, (name, look, means) in enumerate(strategies):
            _dots(axes, (i - (len(strategies) - 1) / 2) * step, shorten(name, 22), (look, means))
        axes.set_yticks(range(len(classes)), [shorten(name, 28) for name in classes])
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.grid(axis="x", visible=True)
        axes.grid(axis="y", visible=False)
        for border in range(1, len(classes)):
            axes.axhline(border - 0.5, color="#dfe5eb", linewidth=0.8)
        axes.set_title("recall on the test rows at the end, with 95% interval")
        figure.legend(frameon=False, loc="outside lower left", ncols=6, fontsize=8.5, labelcolor=MUTED)
    return figure


def _dots(axes: Axes, offset: float, name: str, drawn: tuple[Look, Sequence[Mean | None]]) -> None:
    look, means = drawn
    there = [(i + offset, m) for i, m in enumerate(means) if m is not None]
    at = [y for y, _ in there]
    low = [m.value - (m.value if m.low is None else m.low) for _, m in there]
    high = [(m.value if m.high is None else m.high) - m.value for _, m in there]
    axes.errorbar(
        [m.value for _, m in there],
        at,
        xerr=[low, high],
        fmt="o",
        markersize=4.5,
        color=look.colour,
        elinewidth=1.6,
        label=name,
    )
