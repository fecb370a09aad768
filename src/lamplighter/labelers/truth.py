"""True labels of a few rows, looked up in a Parquet file that may be far larger than memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from lamplighter.errors import ConfigError, LabelerError, LamplighterError, UnknownClass, unknown
from lamplighter.labelers.base import Desk


@dataclass(frozen=True)
class Truth:
    """A Parquet file, or a directory of them, with a column of row ids and one of true labels."""

    url: str
    id_column: str = "id"
    label_column: str = "label"

    def of(self, ids: Sequence[int | str], desk: Desk) -> dict[int | str, int]:
        """Give the position in the desk's classes of the true label of each row that has one.

        Row groups whose statistics rule the ids out are not read; of the others only matching rows
        are kept.

        Raises
        ------
        ConfigError
            The file is missing.
        LabelerError
            The file is not Parquet, lacks a column, or has two labels for a row.
        UnknownClass
            A label is none of the classes.
        """
        if not ids:
            return {}
        found = self._matching(pa.array(ids).unique(), desk.integer_ids)
        position = {name: place for place, name in enumerate(desk.classes)}
        truth: dict[int | str, int] = {}
        for row_id, label in zip(*(found.column(c).to_pylist() for c in ("id", "label")), strict=True):
            if label not in position:
                raise UnknownClass(
                    f"true label of row {row_id!r} in {self.url}: {unknown('class', label, position)}"
                )
            if truth.setdefault(row_id, position[label]) != position[label]:
                raise LabelerError(f"{self.url} has two different true labels for row {row_id!r}; keep one")
        return truth

    def _matching(self, ids: Any, integer_ids: bool) -> Any:
        """Give the rows of these ids that have a label: a table of id and label (string)."""
        dataset, kind = self._open(), pa.int64() if integer_ids else pa.string()
        row_id, label = self._ids(dataset, kind), pc.field(self.label_column)
        try:
            return dataset.to_table(
                columns={"id": row_id, "label": label.cast(pa.string())},
                filter=row_id.isin(ids.cast(kind)) & label.is_valid(),
                batch_readahead=2,
                fragment_readahead=1,
            )
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def _ids(self, dataset: Any, kind: Any) -> Any:
        """Give the expression of the ids; only without a cast do statistics help to skip row groups."""
        found = dataset.schema.field(self.id_column).type
        plain = found.value_type if pa.types.is_dictionary(found) else found
        fits = pa.types.is_integer if pa.types.is_integer(kind) else _is_text
        if not fits(plain):
            raise LabelerError(
                f"column '{self.id_column}' of {self.url} is {found}; the pool's ids are {kind}"
            )
        return pc.field(self.id_column) if found == kind else pc.field(self.id_column).cast(kind)

    def _unreadable(self, error: Exception) -> LamplighterError:
        if isinstance(error, FileNotFoundError):
            return ConfigError(
                f"labeler 'simulated': there are no true labels at {self.url}; correct the path"
            )
        return LabelerError(f"the true labels {self.url} cannot be read: {error}")

    def _open(self) -> Any:
        try:
            fs, path = fsspec.core.url_to_fs(self.url)
            dataset = pa.dataset.dataset(path, filesystem=fs, format="parquet")
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(error) from error
        for column in (self.id_column, self.label_column):
            if column not in dataset.schema.names:
                raise LabelerError(f"{self.url}: {unknown('column', column, dataset.schema.names)}")
        return dataset


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
