"""Every reply of a language model that was paid for, kept under what was asked.

``labelers/llm/replies/<2 hex>/<sha-256 of address and request>-<vote>.json``. A request holds the model,
its settings, the prompt and the row, so that a reply is found again in any batch and any round, and
never when anything about the question has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter

from lamplighter.errors import KeyExists, KeyMissing
from lamplighter.labelers.shelf import Usage
from lamplighter.store.base import ObjectStore

FOLDER = "labelers/llm/replies/"
LONGEST = 4000


@dataclass(frozen=True)
class Said:
    """One reply.

    Attributes
    ----------
    model
        As the campaign names it.
    batch, row
        For which it was paid.
    text
        What the model said, cut to `LONGEST` characters.
    input_tokens, output_tokens
        As reported; None where it was not.
    cost
        By the campaign's prices; without reported tokens the most that it can have been. Includes as
        much for each try before that may have been paid in vain.
    lost
        Those tries.
    answered_at, seconds
        When, and how long it took.
    """

    model: str
    batch: str
    row: int | str
    text: str
    input_tokens: int | None
    output_tokens: int | None
    cost: float
    lost: int
    answered_at: datetime
    seconds: float
    format: Literal[1] = 1

    @property
    def usage(self) -> Usage:
        """What was paid for it."""
        return Usage(1 + self.lost, self.input_tokens or 0, self.output_tokens or 0, self.cost)


_SAID = TypeAdapter(Said)


@dataclass(frozen=True)
class Replies:
    """The replies in a campaign's store."""

    store: ObjectStore

    @staticmethod
    def key(digest: str, vote: int) -> str:
        """Give where the reply to a request lies."""
        return f"{FOLDER}{digest[:2]}/{digest}-{vote}.json"

    def get(self, key: str) -> Said | None:
        """Give a reply, None if there is none yet."""
        try:
            return _SAID.validate_json(self.store.get(key))
        except KeyMissing:
            return None

    def keep(self, key: str, said: Said) -> Said:
        """Write a reply; give it, or the one that was first."""
        try:
            self.store.create(key, _SAID.dump_json(said, indent=1))
        except KeyExists:
            return _SAID.validate_json(self.store.get(key))
        return said
