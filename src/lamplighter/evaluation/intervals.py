"""95% intervals: Wilson's for shares, the percentile bootstrap for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np

from lamplighter.arrays import F32, F64, I64

#: The 97.5% point of the normal distribution.
Z = 1.959963984540054
#: Cells of one block of resample weights: 8 MB, so that it stays near the cache.
_BLOCK = 2_000_000


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Give Wilson's 95% score interval of a share.

    With p = successes / n and z = 1.96, the bounds are
    (p + z^2/2n -+ z sqrt(p(1 - p)/n + z^2/4n^2)) / (1 + z^2/n).
    Unlike p -+ z sqrt(p(1 - p)/n) it has a width at 0 and 1 and holds its level for small n.

    Raises
    ------
    ValueError
        For n < 1, or successes outside [0, n].

    References
    ----------
    Wilson 1927, doi:10.1080/01621459.1927.10502953; Brown, Cai and DasGupta 2001,
    doi:10.1214/ss/1009213286.

    >>> [round(bound, 4) for bound in wilson(90, 100)]
    [0.8256, 0.9448]
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"no interval for {successes} of {n}; allowed: 0 <= successes <= n, n >= 1")
    p, shrink = successes / n, 1 + Z * Z / n
    middle = (p + Z * Z / (2 * n)) / shrink
    half = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / shrink
    # Rounding must not push a bound past the share or out of [0, 1].
    return max(0.0, min(middle - half, p)), min(1.0, max(middle + half, p))


def faultless(class_sizes: I64) -> float:
    """Give the lower bound of a mean over classes when not one row of any class is wrong.

    A bootstrap of a faultless holdout has no spread and would claim certainty, from one row as
    from a thousand, and a target would be reached by luck. Each class alone has Wilson's lower
    bound n/(n + z^2); the distances to 1 are joined by the method of variance estimates recovery,
    1 - sqrt(sum d_c^2) / C.

    Parameters
    ----------
    class_sizes
        (C,) int64, rows of each class that is present, all >= 1.

    References
    ----------
    Zou and Donner 2008, doi:10.1002/sim.3095.
    """
    distance = Z * Z / (class_sizes + Z * Z)
    return float(1 - np.sqrt(np.sum(distance**2)) / len(class_sizes))


def resamples(n: int, count: int, generator: np.random.Generator) -> Iterator[F32]:
    """Draw bootstrap resamples of n rows, as how often each row is in each.

    Yields
    ------
    (r, n) float32 blocks of whole numbers with row sums n, `count` rows in all. float32 counts
    exactly up to 2^24 rows.
    """
    per_block = max(1, _BLOCK // n)
    for start in range(0, count, per_block):
        r = min(per_block, count - start)
        drawn = generator.integers(0, n, size=(r, n)) + np.arange(r)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n).astype(np.float32)


def percentiles(values: F64) -> tuple[float, float]:
    """Give the 2.5% and 97.5% points of bootstrapped values.

    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13,
    doi:10.1201/9780429246593.
    """
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
