"""Pick row after row, each with the largest value left, where every pick lowers the values of its like.

Farthest-first and maximal marginal relevance are of one form. With S what is picked already::

    value_i(S) = own_i - max over s in S of (gain * x_i . x_s - drop * |x_s|^2)

A value only falls as S grows, so an old value is a bound: rows whose bound lies below the best value
known need not be looked at. `spread` keeps the values of a few promising rows up to date, one
matrix-vector product per pick, for as long as no other row can be the best; then it brings all rows up
to date by one matrix product for all picks since. The picks are those of the plain method in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lamplighter.arrays import F32, F64, I64

#: Rows, and members of S, that are multiplied at a time: the products stay in cache.
ROWS, MEMBERS = 2048, 256

#: Rows that float32 may leave undecided; where there are more, float64 goes on.
UNDECIDED = 64

#: Fewest promising rows, and the picks between two looks at all rows that are too few, or plenty.
_FEWEST, _FEW, _PLENTY = 512, 32, 256

Floats: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of every row's value: own_i - max_s (gain * x_i . x_s - drop * |x_s|^2).

    Attributes
    ----------
    x
        (m, D) float32; its rows count as (x - shift) * scale.
    shift
        (D,) float64.
    scale
        (m,) float64.
    norm
        (m,) float64: |x_i|^2 of the rows as they count.
    own
        (m,) float64.
    gain, drop
        Weights of the product and of the norm.
    """

    x: F32
    shift: F64
    scale: F64
    norm: F64
    own: F64
    gain: float
    drop: float

    def rows(self, at: I64 | slice, dtype: npt.DTypeLike) -> Floats:
        """Give the rows at `at` as they count, in `dtype`."""
        return moved(self.x[at], self.shift, self.scale[at], dtype)


def moved(x: F32, shift: F64, scale: F64, dtype: npt.DTypeLike = np.float64) -> Floats:
    """Give (x - shift) * scale in `dtype`."""
    out: Floats = x.astype(dtype)
    if shift.any():
        out -= shift.astype(dtype)
    if (scale != 1).any():
        out *= scale.astype(dtype)[:, None]
    return out


def norms(x: F32, shift: F64, scale: F64) -> F64:
    """Give |(x - shift) * scale|^2 of (m, D) rows: (m,) float64."""
    out = np.empty(len(x))
    for start in range(0, len(x), ROWS):
        at = slice(start, start + ROWS)
        rows = moved(x[at], shift, scale[at])
        np.einsum("ij,ij->i", rows, rows, out=out[at])
    return out


def to_unit(x: F32) -> F64:
    """Give 1 / |x|, 0 for rows of zeros (or so near 0 that float32 cannot scale them): (n,) float64."""
    length = np.sqrt(norms(x, np.zeros(x.shape[1]), np.ones(len(x))))
    return np.divide(1, length, out=np.zeros(len(x)), where=length > 1e-30)


@dataclass(frozen=True, eq=False)
class Spread:
    """What `spread` picked.

    Attributes
    ----------
    positions
        (k,) int64, in the order of the picks.
    last
        Value of the last pick when it was picked; infinite if nothing was in S before, or nothing picked.
    left
        Largest value of the rows not picked; -inf if there are none.
    """

    positions: I64
    last: float
    left: float


def spread(terms: Terms, k: int, start: I64, members: F64) -> Spread:
    """Pick rows until there are k, each the first with the largest value given those before.

    O(m k D) operations at the speed of a matrix product. Memory beside x: a few numbers per row, a copy
    of the promising rows and a block. Values that differ by less than float64 resolves count as equal.

    Parameters
    ----------
    terms
        Rows and formula.
    k
        Picks in all, from 0 to m.
    start
        At most k positions of picks already made.
    members
        (l, D) float64 members of S that are no rows, as they count; with `start` at least one.
    """
    picking = _Picking(terms, start, members, k)
    picking.run()
    picking.refresh()
    return Spread(picking.positions, picking.last(), picking.left())


