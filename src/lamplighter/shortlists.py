"""Keep the best rows: an exact running top-m, and the merge of shortlists.

The order is total: score descending, then the keyed hash of the id ascending, then the id. So the best
m of a union are the best m of the parts' best m, whatever the parts and whatever their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter.arrays import F32, I32, I64, U64, Bools, RowIds
from lamplighter.errors import DuplicateRowIds
from lamplighter.strategies.base import Lane, Shortlist

#: Rows a running shortlist takes in beyond 2m before it is cut again, and the pieces it comes in.
SLACK, PIECES = 16384, 512

#: The smallest float32: minus infinity is below it, and never gets in.
LOWEST = np.finfo(np.float32).min
#: The hash that comes last.
LAST = np.uint64(2**64 - 1)


def empty(id_type: object) -> Shortlist:
    """Give a shortlist without rows, for ids of a pyarrow type."""
    return Shortlist(
        ids=pa.array([], id_type),
        score=np.empty(0, np.float32),
        tie=np.empty(0, np.uint64),
        file=np.empty(0, np.int32),
        row_group=np.empty(0, np.int32),
        row=np.empty(0, np.int64),
    )


def concatenate(parts: Sequence[Shortlist]) -> Shortlist:
    """Put shortlists one after another; those without rows need not have outputs."""
    filled = [part for part in parts if len(part)] or [max(parts, key=lambda part: len(part.outputs))]
    if len(filled) == 1:
        return filled[0]
    return Shortlist(
        ids=pa.concat_arrays([part.ids for part in filled]),
        score=np.concatenate([part.score for part in filled]),
        tie=np.concatenate([part.tie for part in filled]),
        file=np.concatenate([part.file for part in filled]),
        row_group=np.concatenate([part.row_group for part in filled]),
        row=np.concatenate([part.row for part in filled]),
        outputs={name: np.concatenate([part.outputs[name] for part in filled]) for name in filled[0].outputs},
        lane=np.concatenate([part.lane for part in filled]),
    )


def best(parts: Sequence[Shortlist], m: int) -> Shortlist:
    """Give the exact best min(m, rows) of several shortlists, best first.

    Parameters
    ----------
    parts
        At least one; scores are finite or +inf, never NaN.
    m
        Rows wanted, from 0 on.
    """
    whole = concatenate(parts)
    if len(whole) > m > 0:
        # All rows that tie with the m-th stay in: the hash decides among them.
        last = np.partition(whole.score, len(whole) - m)[len(whole) - m]
        near = np.flatnonzero(whole.score >= last)
        return whole.take(near[_ranking(whole, near)[:m]])
    return whole.take(_ranking(whole, np.arange(len(whole)))[:m])


def best_of_lanes(parts: Sequence[Shortlist], lanes: Sequence[Lane]) -> Shortlist:
    """Give the exact best rows of every lane, lane after lane, each best first.

    Parameters
    ----------
    parts
        At least one; scores as for `best`.
    lanes
        The lists to keep, at least one.
    """
    if len(lanes) == 1 and lanes[0].groups == 1:
        return best(parts, lanes[0].rows)
    whole = concatenate(parts)
    order = _ranking(whole, np.arange(len(whole)))
    order = order[np.argsort(whole.lane[order], kind="stable")]
    lane = whole.lane[order]
    place = np.arange(len(order)) - np.searchsorted(lane, lane)
    return whole.take(order[place < _rows_wanted(lanes)[lane]])


def with_aside(own: Shortlist, aside: Shortlist, lanes: Sequence[Lane]) -> Shortlist:
    """List rows kept aside among the best of every lane, where fewer of those than it keeps are better.

    So the best rows of every lane are among them, whichever of the rows aside are left out in the end.
    """
    if not len(aside):
        return own
    whole = concatenate([own, aside])
    order = _ranking(whole, np.arange(len(whole)))
    order = order[np.argsort(whole.lane[order], kind="stable")]
    lane, counts = whole.lane[order], order < len(own)
    before: I64 = np.cumsum(counts) - counts
    better: I64 = before - before[np.searchsorted(lane, lane)]
    return whole.take(order[better < _rows_wanted(lanes)[lane]])


def _rows_wanted(lanes: Sequence[Lane]) -> I64:
    """Give how many rows each numbered list keeps."""
    return np.repeat([lane.rows for lane in lanes], [lane.groups for lane in lanes]).astype(np.int64)


def _ranking(whole: Shortlist, rows: I64) -> I64:
    """Give the order of some rows of a shortlist, best first, as positions in `rows`."""
    coarse = _sort_key(whole.score[rows], whole.tie[rows])
    order = np.argsort(coarse)
    coarse = coarse[order]
    if not np.any(coarse[1:] == coarse[:-1]):
        return order
    # Among many equal scores two hashes begin alike, or one id stands on two rows: the full order.
    keys = {
        "score": pa.array(whole.score[rows] + np.float32(0)),
        "tie": pa.array(whole.tie[rows]),
        "id": whole.ids.take(pa.array(rows)),
        "file": pa.array(whole.file[rows]),
        "row_group": pa.array(whole.row_group[rows]),
        "row": pa.array(whole.row[rows]),
    }
    by = [(name, "descending" if name == "score" else "ascending") for name in keys]
    return np.asarray(pc.sort_indices(pa.table(keys), sort_keys=by), dtype=np.int64)


def _sort_key(score: F32, tie: U64) -> U64:
    """Pack score and the upper half of the hash into one word, ascending from best to worst."""
    bits = (score + np.float32(0)).view(np.uint32)
    # Floats order like sign and magnitude; turned over, since the largest comes first.
    negative = bits >> np.uint32(31) == 1
    descending = np.where(negative, bits, ~bits & np.uint32(0x7FFFFFFF))
    packed: U64 = descending.astype(np.uint64) << np.uint64(32) | tie >> np.uint64(32)
    return packed


class RunningBest:
    """The best m of all rows shown so far, in memory for 2m + SLACK rows.

    Once m rows are in, most rows fall by one comparison with the m-th best score. That bar is kept
    on the scores alone; the rows themselves are cut to the best less often.
    """

    def __init__(self, m: int, id_type: object) -> None:
        self.m = m
        self.parts = [empty(id_type)]
        self.rows = 0
        self.score = LOWEST
        self.tie = LAST
        self.scores = [self.parts[0].score]
        self.fresh = 0

    def candidates(self, score: F32) -> I64:
        """Give the positions of the (n,) scores that may still get in."""
        return np.flatnonzero(score >= self.score) if self.m > 0 else np.empty(0, np.int64)

    def wins(self, score: F32, tie: U64) -> Bools:
        """Say of candidates whether they still get in, now that their hashes are known."""
        won: Bools = (score > self.score) | (tie <= self.tie)
        return won

    def add(self, rows: Shortlist) -> None:
        """Take in rows, owned by the caller no longer."""
        self.parts.append(rows)
        self.scores.append(rows.score)
        self.rows += len(rows)
        self.fresh += len(rows)
        if self.fresh > max(self.m // 4, 1024):
            self._raise_bar()
        if self.rows >= 2 * self.m + SLACK or len(self.parts) > PIECES:
            self._cut()

    def _raise_bar(self) -> None:
        scores = np.concatenate(self.scores)
        if len(scores) >= self.m:
            scores = np.partition(scores, len(scores) - self.m)[len(scores) - self.m :]
            if scores[0] > self.score:
                self.score, self.tie = scores[0], LAST
        self.scores, self.fresh = [scores], 0

    def _cut(self) -> None:
        whole = concatenate(self.parts)
        near = np.flatnonzero(whole.score >= self.score)
        if len(near) <= self.m + SLACK // 2:
            kept = whole.take(near)
        else:  # many rows tie at the bar: only their hashes tell them apart
            kept = best([whole], self.m)
            self.score, self.tie = kept.score[-1], kept.tie[-1]
        self.parts, self.rows = [kept], len(kept)

    def shortlist(self) -> Shortlist:
        """Give the best m, best first."""
        return best(self.parts, self.m)


class Placed(Protocol):
    """Rows of the pool with their places: a shortlist, or the members of the holdout."""

    @property
    def ids(self) -> RowIds:
        """(n,) row ids."""

    @property
    def file(self) -> I32:
        """(n,) positions in the manifest."""

    @property
    def row_group(self) -> I32:
        """(n,) row groups."""

    @property
    def row(self) -> I64:
        """(n,) rows within the row group."""


@dataclass(frozen=True)
class _Places:
    ids: RowIds
    file: I32
    row_group: I32
    row: I64


def check_unique(rows: Placed, paths: Sequence[str]) -> None:
    """Make sure that no id stands on two rows.

    Parameters
    ----------
    rows
        Ids with their places.
    paths
        Paths of the pool's files by position, for the message; may be empty.

    Raises
    ------
    DuplicateRowIds
        Names the id and two of its places.
    """
    if len(rows.ids.unique()) == len(rows.ids):
        return
    places = np.stack([rows.file.astype(np.int64), rows.row_group.astype(np.int64), rows.row])
    distinct = np.unique(places, axis=1, return_index=True)[1]
    if len(distinct) < len(rows.ids):  # one row on several lists
        ids = rows.ids.take(pa.array(distinct))
        return check_unique(
            _Places(ids, rows.file[distinct], rows.row_group[distinct], rows.row[distinct]), paths
        )
    counted = rows.ids.value_counts()
    doubled = pc.min(counted.field("values").filter(pc.greater(counted.field("counts"), 1)))
    at = np.flatnonzero(np.asarray(pc.equal(rows.ids, doubled).to_numpy(zero_copy_only=False)))
    told = sorted((int(rows.file[i]), int(rows.row_group[i]), int(rows.row[i])) for i in at)
    where = " and ".join(_place(place, paths) for place in told[:2])
    raise DuplicateRowIds(
        f"the id {doubled.as_py()!r} stands on several rows of the pool: {where}. Every row needs an id "
        "of its own: remove or renumber one of them"
    )


def _place(place: tuple[int, int, int], paths: Sequence[str]) -> str:
    file, row_group, row = place
    name = paths[file] if file < len(paths) else f"file {file}"
    return f"row {row} of row group {row_group} of {name}"
