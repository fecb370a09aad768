"""Which figures the report of a backtest shows, and what each says to those who cannot see it."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.figure import Figure

from lamplighter.backtest import plots, rows
from lamplighter.backtest.curves import Curves
from lamplighter.backtest.evidence import plain
from lamplighter.backtest.means import SHARE, Bounds
from lamplighter.backtest.outcome import Outcome
from lamplighter.report.pictures import Picture
from lamplighter.report.plots.style import svg_data_uri
from lamplighter.report.text import shorten

#: Classes in the figure at most, and dots; all classes are in the table.
LARGEST = 12
_DOTS = 96


def pictures(outcome: Outcome) -> dict[str, Picture | None]:
    """Draw every figure that the outcome has data for; None for the others."""
    return {
        "curves": _picture(
            learning_curves(outcome),
            f"Mean {plain(outcome.setting.metric)} by labels with 95% bands, a line for each strategy; the "
            "table of strategies and the file of points hold the numbers.",
        ),
        "recall": _recalls(outcome),
        "rare": _rare(outcome),
    }


def learning_curves(outcome: Outcome) -> Figure:
    """Draw the learning curve of every strategy, with the control's final value."""
    final = outcome.final.means[outcome.control] if outcome.control else None
    return plots.learning_curves(
        outcome.curves.labels,
        _lines(outcome, outcome.curves, outcome.bounds),
        title=f"{plain(outcome.setting.metric)} on the test rows, mean over seeds with 95% band",
        goal=final.value if final else None,
    )


def _lines(outcome: Outcome, curves: Curves, bounds: Bounds) -> list[plots.Line]:
    """Give a line for each strategy, the recommended one first."""
    looks = plots.looks(outcome.strategies, outcome.control)
    pick = outcome.recommendation.strategy
    order = sorted(outcome.ranked, key=lambda name: name != pick)
    return [
        plots.Line(name, looks[name], *curves.band(outcome.strategies.index(name), bounds)) for name in order
    ]


def _recalls(outcome: Outcome) -> Picture | None:
    every = [row for row in rows.recalls(outcome) if any(row.means)]
    room = min(LARGEST, max(3, _DOTS // len(outcome.strategies)))
    # The rarest class is in sight wherever it stands.
    shown = [row for i, row in enumerate(every) if i < room - 1 or row.rarest][:room]
    if not shown:
        return None
    looks = plots.looks(outcome.strategies, outcome.control)
    strategies = [
        (name, looks[name], [row.means[i] for row in shown]) for i, name in enumerate(outcome.ranked)
    ]
    return _picture(
        plots.recalls([row.name for row in shown], strategies),
        f"Recall at the end of {len(shown)} of {len(every)} classes by strategy; the table below holds the "
        "numbers.",
    )


def _rare(outcome: Outcome) -> Picture | None:
    rarest = outcome.setting.rarest
    if rarest is None or outcome.rare is None:
        return None
    name = shorten(rarest, 40)
    figure = plots.learning_curves(
        outcome.curves.labels,
        _lines(outcome, outcome.recall_curves(rarest), SHARE),
        title=f"recall of the rarest class, {name}, mean over seeds with 95% band",
    )
    return _picture(figure, f"Mean recall of the class {name} by labels, a line for each strategy.")


def _picture(figure: Figure, alt: str) -> Picture:
    # The URI is base64 and as such needs no escaping.
    return Picture(Markup(svg_data_uri(figure)), alt)  # noqa: S704
