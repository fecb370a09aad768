"""How many labels a strategy needs for what random picks end up with, and what that saves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.arrays import F64
from lamplighter.rng import generator

RESAMPLES = 2000
#: The mean of equal numbers has other last bits in another order.
_ROUNDING = 1e-12
#: Cells of one block of resampled curves: 16 MB.
_BLOCK = 2_000_000


@dataclass(frozen=True)
class Reach:
    """Labels with which a strategy's mean curve first is as good as the control's mean at its end.

    Attributes
    ----------
    needed, control_needed
        Labels, the start set included, interpolated; `needed` is None if it never gets there.
    needed_low, needed_high
        95% interval; `needed_high` is None where it lies beyond the end of the curves, both are
        with one seed.
    saved_low, saved_high
        95% interval of the saving; an end is None where it has no limit.
    reached
        Share of the resamples that got there; None with one seed.
    at_start, control_at_start
        Whether the curve begins high enough, so that `needed` or `control_needed` is an upper bound.
    """

    needed: float | None
    control_needed: float
    needed_low: float | None = None
    needed_high: float | None = None
    saved_low: float | None = None
    saved_high: float | None = None
    reached: float | None = None
    cost_per_label: float | None = None
    at_start: bool = False
    control_at_start: bool = False

    @property
    def saved(self) -> float | None:
        """Labels saved; negative where the strategy needs more than the control."""
        return None if self.needed is None else self.control_needed - self.needed

    @property
    def share(self) -> float | None:
        """Saved labels as a share of the control's."""
        return None if self.saved is None else self.saved / max(self.control_needed, 1.0)

    @property
    def money(self) -> float | None:
        """What the saved labels would have cost; None without a price."""
        if self.saved is None or self.cost_per_label is None:
            return None
        return self.saved * self.cost_per_label


def first_reached(labels: F64, heights: F64, target: F64 | np.float64) -> F64:
    """Give the labels with which curves first reach a height.

    Linear between the first point that is high enough and the one before. A noisy curve gets
    there early by luck, which is why curves are averaged over seeds first and the control is read
    in the same way.

    Parameters
    ----------
    labels
        (G,) ascending.
    heights
        (..., G), more is better.
    target
        (...,)

    Returns
    -------
    (...,) labels; the first where a curve begins high enough, infinity where it never gets there.
    """
    enough = heights >= np.asarray(target)[..., None] - _ROUNDING
    first = enough.argmax(axis=-1)
    before = np.maximum(first - 1, 0)
    left = np.take_along_axis(heights, before[..., None], -1)[..., 0]
    right = np.take_along_axis(heights, first[..., None], -1)[..., 0]
    rise = right - left
    part = np.divide(target - left, rise, out=np.ones_like(rise), where=rise > 0)
    found = labels[before] + np.clip(part, 0, 1) * (labels[first] - labels[before])
    return np.where(enough.any(axis=-1), found, np.inf)


def reach(labels: F64, heights: F64, control: F64, cost_per_label: float | None = None) -> Reach:
    """Compare a strategy with the control at the control's mean final height.

    Intervals are percentiles of a paired bootstrap: seeds are drawn with replacement, the same for
    both, and both mean curves and the target are made anew. Resamples that never get there count as
    more labels than there are. Percentiles are values that occurred, never between two.
    O(resamples x n x G) time; memory is one block of resamples.

    Parameters
    ----------
    labels
        (G,) ascending.
    heights, control
        (n, G) curves of the same n seeds, more is better.

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13,
    doi:10.1201/9780429246593.
    """
    ours, theirs = heights.mean(axis=0), control.mean(axis=0)
    needed = float(first_reached(labels, ours, theirs[-1]))
    control_needed = float(first_reached(labels, theirs, theirs[-1]))
    found = Reach(
        _finite(needed),
        control_needed,
        cost_per_label=cost_per_label,
        at_start=needed == float(labels[0]),
        control_at_start=control_needed == float(labels[0]),
    )
    if len(heights) < 2:
        return found
    drawn = [_pair(labels, w @ heights, w @ control) for w in _weights(len(heights), heights.size)]
    every = np.concatenate([pair[0] for pair in drawn])
    saved = np.concatenate([pair[1] for pair in drawn]) - every
    (needed_low, needed_high), (saved_low, saved_high) = _interval(every), _interval(saved)
    return replace(
        found,
        needed_low=needed_low,
        needed_high=needed_high,
        saved_low=saved_low,
        saved_high=saved_high,
        reached=float(np.isfinite(every).mean()),
    )


def _pair(labels: F64, ours: F64, theirs: F64) -> tuple[F64, F64]:
    target = theirs[:, -1]
    return first_reached(labels, ours, target), first_reached(labels, theirs, target)


def _weights(n: int, cells: int) -> Iterator[F64]:
    """Give (r, n) blocks of weights with row sums 1, RESAMPLES rows in all, always the same."""
    draws = generator(0, 0, "backtest bootstrap").integers(0, n, size=(RESAMPLES, n))
    counts = (draws[:, :, None] == np.arange(n)).sum(axis=1) / n
    rows = max(1, _BLOCK * n // cells)
    for start in range(0, RESAMPLES, rows):
        yield counts[start : start + rows]


def _interval(values: F64) -> tuple[float | None, float | None]:
    # Infinities cannot be interpolated.
    low = float(np.quantile(values, 0.025, method="lower"))
    high = float(np.quantile(values, 0.975, method="higher"))
    return _finite(low), _finite(high)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
