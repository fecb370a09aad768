"""Runs on one grid of labels: learning curves, their bands, and the area under them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F64
from lamplighter.backtest.means import Bounds, band
from lamplighter.backtest.runs import PairedRuns, Point, Run
from lamplighter.errors import ConfigError


@dataclass(frozen=True)
class Span:
    """The range of labels in which runs are compared, beside what they cover.

    Attributes
    ----------
    low, high
        What all of them cover.
    first, last
        What any of them covers.
    longest
        Labels from begin to end of the longest run.
    """

    low: int
    high: int
    first: int
    last: int
    longest: int

    @classmethod
    def of(cls, runs: PairedRuns) -> Span:
        """Give the span of some runs; `high` < `low` where they have no common range."""
        begins = [run.points[0].labels for run in runs.compared]
        ends = [run.points[-1].labels for run in runs.compared]
        longest = max(end - begin for begin, end in zip(begins, ends, strict=True))
        return cls(max(begins), min(ends), min(begins), max(ends), longest)

    @property
    def whole(self) -> bool:
        """Whether all runs cover the same."""
        return (self.low, self.high) == (self.first, self.last)

    @property
    def narrow(self) -> bool:
        """Whether less than half of the longest run is compared."""
        return 2 * (self.high - self.low) < self.longest


@dataclass(frozen=True)
class Curves:
    """One number of every run, by labels.

    Attributes
    ----------
    labels
        (G,) ascending: every number of labels of any run, within the range that all runs cover.
    values
        (S, n, G) by strategy, seed and labels; linear between the points of a run. A run for which
        the number does not exist is NaN throughout.
    """

    labels: F64
    values: F64

    @property
    def areas(self) -> F64:
        """(S, n) area under each curve divided by the range of labels: its mean height.

        Trapezoids. On a range of no length, the value there.
        """
        if len(self.labels) == 1:
            return self.values[:, :, 0]
        widths = np.diff(self.labels)
        heights = (self.values[:, :, 1:] + self.values[:, :, :-1]) / 2
        return np.asarray(heights @ (widths / widths.sum()), np.float64)

    @property
    def last(self) -> F64:
        """(S, n) value at the last number of labels that all runs reach."""
        return self.values[:, :, -1]

    def band(self, strategy: int, bounds: Bounds) -> tuple[F64, F64, F64]:
        """Give mean, low and high of a strategy over its seeds, (G,) each; see `means.band`."""
        return band(self.values[strategy], bounds)


def common_labels(runs: PairedRuns) -> F64:
    """Give the grid: the union of all runs' label counts within the range that all of them cover.

    Raises
    ------
    ConfigError
        A run ends before another one begins.
    """
    last_to_begin = max(runs.compared, key=lambda run: run.points[0].labels)
    first_to_end = min(runs.compared, key=lambda run: run.points[-1].labels)
    low, high = last_to_begin.points[0].labels, first_to_end.points[-1].labels
    if low > high:
        raise ConfigError(
            f"the run of {first_to_end.strategy!r} with seed {first_to_end.seed} ends at {high} labels, "
            f"before that of {last_to_begin.strategy!r} with seed {last_to_begin.seed} begins at {low}; "
            "runs can only be compared where they overlap: leave one of the two strategies out"
        )
    counts = {point.labels for run in runs.compared for point in run.points}
    return np.array(sorted(n for n in counts if low <= n <= high), np.float64)


def curves(runs: PairedRuns, read: Callable[[Point], float | None]) -> Curves:
    """Put one number of every point on the common grid; a run that lacks it anywhere is NaN."""
    labels = common_labels(runs)
    values = [[_on(labels, run, read) for run in row] for row in runs.table]
    return Curves(labels, np.array(values, np.float64))


def _on(labels: F64, run: Run, read: Callable[[Point], float | None]) -> F64:
    # Of rounds with equal labels the last: it is the model that stood.
    by_labels = {point.labels: read(point) for point in run.points}
    found = [value for value in by_labels.values() if value is not None]
    if len(found) < len(by_labels):
        return np.full(len(labels), np.nan)
    return np.interp(labels, np.array(list(by_labels), np.float64), np.array(found, np.float64))