class _Picking:
    """The running state: S, and the value of every row as of the last refresh."""

    def __init__(self, terms: Terms, start: I64, members: F64, k: int) -> None:
        m = len(terms.x)
        self.terms, self.k = terms, k
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        self.value: Floats = np.full(m, np.inf, self.dtype)
        self.members = np.empty((len(members) + k, terms.x.shape[1]))
        self.members[: len(members)] = members
        self.count, self.seen = len(members), 0
        self.positions, self.picked = np.zeros(k, np.int64), 0
        self.promising = max(_FEWEST, m // 32)
        for position in start.tolist():
            self.add(position)

    def add(self, position: int) -> None:
        """Make a row the next pick."""
        self.members[self.count] = self.terms.rows(np.array([position]), np.float64)[0]
        self.positions[self.picked] = position
        self.value[position] = -np.inf
        self.count, self.picked = self.count + 1, self.picked + 1

    def run(self) -> None:
        """Pick until there are k."""
        while self.picked < self.k:
            before = self.picked
            self.refresh()
            if not _Promising(self).run():
                self.widen()
            elif self.picked - before < _FEW:
                self.promising = min(2 * self.promising, max(_FEWEST, len(self.value) // 4))
            elif self.picked - before > _PLENTY:
                self.promising = max(self.promising // 2, _FEWEST)

    def widen(self) -> None:
        """Go on in float64, with every row to be brought up to date again."""
        self.dtype, self.seen = np.dtype(np.float64), 0
        self.value = np.where(np.isneginf(self.value), -np.inf, np.inf)

    def refresh(self) -> None:
        """Bring the values of all rows up to date."""
        for start in range(0, len(self.value) if self.seen < self.count else 0, ROWS):
            at = slice(start, start + ROWS)
            lower(self.value[at], self.terms, at, self.members[self.seen : self.count])
        self.seen = self.count

    def slack(self, at: I64 | slice, value: Floats) -> Floats:
        """Bound the rounding error of values: that of a dot product of what they are made of.

        The member of S that counts for a row is no farther from it than the root of its value, so that
        its norm is bounded too; members far off may err by more, but do not count.
        """
        weight = 4 * (self.terms.gain + self.terms.drop)
        size = weight * self.terms.norm[at] + np.abs(self.terms.own[at]) + 4 * np.maximum(value, 0)
        unit = np.finfo(self.dtype).eps * np.sqrt(self.terms.x.shape[1])
        bound: Floats = (unit * size + 1e-30).astype(self.dtype)
        return bound

    def exact(self, at: I64, count: int | None = None) -> F64:
        """Give the values of a few rows in float64; for the first `count` members of S."""
        value = np.full(len(at), np.inf)
        lower(value, self.terms, at, self.members[: self.count if count is None else count])
        return value

    def last(self) -> float:
        """Give the value that the last pick had."""
        return float(self.exact(self.positions[-1:], self.count - 1)[0]) if self.picked else np.inf

    def left(self) -> float:
        """Give the largest value of the rows not picked."""
        highest = _largest(self.value, UNDECIDED)
        return float(self.exact(highest[np.isfinite(self.value[highest])]).max(initial=-np.inf))


class _Promising:
    """The rows that may be the next picks, up to date; no other row can be while `decided` holds.

    Attributes
    ----------
    at
        (t,) positions, ascending.
    bar
        No other row's value is above this.
    floor, fence
        No other row before the position `fence` has a value that may be as large as `floor`: among
        equals, rows before the fence come first.
    """

    def __init__(self, picking: _Picking) -> None:
        self.picking = picking
        value = picking.value
        slack = picking.slack(slice(None), value)
        low, high, most = value - slack, value + slack, picking.promising
        best = int(low.argmax())
        self.floor = float(low[best])
        equals = np.flatnonzero(high >= self.floor)
        self.fence = int(equals[most]) if len(equals) > most else len(value)
        self.at = np.unique(np.concatenate([equals[:most], [best], _largest(high, most)]))
        self.value, self.slack = value[self.at].copy(), slack[self.at]
        high[self.at] = -np.inf
        self.bar = float(high.max())
        self.rows = picking.terms.rows(self.at, picking.dtype)
        self.own = picking.terms.own[self.at].astype(picking.dtype)

    def run(self) -> bool:
        """Pick while no row outside can be the best; give False where float32 does not tell rows apart."""
        picking, narrow = self.picking, self.picking.dtype == np.float32
        before = picking.picked
        while picking.picked < picking.k:
            low = float((self.value - self.slack).max())
            near = np.flatnonzero(self.value + self.slack >= low)
            if low <= self.bar and (narrow or low < self.floor or self.at[near[0]] >= self.fence):
                return not narrow or picking.picked > before
            if narrow and len(near) > UNDECIDED:
                return False
            self._pick(int(self._decided(near)[0]) if narrow else int(near[0]))
        return True

    def _decided(self, near: I64) -> I64:
        """Give those of the rows whose values in float64 are the largest."""
        if len(near) == 1:
            return near
        value = self.picking.exact(self.at[near])
        slack = self.slack[near] * np.finfo(np.float64).eps / np.finfo(np.float32).eps
        largest: I64 = near[value + slack >= (value - slack).max()]
        return largest

    def _pick(self, row: int) -> None:
        self.picking.add(int(self.at[row]))
        member = self.picking.members[self.picking.count - 1]
        terms, dtype = self.picking.terms, self.picking.dtype
        product = self.rows @ (terms.gain * member).astype(dtype)
        product -= dtype.type(terms.drop * (member @ member))
        np.minimum(self.value, np.subtract(self.own, product, out=product), out=self.value)
        self.value[row] = -np.inf


def lower(value: Floats, terms: Terms, at: I64 | slice, members: F64) -> None:
    """Lower the values of the rows at `at` to what `members` make of them; in their precision."""
    rows, highest = terms.rows(at, value.dtype), np.full(len(value), -np.inf, value.dtype)
    for start in range(0, len(members), MEMBERS):
        some = members[start : start + MEMBERS]
        product = (terms.gain * some).astype(value.dtype) @ rows.T
        product -= (terms.drop * np.einsum("ij,ij->i", some, some)).astype(value.dtype)[:, None]
        np.maximum(highest, product.max(axis=0), out=highest)
    np.minimum(value, terms.own[at].astype(value.dtype) - highest, out=value)


def _largest(values: Floats, most: int) -> I64:
    if most >= len(values):
        return np.arange(len(values))
    highest: I64 = np.argpartition(-values, most)[:most]
    return highest
