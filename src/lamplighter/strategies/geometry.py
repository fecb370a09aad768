"""Which coordinates distances are measured in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamplighter.arrays import F32, F64
from lamplighter.strategies.base import Context

Floats = npt.NDArray[Any]

#: Between these, a sum of squares in float32 neither overflows nor loses digits.
SMALL, LARGE = 1e-24, 1e36

#: Columns that einsum takes as one piece; longer rows it cuts where its buffer ends, wherever that is.
_PIECE = 8192


def comparable(context: Context, x: F32, *others: F32) -> tuple[F32, ...]:
    """Give features between which distances mean something.

    An embedding has a geometry of its own and stays as it is. Columns of a table have units: each is
    shifted and scaled by its mean and deviation over `x`.

    Parameters
    ----------
    context
        Knows which of the two the pool has.
    x
        (n, D) float32 features, usually of the shortlist.
    others
        (l, D) further rows, put on the scale of `x`; those without rows may have any width.

    Returns
    -------
    `x` and the others, each of shape (., D) float32.
    """
    rows = [x, *(other if len(other) else np.empty((0, x.shape[1]), np.float32) for other in others)]
    if context.embedding or not len(x):
        return tuple(rows)
    mean, deviation = _moments(x)
    return tuple(((row - mean) / deviation).astype(np.float32) for row in rows)


def row_products(x: Floats, other: Floats) -> Floats:
    """Give x_i . other_i of rows, or x_i . other of rows and one vector: (n,) in the precision of `x`.

    Row-wise, for a C-contiguous (n, D) `x`: the rows that stand around one change no bit of its product.
    """
    by = "ij,ij->i" if other.ndim == 2 else "ij,j->i"
    products: Floats = np.einsum(by, x[:, :_PIECE], other[..., :_PIECE])
    for start in range(_PIECE, x.shape[1], _PIECE):
        columns = slice(start, start + _PIECE)
        products += np.einsum(by, x[:, columns], other[..., columns])
    return products


def standardised(x: F32) -> F32:
    """Shift and scale every column to mean 0 and deviation 1: (n, D) float32; constants become 0."""
    mean, deviation = _moments(x)
    scaled: F32 = ((x - mean) / deviation).astype(np.float32)
    return scaled


def column_weights(context: Context, x: F32) -> F32:
    """Give what every column counts for in a distance: (D,) float32, for rows like `x` that stay unscaled.

    1 in an embedding; in a table 1 / deviation over `x`, and 0 for a constant.
    """
    if context.embedding or not len(x):
        return np.ones(x.shape[1], np.float32)
    weights: F32 = (1 / _moments(x)[1]).astype(np.float32)
    return weights


def _moments(x: F32) -> tuple[F64, F64]:
    mean = x.mean(axis=0, dtype=np.float64)
    deviation = x.std(axis=0, dtype=np.float64)
    # A constant column leaves rounding noise as its deviation; scaling that up would invent structure.
    constant = deviation <= 1e-7 * np.abs(mean)
    deviation[constant] = np.inf
    return mean, deviation
