"""The pool as it is for one round: its files, what they hold, and a fingerprint."""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from lamplighter.errors import PoolError
from lamplighter.pool.columns import IdKind
from lamplighter.pool.footer import Id
from lamplighter.pool.layout import Layout

FORMAT: Final = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Frozen):
    """One file of the pool.

    Attributes
    ----------
    path
        Relative to the pool's url.
    size
        Bytes.
    validator
        Modification time in nanoseconds, or the object's ETag: if it is the same, so is the file.
    digest
        Hash of the footer and the first feature values: what decides when the validator differs.
    rows, stored_bytes, id_min, id_max
        Per row group: rows, stored bytes of id and features, range of the ids where it is known.
    """

    path: str
    size: int
    validator: str
    digest: str
    rows: tuple[int, ...]
    stored_bytes: tuple[int, ...]
    id_min: tuple[Id | None, ...]
    id_max: tuple[Id | None, ...]


class Manifest(_Frozen):
    """What the pool holds; taken at the start of a round and valid for all of it.

    Attributes
    ----------
    files
        Sorted by path. Shards and locations of rows refer to positions in it.
    id, features, display_columns
        Names of the columns.
    id_kind
        "int64" or "string".
    layout, dtype, dim
        How feature vectors are stored, and their length.
    schema_text
        Types of id and features, the same in all files.
    display
        Types of the display columns.
    """

    format: Literal[1] = FORMAT
    files: tuple[FileEntry, ...]
    id: str
    features: tuple[str, ...]
    display_columns: tuple[str, ...]
    id_kind: IdKind
    layout: Layout
    dtype: str
    dim: int
    schema_text: str
    display: str

    @cached_property
    def rows(self) -> int:
        """Rows in the pool."""
        return sum(sum(file.rows) for file in self.files)

    @cached_property
    def stored_bytes(self) -> int:
        """Stored bytes of ids and features: what one scan reads."""
        return sum(sum(file.stored_bytes) for file in self.files)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of paths, sizes, contents and schema; neither of times nor of where the pool lies."""
        digest = blake2b(f"{self.schema_text}[{self.dim}]".encode(), digest_size=16)
        for file in self.files:
            digest.update(f"\0{file.path}\0{file.size}\0{file.digest}".encode())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """Give the manifest as a JSON document."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` gave; raises PoolError for anything else."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PoolError(f"this is no manifest of format {FORMAT}: {where}: {first['msg']}") from error
