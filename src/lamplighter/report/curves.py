"""Learning curves, and what one saves against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F64
from lamplighter.rounds import RoundFacts


@dataclass(frozen=True)
class Point:
    """The metric of one round, with its 95% interval, after training on `labels` rows."""

    labels: int
    value: float
    low: float
    high: float
    round: int


@dataclass(frozen=True)
class Curve:
    """A campaign's metric over its labels, in order of rounds; rounds without a metric are left out."""

    points: tuple[Point, ...]
    higher_is_better: bool = True

    @classmethod
    def of(cls, history: Sequence[RoundFacts], *, higher_is_better: bool = True) -> Curve:
        """Build the curve of a history."""
        points = (
            Point(f.labelled_rows, f.metric.value, f.metric.low, f.metric.high, f.round)
            for f in history
            if f.metric is not None
        )
        return cls(tuple(points), higher_is_better)

    def reaches(self, point: Point, value: float) -> bool:
        """Say whether a point is at least as good as a value."""
        return point.value >= value if self.higher_is_better else point.value <= value


@dataclass(frozen=True)
class Saving:
    """Labels saved against a control at equal quality.

    Attributes
    ----------
    value
        The control's final metric.
    needed, control_needed
        Labels with which each first reached it, interpolated.
    cost
        What the saved labels would have cost; None without a price.
    """

    value: float
    needed: float
    control_needed: float
    cost: float | None = None

    @property
    def labels(self) -> float:
        """Labels saved; negative when the control needed fewer."""
        return self.control_needed - self.needed

    @property
    def share(self) -> float:
        """Saved labels as a share of the control's; 0 when the control needed none."""
        return self.labels / self.control_needed if self.control_needed else 0.0


def labels_to_reach(curve: Curve, value: float) -> float | None:
    """Give the labels with which a curve first reaches a value.

    Linear interpolation between the first point that reaches it and the one before. A noisy curve
    touches a value early by luck: compare curves on the same holdout only, where both are read so.

    Returns
    -------
    Labels; those of the first point where that already reaches the value; None if none does.
    """
    before: Point | None = None
    for point in curve.points:
        if curve.reaches(point, value):
            if before is None:
                return float(point.labels)
            part = (value - before.value) / (point.value - before.value)
            return before.labels + part * (point.labels - before.labels)
        before = point
    return None


def saving(curve: Curve, control: Curve, cost_per_label: float | None = None) -> Saving | None:
    """Compare labels at the control's final metric.

    Parameters
    ----------
    cost_per_label
        Price of one labelled row: of all its annotators, where there are several.

    Returns
    -------
    None when a curve is empty, or the campaign has not reached the control's final metric.
    """
    if not curve.points or not control.points:
        return None
    value = control.points[-1].value
    needed, control_needed = labels_to_reach(curve, value), labels_to_reach(control, value)
    if needed is None or control_needed is None:
        return None
    cost = None if cost_per_label is None else (control_needed - needed) * cost_per_label
    return Saving(value, needed, control_needed, cost)


def mean_heights(curve: Curve, control: Curve) -> tuple[float, float] | None:
    """Give the area under each curve over their common range of labels, per label.

    The mean height of the curve there: unlike the saving at one value it uses every round, so it is
    the steadier comparison.

    Returns
    -------
    None when the ranges have no stretch in common.
    """
    if not curve.points or not control.points:
        return None
    ours, theirs = _steps(curve), _steps(control)
    low = max(ours[0][0], theirs[0][0])
    high = min(ours[0][-1], theirs[0][-1])
    if low >= high:
        return None
    return _mean_height(ours, low, high), _mean_height(theirs, low, high)


def _steps(curve: Curve) -> tuple[F64, F64]:
    """Labels, increasing, and values; of rounds with equal labels the last."""
    by_labels = {point.labels: point.value for point in curve.points}
    labels = sorted(by_labels)
    return np.array(labels, np.float64), np.array([by_labels[n] for n in labels], np.float64)


def _mean_height(steps: tuple[F64, F64], low: float, high: float) -> float:
    labels, values = steps
    inside = labels[(labels > low) & (labels < high)]
    at = np.concatenate([[low], inside, [high]])
    return float(np.trapezoid(np.interp(at, labels, values), at) / (high - low))
