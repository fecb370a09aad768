"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from lamplighter.arrays import F64, I64
from lamplighter.report.plots.style import BLUE, INK, canvas, styled
from lamplighter.report.text import shorten

#: More classes than this cannot be read as a matrix; the table of confusions says more.
LARGEST = 30
_SHADES = LinearSegmentedColormap.from_list("lamplighter", ["#ffffff", "#cfe3f1", BLUE, "#003c5f"])


def confusion_matrix(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix, shaded by the share of each true class, with counts where they fit.

    Parameters
    ----------
    counts
        (C, C), rows are true classes, C at most 30.
    """
    matrix = np.asarray(counts, np.int64)
    totals = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    side = len(matrix)
    # The longest name takes its own room; the cells keep theirs.
    room = 0.075 * max((len(shorten(name, 18)) for name in classes), default=1)
    cell = 0.62 if side <= 8 else 0.42 if side <= 16 else 0.27
    with styled():
        figure, axes = canvas(room + cell * side + 0.9, room + cell * side + 0.9)
        axes.imshow(share, cmap=_SHADES, vmin=0, vmax=1)
        _numbers(axes, matrix, share, 9.5 if side <= 8 else 7.5 if side <= 16 else 5.5)
        _frame(axes, [shorten(name, 18) for name in classes], 9.5 if side <= 16 else 7.5)
    return figure


def _numbers(axes: Axes, matrix: I64, share: F64, size: float) -> None:
    for row, column in zip(*np.nonzero(matrix), strict=True):
        axes.text(
            column,
            row,
            str(matrix[row, column]),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if share[row, column] > 0.58 else INK,
        )


def _frame(axes: Axes, names: list[str], size: float) -> None:
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Rows of the holdout")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    # White lines between the cells.
    axes.set_xticks(np.arange(1, len(names)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(names)) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", axis="both", color="#eef2f5", linewidth=1)
    axes.tick_params(which="minor", length=0)
