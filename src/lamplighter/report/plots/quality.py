"""Label quality over the rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lamplighter.report.plots.style import AMBER, BLUE, GREEN, HALF, MUTED, canvas, styled
from lamplighter.rounds import Estimate

#: Colour and marker of each measure: told apart without colours too.
_LOOKS = ((BLUE, "o"), (AMBER, "s"), (GREEN, "D"))


def quality_over_rounds(
    measures: Mapping[str, Sequence[tuple[int, Estimate]]], bounds: Mapping[str, float]
) -> Figure:
    """Draw measures with their 95% intervals, round by round, and the bounds below which they alarm.

    Parameters
    ----------
    measures
        At most three: name -> (round, estimate), oldest first. Empty ones are not drawn.
    bounds
        By name of the measure.
    """
    with styled():
        figure, axes = canvas(HALF, 3.2)
        for (name, dots), (colour, marker) in zip(measures.items(), _LOOKS, strict=False):
            if dots:
                _draw(axes, name, dots, (colour, marker))
            if dots and name in bounds:
                axes.axhline(bounds[name], color=colour, linewidth=1, linestyle=(0, (1, 2)))
        lows = [estimate.low for dots in measures.values() for _, estimate in dots]
        axes.set_ylim(min([0.0, *lows]) - 0.02, 1.03)
        axes.set_title("Label quality, with 95% intervals")
        axes.set_xlabel("round")
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
        figure.legend(frameon=False, loc="outside lower left", ncols=2, fontsize=8.5, labelcolor=MUTED)
    return figure


def _draw(axes: Axes, name: str, dots: Sequence[tuple[int, Estimate]], look: tuple[str, str]) -> None:
    colour, marker = look
    rounds, values = [number for number, _ in dots], [estimate.value for _, estimate in dots]
    lows, highs = [estimate.low for _, estimate in dots], [estimate.high for _, estimate in dots]
    if len(dots) > 1:
        axes.fill_between(rounds, lows, highs, color=colour, alpha=0.14, linewidth=0)
    else:
        axes.vlines(rounds, lows, highs, color=colour, alpha=0.5)
    axes.plot(
        rounds, values, color=colour, marker=marker, markersize=4.5 if len(dots) < 40 else 0, label=name
    )
