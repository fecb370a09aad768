"""Similarities from 0 to 1 of rows to a reference, made block by block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lamplighter.arrays import F32, F64, I64
from lamplighter.strategies._spread import moved, to_unit

#: Rows compared with the reference at a time: the block stays in cache.
BLOCK = 512


@dataclass(frozen=True, eq=False)
class Sites:
    """Rows and the reference, ready to be compared by a product.

    Attributes
    ----------
    x
        (m, D) float32.
    reference
        (R, D) float32.
    covered
        (R,) float64 similarity of each reference row to the nearest row of L; 0 for none.
    angular
        Whether s+ is max(x.r, 0), of unit vectors; else it is exp(-|x - r|^2 / 2).
    """

    x: F32
    reference: F32
    covered: F64
    angular: bool

    @cached_property
    def wide(self) -> F64:
        """The reference in float64."""
        return self.reference.astype(np.float64)

    def part(self, rows: I64) -> Sites:
        """Give some of the rows, with the same reference."""
        return replace(self, x=self.x[rows])

    def exact(self, row: int) -> F64:
        """Give s+ of one row to the reference: (R,) float64."""
        x = self.x[row].astype(np.float64)
        if self.angular:
            return np.asarray(np.maximum(self.wide @ x, 0), np.float64)
        return np.asarray(np.exp(np.square(self.wide - x).sum(axis=1) / -2), np.float64)

    def similar_to(self, rows: I64) -> F32:
        """Give s+ of the reference to some rows: (R, rows) float32."""
        return excess(self.reference, self.x[rows], np.zeros(len(rows), np.float32), angular=self.angular)

    def gains(self, rows: I64 | None, columns: I64, floor: F64, most: F64 | None = None) -> F64:
        """Sum min(max(s+ - floor, 0), most) of rows (all for None) over columns of the reference.

        (n,) float64 of float32 terms; floor and most are (columns,).
        """
        count = len(self.x) if rows is None else len(rows)
        reference, out = self.reference[columns], np.empty(count)
        low, high = floor.astype(np.float32), None if most is None else most.astype(np.float32)
        buffer = np.empty((min(BLOCK, count), len(columns)), np.float32)
        for start in range(0, count, BLOCK):
            at = slice(start, start + BLOCK)
            x = self.x[at if rows is None else rows[at]]
            terms = excess(x, reference, low, angular=self.angular, out=buffer[: len(x)])
            if high is not None:
                np.minimum(terms, high, out=terms)
            out[at] = terms.sum(axis=1)
        return out


def excess(x: F32, reference: F32, floor: F32, *, angular: bool, out: F32 | None = None) -> F32:
    """Give max(s+ - floor, 0) of every row of x and row of the reference; floor is not negative."""
    terms: F32 = np.matmul(x, reference.T, out=out)
    if not angular:
        terms -= (np.einsum("ij,ij->i", x, x) / 2)[:, None]
        terms -= np.einsum("ij,ij->i", reference, reference) / 2
        np.exp(np.minimum(terms, 0, out=terms), out=terms)
    terms -= floor
    return np.maximum(terms, 0, out=terms)


def unit(x: F32) -> F32:
    """Give x / |x|, rows of zeros as zeros: (n, D) float32."""
    return moved(x, np.zeros(x.shape[1]), to_unit(x), np.float32)


def median_distance(x: F32) -> np.float32:
    """Give the median distance of a row to the next, of rows in random order; 1 where that is 0."""
    steps = np.square(np.diff(x.astype(np.float64), axis=0)).sum(axis=1)
    median = float(np.sqrt(np.median(steps))) if len(steps) else 0.0
    return np.float32(median or 1.0)


def covered_by(labelled: F32, reference: F32, *, angular: bool) -> F64:
    """Give the similarity of each row of the reference to the nearest labelled row: (R,) float64."""
    covered = np.zeros(len(reference), np.float32)
    for start in range(0, len(labelled), BLOCK):
        some = labelled[start : start + BLOCK]
        found = excess(some, reference, np.zeros(len(reference), np.float32), angular=angular)
        np.maximum(covered, found.max(axis=0), out=covered)
    return covered.astype(np.float64)
