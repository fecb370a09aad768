"""Labelled rows, with and without their features."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from lamplighter.arrays import F32, F64, I32, I64, Bools, RowIds


@dataclass(frozen=True)
class Rows:
    """Labelled rows with their features.

    ids (n,), x (n, D) float32, label (n,) int32; confidence (n,) float64 in the label, or None where
    nothing is known of it.
    """

    ids: RowIds
    x: F32
    label: I32
    confidence: F64 | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Labelled:
    """Labelled rows without their features: ids (n,), label (n,) int32, place (n,) among known ids."""

    ids: RowIds
    label: I32
    place: I64
    confidence: F64 | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, wanted: Bools) -> Labelled:
        """Give the rows for which `wanted`, (n,) bool, is set."""
        sure = None if self.confidence is None else self.confidence[wanted]
        return Labelled(self.ids.filter(pa.array(wanted)), self.label[wanted], self.place[wanted], sure)
