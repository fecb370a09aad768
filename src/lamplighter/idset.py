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

    def contains(self, ids: RowIds, digests: U64) -> Bools:
        """Say for each id whether it is in the set.

        Parameters
        ----------
        ids
            (k,) of the set's own type.
        digests
            (k,) uint64, their `rng.row_digest`.

        Returns
        -------
        (k,) bool, exact: strings that share a digest are told apart by their text.
        """
        if not len(self):
            return np.zeros(len(ids), np.bool_)
        left = np.searchsorted(self.digests, digests)
        found: Bools = self.digests[np.minimum(left, len(self) - 1)] == digests
        if pa.types.is_integer(self.ids.type) or not found.any():
            return found
        return self._verified(ids, digests, np.flatnonzero(found))

    def _verified(self, ids: RowIds, digests: U64, rows: I64) -> Bools:
        """Compare the text of the rows whose digest was found."""
        left = np.searchsorted(self.digests, digests[rows])
        right = np.searchsorted(self.digests, digests[rows], side="right")
        runs = np.unique(np.concatenate([np.arange(a, b) for a, b in zip(left, right, strict=True)]))
        same = pc.is_in(ids.take(pa.array(rows)), value_set=self.ids.take(pa.array(runs)))
        found = np.zeros(len(ids), np.bool_)
        found[rows] = np.asarray(same.to_numpy(zero_copy_only=False))
        return found
