"""Near-duplicates: which rows are hardly different from rows before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lamplighter.arrays import F32, F64, I64, U64, Bools
from lamplighter.strategies.base import Context
from lamplighter.strategies.clusters import k_means
from lamplighter.strategies.geometry import comparable

#: Up to so many rows every pair is looked at; beyond, the pairs within a cell.
EXACT = 30_000
#: Rows of a cell, about; the most cells; rows that their centres are made from.
_CELL, _MOST_CELLS, _SAMPLE = 1000, 1000, 20_000
#: Rows compared at once, and with how many others at once.
_BLOCK, _PANEL = 512, 4096
#: What rounding may add to a distance, in float32 and, as a share of the squares, in float64.
_ROUNDING, _SHARE = 1e-6, 1e-13
#: Lengths are kept in a range in which their products are float32.
_SHORTEST, _LONGEST = 1e-18, 1e18

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Places:
    """Rows as points: i and j are near if left(i) . right(j) >= -limit.

    Attributes
    ----------
    x
        (n, D) float32.
    scale
        (n,) what each row is multiplied by.
    more_left, more_right
        (n, E) what is appended to a row on either side of the product.
    limit
        How far below 0 the product may be.
    copies
        Whether only rows of the same bits are near instead: no product can tell two rows from copies.
    """

    x: F32
    scale: F64
    more_left: Floats
    more_right: Floats
    limit: float
    copies: bool = False

    def __len__(self) -> int:
        return len(self.x)

    def points(self, at: I64) -> Floats:
        """Give some rows as points: (m, D)."""
        return (self.x[at] * self.scale[at, None]).astype(self.more_left.dtype)

    def left(self, at: I64) -> Floats:
        """Give some rows as left factors: (m, D + E)."""
        return np.concatenate([self.points(at), self.more_left[at]], axis=1)

    def right(self, at: I64) -> Floats:
        """Give some rows as right factors: (m, D + E)."""
        return np.concatenate([self.points(at), self.more_right[at]], axis=1)

    @cached_property
    def all_right(self) -> Floats:
        """All rows as right factors; made once, since every list is compared with the same taken rows."""
        return self.right(np.arange(len(self)))

    @cached_property
    def bits(self) -> U64:
        """(n,) 64-bit hashes of the rows' bits, equal for equal rows."""
        return _bits(self.x)

    def take(self, at: I64) -> Places:
        """Give some rows."""
        more = self.more_left[at], self.more_right[at]
        return Places(self.x[at], self.scale[at], *more, self.limit, self.copies)

    def with_rows(self, more: Places) -> Places:
        """Add rows of the same geometry."""
        if not len(more):
            return self
        return Places(
            np.concatenate([self.x, more.x]),
            np.concatenate([self.scale, more.scale]),
            np.concatenate([self.more_left, more.more_left]),
            np.concatenate([self.more_right, more.more_right]),
            self.limit,
            self.copies,
        )


def centred(context: Context, x: F32, taken: F32) -> tuple[F32, F32]:
    """Move the origin of an embedding to the mean of `x`; columns of a table are standardised anyway."""
    if not context.embedding or not len(x):
        return x, taken
    mean = x.mean(axis=0, dtype=np.float64)
    return (x - mean).astype(np.float32), (taken - mean).astype(np.float32) if len(taken) else taken


def places(context: Context, x: F32, taken: F32, distance: float) -> tuple[Places, Places]:
    """Give rows, and rows taken before them, as points of the geometry that the features have.

    The distance of two rows of an embedding is |x - y|^2 / (2 |x| |y|): 1 - cos where they are equally
    long, more where they are not, 0 for two rows of zeros. That of two rows of table columns is
    |x - y| / sqrt(D) after standardising: the root mean square of the differences, in deviations.
    At distance 0 rows are near that have the same numbers, to the last bit.
    """
    if not distance:
        return _as_they_are(x), _as_they_are(taken if len(taken) else x[:0])
    if not context.embedding:
        return _of_columns(context, x, taken, distance)
    lengths = [np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64)) for part in (x, taken)]
    usual = float(np.median(lengths[0])) if len(x) else 1.0
    wide = taken if len(taken) else np.empty((0, x.shape[1]), np.float32)
    rows, others = (
        _of_embedding(part, length, usual or 1.0, distance + _ROUNDING)
        for part, length in zip((x, wide), lengths, strict=True)
    )
    return rows, others


def _as_they_are(x: F32) -> Places:
    nothing = np.empty((len(x), 0), np.float32)
    return Places(x, np.ones(len(x)), nothing, nothing, 0.0, copies=True)


def _of_embedding(x: F32, length: F64, usual: float, limit: float) -> Places:
    """Make |x - y|^2 / (2 |x| |y|) a product: cos - |x| / (2 |y|) - |y| / (2 |x|), and 1 where both are 0."""
    zero = length == 0
    relative = np.where(zero, 1.0, np.clip(length / usual, _SHORTEST, _LONGEST))
    left = np.column_stack([-relative / 2, -1 / (2 * relative), zero]).astype(np.float32)
    right = np.column_stack([1 / relative, relative, zero]).astype(np.float32)
    return Places(x, np.divide(1, length, out=np.zeros(len(x)), where=~zero), left, right, limit)


def _of_columns(context: Context, x: F32, taken: F32, distance: float) -> tuple[Places, Places]:
    found = []
    for z in comparable(context, x, taken):
        scale = np.full(len(z), 1 / np.sqrt(max(z.shape[1], 1)))
        half = np.einsum("ij,ij->i", z, z, dtype=np.float64) * scale**2 / 2 * (1 - _SHARE)
        ones = np.ones(len(z))
        left, right = np.column_stack([-half, ones]), np.column_stack([ones, -half])
        found.append(Places(z, scale, left, right, distance**2 / 2))
    return found[0], found[1]


