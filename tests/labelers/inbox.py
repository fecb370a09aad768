"""Answer files put into an inbox, and what the files labeler makes of them."""

from __future__ import annotations

from typing import Any

from lamplighter.labelers.base import Collected, Cursor
from lamplighter.labelers.files import Files
from tests.labelers.memory import MemoryStore, desk_of


def collected(*texts: str | bytes, name: str = "a.csv", integer_ids: bool = True) -> Collected:
    """Put files into the inbox, and collect."""
    store = MemoryStore()
    for number, text in enumerate(texts):
        store.put(f"labeling/in/{number}/{name}", text.encode() if isinstance(text, str) else text)
    return Files().collect([], Cursor(5), desk_of(store, integer_ids=integer_ids))


def brief(found: Collected) -> list[tuple[Any, str | None]]:
    """Give id and label of each answer."""
    return [(a.id, a.label) for a in found.annotations]
