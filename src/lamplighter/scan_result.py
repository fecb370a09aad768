"""What a scan gives, and how the results of shards are merged: an associative reduce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import shortlists
from lamplighter.arrays import F32, I32, I64, U64, RowIds
from lamplighter.strategies.base import Lane, Shortlist


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of the pool with their hash, ascending by it; places as in a shortlist."""

    ids: RowIds
    file: I32
    row_group: I32
    row: I64
    hash: U64

    @classmethod
    def none(cls, id_type: object) -> Rows:
        """Give no rows, for ids of a pyarrow type."""
        place = np.empty(0, np.int32)
        ids = pa.array([], id_type)
        return cls(ids, place, place, np.empty(0, np.int64), np.empty(0, np.uint64))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Sample:
    """Sampled rows, ascending by hash: ids, (n,) position of the predicted class, (n,) score."""

    ids: RowIds
    predicted: I32
    score: F32
    hash: U64

    @classmethod
    def none(cls, id_type: object) -> Sample:
        """Give no rows, for ids of a pyarrow type."""
        ids = pa.array([], id_type)
        return cls(ids, np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.uint64))

    def take(self, positions: I64) -> Sample:
        """Give the rows at `positions`, in that order."""
        ids = self.ids.take(pa.array(positions))
        return Sample(ids, self.predicted[positions], self.score[positions], self.hash[positions])

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class ScanResult:
    """What a scan gives for one shard, several, or the whole pool.

    Attributes
    ----------
    shortlist
        The best rows, best first.
    aside
        Rows that may be the holdout's, of those that would be among the best if they were not; empty where
        the holdout is drawn, and once the results of all shards are merged.
    holdout, sample
        Members of the two hash samples.
    rows
        Rows read.
    left_out
        Rows without a score: features that are not finite, or invalid probabilities.
    scored
        Rows with a score.
    """

    shortlist: Shortlist
    aside: Shortlist
    holdout: Rows
    sample: Sample
    rows: int
    left_out: int
    scored: int


def join(results: Sequence[ScanResult], lanes: Sequence[Lane]) -> ScanResult:
    """Merge results of distinct shards; associative and commutative. At least one is needed."""
    return ScanResult(
        shortlist=shortlists.best_of_lanes([r.shortlist for r in results], lanes),
        aside=shortlists.concatenate([r.aside for r in results]),
        holdout=join_rows([r.holdout for r in results]),
        sample=join_samples([r.sample for r in results]),
        rows=sum(r.rows for r in results),
        left_out=sum(r.left_out for r in results),
        scored=sum(r.scored for r in results),
    )


def merge(results: Sequence[ScanResult], lanes: Sequence[Lane], paths: Sequence[str] = ()) -> ScanResult:
    """Merge the results of all shards, list what was kept aside, and check the ids in what comes out.

    Parameters
    ----------
    results
        Of distinct shards, in any order, at least one.
    lanes
        The lists of the shortlist.
    paths
        Paths of the pool's files by position, for messages.

    Raises
    ------
    DuplicateRowIds
        One id stands on several rows of the shortlist or of the holdout. Checked on the end result
        alone, so that the outcome does not depend on how the pool was cut into shards.
    """
    merged = join(results, lanes)
    listed = shortlists.with_aside(merged.shortlist, merged.aside, lanes)
    merged = replace(merged, shortlist=listed, aside=shortlists.empty(listed.ids.type))
    shortlists.check_unique(merged.shortlist, paths)
    shortlists.check_unique(merged.holdout, paths)
    return merged


def join_rows(parts: Sequence[Rows]) -> Rows:
    """Merge members of a hash sample, ascending by hash."""
    order = _by_hash(ids := _ids(parts), hashes := np.concatenate([p.hash for p in parts]))
    return Rows(
        ids=ids.take(pa.array(order)),
        file=np.concatenate([p.file for p in parts])[order],
        row_group=np.concatenate([p.row_group for p in parts])[order],
        row=np.concatenate([p.row for p in parts])[order],
        hash=hashes[order],
    )


def join_samples(parts: Sequence[Sample]) -> Sample:
    """Merge sampled predictions, ascending by hash."""
    order = _by_hash(ids := _ids(parts), hashes := np.concatenate([p.hash for p in parts]))
    return Sample(
        ids=ids.take(pa.array(order)),
        predicted=np.concatenate([p.predicted for p in parts])[order],
        score=np.concatenate([p.score for p in parts])[order],
        hash=hashes[order],
    )


def _ids(parts: Sequence[Rows] | Sequence[Sample]) -> RowIds:
    return pa.concat_arrays([part.ids for part in parts])


def _by_hash(ids: RowIds, hashes: U64) -> I64:
    """Give the order by hash; where two ids share one, by id."""
    order = np.argsort(hashes, kind="stable")
    if not np.any(np.diff(hashes[order]) == 0):
        return order
    keys = pa.table({"hash": pa.array(hashes), "id": ids})
    by = [("hash", "ascending"), ("id", "ascending")]
    return np.asarray(pc.sort_indices(keys, sort_keys=by), dtype=np.int64)
