"""Answers given far faster or slower than the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F64, Bools

#: Robust z-scores beyond which an answer is an outlier, as Iglewicz and Hoaglin advise.
LIMIT = 3.5
#: Make the median, or the mean, of absolute deviations that of a normal distribution's sigma.
_OF_MEDIAN, _OF_MEAN = 1.4826022185056018, 1.2533141373155001


@dataclass(frozen=True, eq=False)
class LeadTimes:
    """Which of a answers stand out.

    Attributes
    ----------
    fast, slow
        (a,) bool.
    known
        (a,) bool: finite and above 0; no others stand out, and none counts for the median.
    median_s
        Median of the known, in seconds; None where none is known.
    fast_below_s, slow_above_s
        Where outliers begin; None where the times have no spread.
    """

    fast: Bools
    slow: Bools
    known: Bools
    median_s: float | None
    fast_below_s: float | None
    slow_above_s: float | None


def lead_times(seconds: F64, *, limit: float = LIMIT) -> LeadTimes:
    """Find lead times that are outliers on the logarithmic scale, on which they are about symmetric.

    With x = ln t over all answers, an answer is fast if z < -limit and slow if z > limit, where

        z = (x - median(x)) / (1.4826 median|x - median(x)|).

    Half of all answers may be wrong without moving the bounds. Where more than half have one lead
    time, 1.2533 mean|x - median(x)| is the scale; where all have, nothing stands out.

    Parameters
    ----------
    seconds
        (a,) float64; NaN, or not above 0, where unknown. O(a).
    limit
        Above 0.

    References
    ----------
    Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers, ISBN 978-0-87389-247-6; Leys and
    others 2013, doi:10.1016/j.jesp.2013.03.013.
    """
    known = np.isfinite(seconds) & (seconds > 0)
    x = np.log(seconds, where=known, out=np.zeros(len(seconds)))
    if not known.any():
        return LeadTimes(known, known, known, None, None, None)
    middle = float(np.median(x[known]))
    away = np.abs(x[known] - middle)
    scale = _OF_MEDIAN * float(np.median(away)) or _OF_MEAN * float(away.mean())
    if not scale:
        nothing = np.zeros(len(seconds), bool)
        return LeadTimes(nothing, nothing, known, float(np.exp(middle)), None, None)
    low, high = middle - limit * scale, middle + limit * scale
    return LeadTimes(
        known & (x < low),
        known & (x > high),
        known,
        *(float(np.exp(point)) for point in (middle, low, high)),
    )
