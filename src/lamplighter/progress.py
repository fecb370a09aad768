"""Telling whoever listens how far a long step is: a terminal's bar, an artifact of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a pass over the pool is, or other work that is counted.

    Attributes
    ----------
    what
        The work, as a present participle: "scoring".
    rows, total_rows, shards, total_shards
        Done so far, and in all; all 0 for work that has no measure.
    unit
        What is counted as rows.
    """

    what: str
    rows: int
    total_rows: int
    shards: int
    total_shards: int
    unit: str = "rows"

    @classmethod
    def of(cls, what: str) -> Progress:
        """Give the begin of work that has no measure."""
        return cls(what, 0, 0, 0, 0)

    @property
    def measured(self) -> bool:
        """Whether it is known how much there is to do."""
        return self.total_shards > 0

    @property
    def share(self) -> float:
        """Share done, 0 to 1; an empty pass is done."""
        return self.rows / self.total_rows if self.total_rows else 1.0


Listener = Callable[[Progress], None]
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("progress listeners", default=())


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called with all progress made inside the block."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def tell(progress: Progress) -> None:
    """Tell all listeners of the current context."""
    for listener in _listeners.get():
        listener(progress)
