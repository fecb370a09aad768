"""One driver at a time writes to Label Studio: claims in the campaign's store.

``labelers/label_studio/claims/000001.json``, ``000002.json``, ...: the last one says who may write. A
claim is made by an exclusive create and kept alive by writing it anew every few seconds. The next one
may be made once the last says that it is free, once its process is known to be dead, or once it has
been silent for a while by the watcher's own clock; clocks of two machines are never compared.

A claimant that only seemed dead may come back and send once more. That is why counts are checked, and
surplus tasks removed, after every dispatch.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from lamplighter.errors import KeyExists, KeyMissing, StoreError, StoreUnavailable
from lamplighter.store.base import ObjectStore

BEAT_S = 3.0
SILENCE_S = 20.0
_LOOK_S = 0.2
_FOLDER = "labelers/label_studio/claims/"


class TakenOver(Exception):
    """Another driver has taken this one for dead, and goes on in its place."""


@dataclass
class Claim:
    """The right to write, while it lasts.

    Attributes
    ----------
    number
        Of the claim; a higher one ends it.
    inherited
        Whether the last claimant did not say that it was done: a request of its may still be at work.
    """

    store: ObjectStore
    number: int
    inherited: bool
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def key(self) -> str:
        """Where it lies."""
        return _key(self.number)

    def check(self) -> None:
        """Raise TakenOver if another driver writes now."""
        if _last(self.store) != self.number:
            raise TakenOver(f"claim {self.number}")

    def body(self, beat: int, *, free: bool = False) -> bytes:
        """Give what is written."""
        host, space = _place()
        said = {"owner": self.owner, "host": host, "space": space, "pid": os.getpid()}
        return json.dumps(said | {"beat": beat, "free": free}).encode()


@contextmanager
def claimed(store: ObjectStore, silence_s: float = SILENCE_S) -> Iterator[Claim]:
    """Wait for the right to write, and give it back after the block."""
    claim = _made(store, silence_s)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(claim, ended), daemon=True)
    beating.start()
    try:
        yield claim
    finally:
        ended.set()
        beating.join()
        with suppress(StoreError):  # then its silence frees it
            store.put(claim.key, claim.body(0, free=True))


def _beat(claim: Claim, ended: threading.Event) -> None:
    number = 0
    while not ended.wait(BEAT_S):
        number += 1
        with suppress(StoreError):
            claim.store.put(claim.key, claim.body(number))


def _made(store: ObjectStore, silence_s: float) -> Claim:
    while True:
        number = _last(store)
        inherited = number > 0 and not _freed(store, number, silence_s)
        claim = Claim(store, number + 1, inherited)
        if _created(claim):
            return claim


def _created(claim: Claim) -> bool:
    try:
        claim.store.create(claim.key, claim.body(0))
    except KeyExists:
        return False
    except StoreUnavailable:
        # It may have been written, and its answer lost: then nobody else can free it.
        try:
            return bool(json.loads(claim.store.get(claim.key))["owner"] == claim.owner)
        except KeyMissing:
            raise StoreUnavailable(f"'{claim.key}' could not be written; run again") from None
    return True


def _freed(store: ObjectStore, number: int, silence_s: float) -> bool:
    """Wait until a claim has ended; say whether its claimant was done."""
    said, since = _said(store, number), monotonic()
    while not said.get("free"):
        if _is_dead(said) or _last(store) != number:
            return False
        sleep(_LOOK_S)
        now = _said(store, number)
        if now == said and monotonic() - since > silence_s:
            return False
        said, since = now, since if now == said else monotonic()
    return True


def _said(store: ObjectStore, number: int) -> dict[str, Any]:
    try:
        said = json.loads(store.get(_key(number)))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _is_dead(said: dict[str, Any]) -> bool:
    """Say whether a claimant's process is known to be gone; that of another machine never is."""
    if (said.get("host"), said.get("space")) != _place() or not isinstance(said.get("pid"), int):
        return False
    try:
        os.kill(said["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _place() -> tuple[str, str]:
    """Name the machine and its space of process numbers: containers may share the one alone."""
    space = Path("/proc/self/ns/pid")
    try:
        return socket.gethostname(), str(space.readlink())
    except OSError:
        return socket.gethostname(), ""


def _last(store: ObjectStore) -> int:
    keys = store.list(_FOLDER)
    return int(keys[-1].removeprefix(_FOLDER).removesuffix(".json")) if keys else 0


def _key(number: int) -> str:
    return f"{_FOLDER}{number:08d}.json"
