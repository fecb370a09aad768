"""Which rows are the holdout: those with the smallest keyed hashes of their ids."""

from __future__ import annotations

WHOLE = 2**64  #: how many hashes there are


def hash_bound(size: int | float, rows: int) -> int:
    """Give a bound below which all hashes of a holdout lie that is not drawn yet.

    Parameters
    ----------
    size
        A share of the pool, which the bound is exact for; or a number of rows, n: then the n-th smallest
        of all hashes is below it with a chance of about 1 - 1e-9, and little else.
    rows
        Rows of the pool.
    """
    if isinstance(size, float):
        return int(size * WHOLE)
    enough = size + 6 * size**0.5 + 20
    return min(int(enough / rows * WHOLE), WHOLE - 1)
