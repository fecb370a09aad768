"""What a campaign has paid for a language model, request by request.

``labelers/llm/paid/<2 hex>/<name of the reply>_<cost>_<token>.json``: one bill for each request that was
paid, or may have been. Its name holds the cost, so that one listing adds all of them up, whether or not
a page of answers ever names the reply: that of a row whose other votes were refused, of a batch that has
moved on, of a driver that died. A bill is written before the reply is kept.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from math import fsum

from lamplighter.errors import KeyExists
from lamplighter.labelers.replies import FOLDER, Replies
from lamplighter.labelers.shelf import READERS
from lamplighter.store.base import ObjectStore

_PAID = "labelers/llm/paid/"
_EARLIER = "earlier"  # in place of the token: for a reply that was kept when there were no bills


@dataclass(frozen=True)
class Bills:
    """The bills in a campaign's store."""

    store: ObjectStore

    def add(self, reply: str, cost: float, token: str | None = None) -> None:
        """Write what a request cost whose reply lies, or would lie, under a key."""
        token = token or uuid.uuid4().hex[:12]
        path, stem = _parted(reply)
        said = json.dumps({"format": 1, "reply": reply, "cost": cost, "token": token}).encode()
        with suppress(KeyExists):
            self.store.create(f"{_PAID}{path}/{stem}_{cost!r}_{token}.json", said)

    def total(self) -> float:
        """Add up what was paid, also for replies that have no bill yet; these get one."""
        # Replies first: whatever is among them has its bill by now, unless it is from before.
        replies = [key for key in self.store.list(FOLDER) if key.endswith(".json")]
        bills = [key.removesuffix(".json").split("_") for key in self.store.list(_PAID)]
        billed = {stem.rpartition("/")[2] for stem, _, _ in bills}
        without = [key for key in replies if _parted(key)[1] not in billed]
        return fsum([*(float(cost) for _, cost, _ in bills), *self._billed_now(without)])

    def _billed_now(self, replies: Iterable[str]) -> list[float]:
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self._bill_now, replies))

    def _bill_now(self, reply: str) -> float:
        said = Replies(self.store).get(reply)
        if said is None:
            return 0.0
        # Two drivers that do this at once write the same bill.
        self.add(reply, said.cost, _EARLIER)
        return said.cost


def _parted(reply: str) -> tuple[str, str]:
    """Give the folder and the name of a reply, as its bills have them."""
    path, _, name = reply.removeprefix(FOLDER).rpartition("/")
    return path, name.removesuffix(".json")
