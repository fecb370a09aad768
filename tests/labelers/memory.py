"""A store in memory, for tests that are about labelers and not about stores."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from lamplighter.errors import KeyExists, KeyMissing
from lamplighter.labelers.base import Desk
from lamplighter.testing.labelers import CLASSES


class MemoryStore:
    """Objects in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return "memory:"

    def get(self, key: str) -> bytes:
        try:
            return self.objects[key]
        except KeyError as error:
            raise KeyMissing(key) from error

    def put(self, key: str, data: bytes) -> None:
        self.objects[key] = data

    def create(self, key: str, data: bytes) -> None:
        with self.lock:
            if key in self.objects:
                raise KeyExists(key)
            self.objects[key] = data

    def list(self, prefix: str = "") -> Sequence[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))


def desk_of(store: MemoryStore, *, integer_ids: bool = True) -> Desk:
    """Give a desk with the usual classes."""
    return Desk(store, "campaign", CLASSES, integer_ids)
