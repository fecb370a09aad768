"""The object store as the rest of Lamplighter sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class ObjectStore(Protocol):
    """Whole objects under "/"-separated keys, in a local directory or an S3 prefix.

    There are no directories, appends or renames. An object is visible whole or not at all.
    Implementations retry what is transient and raise StoreUnavailable when that does not help.
    """

    @property
    def url(self) -> str:
        """Where the store lies, without credentials."""

    def get(self, key: str) -> bytes:
        """Give an object; raises KeyMissing."""

    def put(self, key: str, data: bytes) -> None:
        """Write or replace an object."""

    def create(self, key: str, data: bytes) -> None:
        """Write an object only if the key is free, atomically; raises KeyExists.

        When the write went through but its answer was lost, an implementation may meet its own
        object: it compares the bytes, so `data` must be unique to its writer (a writer token).
        """

    def list(self, prefix: str = "") -> Sequence[str]:
        """Give all keys that start with `prefix`, sorted by code point."""
