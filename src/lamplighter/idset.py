"""A set of row ids for quick questions on a worker: which of these rows are in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import rng
from lamplighter.arrays import I64, U64, Bools, RowIds


@dataclass(frozen=True, eq=False)
class IdSet:
    """Ids sorted by digest, so that membership is a binary search: 16 bytes an id, no hash table.

    Attributes
    ----------
    ids
        (n,) int64 or large_string, in the order of `digests`.
    digests
        (n,) uint64, ascending.
    """

    ids: RowIds
    digests: U64

    @classmethod
    def of(cls, ids: RowIds) -> IdSet:
        """Make the set of an id array; repeated ids do no harm."""
        digests = rng.row_digest(ids)
        order = np.argsort(digests)
        return cls(ids.take(pa.array(order)), digests[order])

    def __len__(self) -> int:
        return len(self.digests)

    def contains(self, ids: RowIds, digests: U64, at: I64 | None = None) -> Bools:
        """Say for each id whether it is in the set.

        Parameters
        ----------
        ids
            Of the set's own type.
        digests
            (k,) uint64, the `rng.row_digest` of the ids asked for.
        at
            (k,) positions in `ids` of those asked for; None for all of them, in their order.

        Returns
        -------
        (k,) bool, exact: strings that share a digest are told apart by their text.
        """
        if not len(self):
            return np.zeros(len(digests), np.bool_)
        left = np.searchsorted(self.digests, digests)
        found: Bools = self.digests[np.minimum(left, len(self) - 1)] == digests
        if pa.types.is_integer(self.ids.type) or not found.any():
            return found
        rows = np.flatnonzero(found)
        found[rows] = self._same_text(ids.take(pa.array(rows if at is None else at[rows])), digests[rows])
        return found

    def _same_text(self, ids: RowIds, digests: U64) -> Bools:
        """Compare the text of ids whose digest was found."""
        left = np.searchsorted(self.digests, digests)
        right = np.searchsorted(self.digests, digests, side="right")
        runs = np.unique(np.concatenate([np.arange(a, b) for a, b in zip(left, right, strict=True)]))
        same: Bools = np.asarray(pc.is_in(ids, value_set=self.ids.take(pa.array(runs))))
        return same


def take_ids(ids: RowIds, digests: U64, at: I64) -> RowIds:
    """Give the ids at some positions; `digests` are the `rng.row_digest` of all of them."""
    if pa.types.is_integer(ids.type):  # the digest is the id: no detour through a compute kernel
        return pa.array(digests[at].view(np.int64))
    return ids.take(pa.array(at))
