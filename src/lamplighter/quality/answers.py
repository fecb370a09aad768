"""The votes that count, as arrays: which annotator says which class of which row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from lamplighter import tables
from lamplighter.annotations import Table
from lamplighter.arrays import F64, I64, Bools, RowIds
from lamplighter.labelers.base import Status
from lamplighter.votes import newest_with, positions_of


@dataclass(frozen=True, eq=False)
class Answers:
    """a votes of A annotators on n rows, C classes.

    Votes are in the order of (row, annotator), each pair at most once, so that all that is computed
    from them is the same to the last bit in whatever order they were collected.

    Attributes
    ----------
    ids
        (n,) row ids, ascending (strings by code point); every row has a vote.
    annotators
        A names, ascending; every annotator has a vote.
    classes
        C class names.
    row, annotator, label
        (a,) int64 positions in `ids`, `annotators` and `classes`.
    lead_time_s
        (a,) float64 seconds; NaN where unknown.
    """

    ids: RowIds
    annotators: tuple[str, ...]
    classes: tuple[str, ...]
    row: I64
    annotator: I64
    label: I64
    lead_time_s: F64

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def read(cls, table: Table, classes: Sequence[str]) -> Answers:
        """Take the votes that count out of an annotation table, by the rules of `votes.consensus`.

        The newest answer of each annotator about each row counts, and is no vote if it abstains or
        withdraws. O(a log a) time, about 150 bytes of memory per annotation.

        Raises
        ------
        UnknownClass
            A vote is for none of the classes.
        """
        votes = newest_with(table, Status.LABELLED)
        label = positions_of(votes.column("label"), classes)
        ids, row = tables.encoded(tables.ids_of(votes))
        names, annotator = tables.encoded(votes.column("annotator").combine_chunks())
        lead = votes.column("lead_time_s").to_numpy().astype(np.float64)
        return cls(ids, tuple(names.to_pylist()), tuple(classes), row, annotator, label, lead)

    @cached_property
    def per_row(self) -> I64:
        """(n,) int64 votes on each row, at least 1."""
        return np.bincount(self.row, minlength=len(self.ids))

    @cached_property
    def counts(self) -> I64:
        """(n, C) int64 votes on each row for each class."""
        cells = self.row * len(self.classes) + self.label
        shape = (len(self.ids), len(self.classes))
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)

    @cached_property
    def shared(self) -> Bools:
        """(a,) bool: whether somebody else voted on the row too."""
        return np.asarray(self.per_row[self.row] > 1)

    @cached_property
    def votes(self) -> Any:
        """(n, A * C) scipy CSR matrix of ones: column j * C + c is annotator j saying class c.

        16 bytes a vote. Its products with dense matrices are sums over the votes of a row, or over the
        rows of an annotator, in a fixed order.
        """
        columns = self.annotator * len(self.classes) + self.label
        starts = np.concatenate([[0], np.cumsum(self.per_row)])
        width = len(self.annotators) * len(self.classes)
        return sparse.csr_array((np.ones(len(self)), columns, starts), shape=(len(self.ids), width))

    def weighed(self, weight: F64) -> F64:
        """Give the (n, C) float64 sums of the weights, (a,), of the votes for each class of each row."""
        cells = self.row * len(self.classes) + self.label
        shape = (len(self.ids), len(self.classes))
        return np.asarray(np.bincount(cells, weight, minlength=shape[0] * shape[1]), np.float64).reshape(
            shape
        )

    def per_annotator(self, value: F64 | Bools) -> F64:
        """Give the (A,) float64 sums of a value per vote, (a,), over the votes of each annotator."""
        return np.asarray(np.bincount(self.annotator, value, minlength=len(self.annotators)), np.float64)

    def without(self, names: Sequence[str]) -> Answers:
        """Leave annotators out, and the rows that nobody else voted on."""
        return self._part(~np.isin(np.array(self.annotators, dtype=object), list(names))[self.annotator])

    def of_rows(self, wanted: Bools) -> Answers:
        """Give the votes on the rows for which `wanted`, (n,) bool, is set: a stratum, a random audit."""
        return self._part(wanted[self.row])

    def _part(self, keep: Bools) -> Answers:
        rows, row = np.unique(self.row[keep], return_inverse=True)
        kept, annotator = np.unique(self.annotator[keep], return_inverse=True)
        return Answers(
            ids=self.ids.take(pa.array(rows)),
            annotators=tuple(self.annotators[j] for j in kept),
            classes=self.classes,
            row=row.astype(np.int64),
            annotator=annotator.astype(np.int64),
            label=self.label[keep],
            lead_time_s=self.lead_time_s[keep],
        )
