"""What was asked so far: the rows of all batches, less those that were taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.arrays import I64, Bools, RowIds


@dataclass(frozen=True)
class TakenBack:
    """Rows that a round took back: ids (n,), and whether each may be asked again (n,) bool."""

    round: int
    ids: RowIds
    again: Bools


@dataclass(frozen=True, eq=False)
class Asked:
    """The rows of all batches in the order they were sent.

    Attributes
    ----------
    ids
        (n,) row ids; one that was taken back and asked again stands here twice.
    round
        (n,) int64 rounds that asked.
    stands
        (n,) bool: whether the row was not taken back since.
    dropped
        (d,) ids of rows that were taken back for good.
    """

    ids: RowIds
    round: I64
    stands: Bools
    dropped: RowIds

    @classmethod
    def of(cls, batches: Sequence[tuple[int, RowIds]], back: Sequence[TakenBack], *, integer: bool) -> Asked:
        """Add up the batches, (round, ids) each; a round takes back only what earlier rounds asked."""
        ids = tables.concat_ids([part for _, part in batches], integer)
        rounds = np.repeat([number for number, _ in batches], [len(part) for _, part in batches])
        stands = np.ones(len(ids), bool)
        for taken in back:
            stands &= (rounds >= taken.round) | ~tables.is_in(ids, taken.ids)
        dropped = [taken.ids.filter(pa.array(~taken.again)) for taken in back]
        return cls(ids, rounds.astype(np.int64), stands, tables.concat_ids(dropped, integer))

    @property
    def standing(self) -> RowIds:
        """Ids of the rows that are at the labelers or answered, each once."""
        return self.ids.filter(pa.array(self.stands))