class Found(NamedTuple):
    """Rows that are near none before them, and rows that are; those after the last kept are in neither."""

    kept: I64
    skipped: I64


def distinct(rows: Places, at: I64, taken: Places, *, wanted: int, generator: np.random.Generator) -> Found:
    """Keep the first rows that are near neither a row kept before nor one taken.

    Every pair counts up to 30,000 rows. Beyond, rows are clustered (k-means on a sample, about 1000 rows a
    cell) and compared within their cells: copies share a cell, but of two near rows on either side of a
    border both may be kept (SemDeDup: Abbas et al. 2023, doi:10.48550/arXiv.2303.09540).

    Where copies alone are near, they are found by 64-bit hashes, in O((n + l) D).

    O((n + l) n D) time for n rows looked at and l taken, beyond 30,000 about O(1000 (n + l) D); no array
    of n^2.

    Parameters
    ----------
    rows
        All rows.
    at
        (n,) positions of those to look at, in order; looking ends when enough are kept.
    taken
        Rows that none may be near; there may be none.
    wanted
        How many to keep, at most.
    generator
        Draws the sample that the cells are made from.

    Returns
    -------
    Positions among all rows, in the order of `at`.
    """
    if rows.copies:
        return _first_copies(rows.bits[at], at, taken.bits, wanted)
    if len(at) <= EXACT and len(at) * len(taken) <= EXACT**2:
        found = leaders(rows.take(at), wanted, taken)
        return Found(at[found.kept], at[found.skipped])
    free = np.zeros(len(at), np.bool_)
    for cell, others in _cells(rows, at, taken, generator):
        free[cell[leaders(rows.take(at[cell]), len(cell), taken.take(others)).kept]] = True
    return _first_free(at, free, wanted)


def _first_copies(bits: U64, at: I64, taken: U64, wanted: int) -> Found:
    free = np.zeros(len(at), np.bool_)
    free[np.unique(bits, return_index=True)[1]] = True
    return _first_free(at, free & ~np.isin(bits, taken), wanted)


def _first_free(at: I64, free: Bools, wanted: int) -> Found:
    kept = np.flatnonzero(free)[:wanted]
    last = int(kept[-1]) + 1 if len(kept) else 0
    end = last if len(kept) == wanted else len(at)
    return Found(at[kept], at[:end][~free[:end]])


def leaders(rows: Places, wanted: int, taken: Places) -> Found:
    """Compare every row with the rows kept before it and those taken, until enough are kept."""
    n, before = 0, taken.all_right
    kept_right = np.empty((min(wanted, len(rows)), before.shape[1]), before.dtype)
    kept, skipped = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(rows), _BLOCK):
        if n == wanted:
            break
        block = np.arange(start, min(start + _BLOCK, len(rows)))
        left, right = rows.left(block), rows.right(block)
        free = ~_near_any(left, before, rows.limit) & ~_near_any(left, kept_right[:n], rows.limit)
        free = _first_of_all(left @ right.T >= -rows.limit, free)
        new = np.flatnonzero(free)[: wanted - n]
        kept_right[n : n + len(new)] = right[new]
        n += len(new)
        end = int(new[-1]) + 1 if n == wanted and len(new) else len(block)
        kept.append(block[new])
        skipped.append(block[:end][~free[:end]])
    return Found(np.concatenate(kept), np.concatenate(skipped))


def _near_any(left: Floats, right: Floats, limit: float) -> Bools:
    """Say of each of some rows whether it is near any of others."""
    found = np.zeros(len(left), np.bool_)
    for start in range(0, len(right), _PANEL):
        found |= (left @ right[start : start + _PANEL].T).max(axis=1) >= -limit
    return found


def _first_of_all(near: Bools, free: Bools) -> Bools:
    """Go through the rows of a block in order; each that is still free frees none near it after it."""
    free = free.copy()
    near = np.triu(near, 1)
    for row in np.flatnonzero(near.any(axis=1) & free):
        if free[row]:
            free &= ~near[row]
    return free


def _cells(rows: Places, at: I64, taken: Places, generator: np.random.Generator) -> Iterator[tuple[I64, I64]]:
    """Cut rows into parts in which they may be near: positions in `at`, ascending, and in `taken`."""
    sample = at if len(at) <= _SAMPLE else at[np.sort(generator.choice(len(at), _SAMPLE, replace=False))]
    wanted = min(max((len(at) + len(taken)) // _CELL, 2), _MOST_CELLS)
    centres = k_means(rows.points(sample).astype(np.float32), wanted, generator, passes=3)

    def cells_of(some: Places, which: I64) -> I64:
        cell = np.empty(len(which), np.int64)
        for start in range(0, len(which), _PANEL):
            points = some.points(which[start : start + _PANEL]).astype(np.float32)
            cell[start : start + _PANEL] = centres.nearest(points)[0]
        return cell

    own, others = cells_of(rows, at), cells_of(taken, np.arange(len(taken)))
    for number in range(len(centres)):
        members, near = np.flatnonzero(own == number), np.flatnonzero(others == number)
        parts = -(-(len(members) + len(near)) // EXACT)
        if parts <= 1:
            yield members, near
            continue
        # Too many to compare, all alike: only copies are sure to meet.
        mine, theirs = rows.bits[at[members]] % parts, taken.bits[near] % parts
        yield from ((members[mine == part], near[theirs == part]) for part in range(parts))


def _bits(x: F32) -> U64:
    """Hash every row's bits: (n,) uint64, equal for equal rows."""
    hashed = np.zeros(len(x), np.uint64)
    for column in range(x.shape[1]):
        hashed = (hashed ^ (x[:, column] + np.float32(0)).view(np.uint32)) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(32)
    return hashed
