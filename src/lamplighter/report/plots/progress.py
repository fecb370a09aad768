"""Labels and answers over the rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lamplighter.report.plots.style import BLUE, GREY, HALF, INK, MUTED, SERIES, VERMILION, canvas, styled
from lamplighter.report.text import count, shorten
from lamplighter.rounds import RoundFacts

_NAMED_ANNOTATORS = 5


def labels_over_rounds(history: Sequence[RoundFacts], limit: float | None = None) -> Figure:
    """Draw the annotations that have come in, round by round, and the budget's limit."""
    with styled():
        figure, axes = canvas(HALF, 3.2)
        rounds = [f.round for f in history]
        axes.bar(rounds, [f.annotations for f in history], color=BLUE, width=0.7)
        last = history[-1]
        axes.annotate(
            count(last.annotations),
            (last.round, last.annotations),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            color=BLUE,
            weight="bold",
        )
        if limit is not None:
            axes.axhline(limit, color=VERMILION, linewidth=1.4, linestyle=(0, (4, 2)))
            axes.annotate(
                f"budget {count(limit)}",
                (rounds[0] - 0.35, limit),
                xytext=(0, 4),
                textcoords="offset points",
                color=VERMILION,
            )
        axes.margins(y=0.14)
        _rounds(axes, "Answers so far")
    return figure


def throughput(history: Sequence[RoundFacts], annotators: Mapping[int, Mapping[str, int]]) -> Figure:
    """Draw the answers of each round by annotator, and the rows that were still outstanding."""
    with styled():
        figure, axes = canvas(HALF, 3.2)
        rounds = [f.round for f in history]
        base = [0] * len(rounds)
        for label, colour, answers in _series(rounds, annotators):
            axes.bar(rounds, answers, bottom=base, color=colour, width=0.7, label=label)
            base = [b + a for b, a in zip(base, answers, strict=True)]
        axes.plot(
            rounds,
            [f.outstanding for f in history],
            color=INK,
            linewidth=1.2,
            linestyle=(0, (2, 2)),
            marker="D",
            markersize=5,
            markeredgecolor="white",
            label="outstanding rows",
        )
        axes.margins(y=0.14)
        _rounds(axes, "Answers per round")
        figure.legend(frameon=False, loc="outside lower left", ncols=3, fontsize=8.5, labelcolor=MUTED)
    return figure


def busiest(annotators: Mapping[int, Mapping[str, int]]) -> list[tuple[str, int]]:
    """Give annotators with their answers over all rounds, most first, then by name."""
    total: Counter[str] = Counter()
    for answers in annotators.values():
        total.update(answers)
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))


def _series(
    rounds: Sequence[int], annotators: Mapping[int, Mapping[str, int]]
) -> list[tuple[str, str, list[int]]]:
    """Label, colour and answers per round of the busiest annotators, and of all others together."""
    ranked = [name for name, _ in busiest(annotators)]
    named, rest = ranked[:_NAMED_ANNOTATORS], ranked[_NAMED_ANNOTATORS:]
    series = [
        (shorten(name, 18), colour, [annotators.get(r, {}).get(name, 0) for r in rounds])
        for name, colour in zip(named, SERIES, strict=False)
    ]
    if rest:
        others = [sum(annotators.get(r, {}).get(name, 0) for name in rest) for r in rounds]
        series.append((f"{len(rest)} others", GREY, others))
    return series


def _rounds(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: count(y)))
