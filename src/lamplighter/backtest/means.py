"""Means over seeds, with their standard errors and 95% intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import stdtrit

from lamplighter.arrays import F64

#: The least and the greatest value that a number can have.
Bounds: TypeAlias = tuple[float, float]
SHARE: Bounds = (0.0, 1.0)


@dataclass(frozen=True)
class Mean:
    """A mean over n seeds.

    Attributes
    ----------
    error
        Its standard error s / sqrt(n), s with n - 1 degrees of freedom; None with one seed.
    low, high
        95% t interval, cut at what is possible; None with one seed.
    """

    value: float
    error: float | None
    low: float | None
    high: float | None
    n: int


def mean(values: F64, bounds: Bounds) -> Mean | None:
    """Average over seeds, NaN left out; None if nothing is left."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    middle, low, high = (float(bound[0]) for bound in band(values[:, None], bounds))
    if len(values) == 1:
        return Mean(middle, None, None, None, 1)
    return Mean(middle, standard_error(values), low, high, len(values))


def standard_error(values: F64) -> float:
    """Give s / sqrt(n) of at least two values."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def band(values: F64, bounds: Bounds) -> tuple[F64, F64, F64]:
    """Give mean and 95% t interval of each column over its rows.

    With n rows the interval is mean -+ t s / sqrt(n), t the 97.5% point of Student's distribution
    with n - 1 degrees of freedom: it says where the mean over all possible seeds lies, and not
    where a single run would end. Each column for itself; the band as a whole covers less. It is
    cut at `bounds`, which loses nothing. With one row there is no interval: NaN.

    Parameters
    ----------
    values
        (n, G); rows with NaN are left out.

    References
    ----------
    Student 1908, doi:10.1093/biomet/6.1.1.
    """
    values = values[np.isfinite(values).all(axis=1)]
    n = len(values)
    if n < 2:
        nothing = np.full(values.shape[1], np.nan)
        return (values[0] if n else nothing), nothing, nothing
    middle = values.mean(axis=0)
    half = stdtrit(n - 1, 0.975) * values.std(axis=0, ddof=1) / np.sqrt(n)
    # Rounding must not push a bound past the mean.
    low, high = np.clip(middle - half, *bounds), np.clip(middle + half, *bounds)
    return middle, np.minimum(low, middle), np.maximum(high, middle)
