"""Object stores that fail in chosen ways, wrapped around a real one."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from lamplighter.errors import StoreUnavailable
from lamplighter.store.base import ObjectStore

T = TypeVar("T")


class Wrapped:
    """Hands every call through; subclasses override `call` to count, spoil or die."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    @property
    def url(self) -> str:
        """Where the real store lies."""
        return self.store.url

    def get(self, key: str) -> bytes:
        """Give an object."""
        return self.call("get", key, lambda: self.store.get(key))

    def put(self, key: str, data: bytes) -> None:
        """Write or replace an object."""
        self.call("put", key, lambda: self.store.put(key, data))

    def create(self, key: str, data: bytes) -> None:
        """Write an object only if the key is free."""
        self.call("create", key, lambda: self.store.create(key, data))

    def list(self, prefix: str = "") -> Sequence[str]:
        """Give all keys that start with `prefix`."""
        return self.call("list", prefix, lambda: self.store.list(prefix))

    def call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        """Do one call of the real store."""
        return do()


class Counting(Wrapped):
    """Remembers every call as (verb, key), in `calls`."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.calls: list[tuple[str, str]] = []

    def call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        """Note the call, then do it."""
        self.calls.append((verb, key))
        return do()


class CrashAt(Counting):
    """Kills its own process (SIGKILL: no clean-up, no last words) at one call.

    Parameters
    ----------
    call_number
        Which call, counted from 1.
    when
        Before the real store sees the call, or after it did it.
    """

    def __init__(self, store: ObjectStore, call: int, when: Literal["before", "after"] = "before") -> None:
        super().__init__(store)
        self.fatal = call
        self.when = when

    def call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        """Do the call, or die."""
        self.calls.append((verb, key))
        fatal = len(self.calls) == self.fatal
        if fatal and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = do()
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


class LostReply(Wrapped):
    """Does the n-th write (put or create, from 1), and then reports that no answer came."""

    def __init__(self, store: ObjectStore, write: int) -> None:
        super().__init__(store)
        self.left = write

    def call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        """Do the call, and lose the answer if it is the one."""
        done = do()
        self.left -= verb in {"put", "create"}
        if self.left == 0 and verb in {"put", "create"}:
            raise StoreUnavailable(f"the answer to {verb} '{key}' was lost on purpose")
        return done


class Flaky(Wrapped):
    """Does not answer a share of all calls; half of those it does nevertheless.

    Parameters
    ----------
    rate
        Probability that a call fails, 0 to 1.
    seed
        Which calls fail: the same seed, the same calls.
    """

    def __init__(self, store: ObjectStore, rate: float, seed: int = 0) -> None:
        super().__init__(store)
        self.rate = rate
        self.random = random.Random(seed)  # noqa: S311  (no secret hangs on it)

    def call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        """Do the call, or fail before or after it."""
        draw = self.random.random()
        if draw < self.rate / 2:
            raise StoreUnavailable(f"{verb} '{key}' was not done, on purpose")
        done = do()
        if draw < self.rate:
            raise StoreUnavailable(f"the answer to {verb} '{key}' was lost on purpose")
        return done
