"""What was asked so far: the rows of all batches, less those that were taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.arrays import I64, Bools, RowIds


@dataclass(frozen=True)
class TakenBack:
    """Rows that a round took back.

    Attributes
    ----------
    ids
        (n,) row ids.
    again
        (n,) bool: whether the row may be asked again.
    expired
        (n,) bool: whether nobody answered it in time; otherwise a newer model did not want it.
    """

    round: int
    ids: RowIds
    again: Bools
    expired: Bools

    @classmethod
    def read(cls, number: int, table: Any) -> TakenBack:
        """Read what a round kept; files of earlier versions do not say which rows had expired."""
        again = np.asarray(table.column("again"))
        old = "expired" not in table.column_names
        expired = np.zeros(len(table), bool) if old else np.asarray(table.column("expired"))
        return cls(number, tables.ids_of(table), again, expired)


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
    due
        (e,) ids of rows that expired and are to be asked again, and were not yet.
    back
        What each round took back.
    """

    ids: RowIds
    round: I64
    stands: Bools
    dropped: RowIds
    due: RowIds
    back: Sequence[TakenBack] = ()

    @classmethod
    def of(cls, batches: Sequence[tuple[int, RowIds]], back: Sequence[TakenBack], *, integer: bool) -> Asked:
        """Add up the batches, (round, ids) each; a round takes back only what earlier rounds asked."""
        ids = tables.concat_ids([part for _, part in batches], integer)
        rounds = np.repeat([number for number, _ in batches], [len(part) for _, part in batches])
        stands = np.ones(len(ids), bool)
        due = tables.empty_ids(integer)
        for taken in back:
            due = due.filter(pa.array(~tables.is_in(due, taken.ids)))
            due = pa.concat_arrays([due, taken.ids.filter(pa.array(taken.again & taken.expired))])
            stands &= ~taken_back_since([taken], rounds, ids)
        dropped = [taken.ids.filter(pa.array(~taken.again)) for taken in back]
        due = due.filter(pa.array(~tables.is_in(due, ids.filter(pa.array(stands)))))
        return cls(ids, rounds.astype(np.int64), stands, tables.concat_ids(dropped, integer), due, back)

    @property
    def standing(self) -> RowIds:
        """Ids of the rows that are at the labelers or answered, each once."""
        return self.ids.filter(pa.array(self.stands))


def taken_back_since(back: Sequence[TakenBack], rounds: I64 | int, ids: RowIds) -> Bools:
    """Say for each row that a round asked, (n,), whether a later one took it back: (n,) bool."""
    gone = np.zeros(len(ids), bool)
    for taken in back:
        gone |= (np.asarray(rounds) < taken.round) & tables.is_in(ids, taken.ids)
    return gone
