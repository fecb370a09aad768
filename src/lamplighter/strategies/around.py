"""What stands around any one strategy: it ranks as that one does, and changes what is chosen."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Self

from lamplighter.arrays import F32
from lamplighter.strategies.base import Block, Choice, Context, Output, Ranked, Shortlist, Strategy


@dataclass(frozen=True)
class Around(Strategy):
    """A strategy around another, `inner`; `reads` is what it reads of every row beside that one."""

    inner: Strategy

    reads = frozenset[Output]()

    @property
    def requires(self) -> frozenset[Output]:
        """What the inner strategy reads, and this one."""
        return self.inner.requires | self.reads

    @property
    def carries(self) -> frozenset[Output]:
        """What the inner strategy reads of the shortlist, and this one."""
        return self.inner.carries | self.reads

    def check(self, classes: tuple[str, ...]) -> None:
        """Check the inner strategy."""
        self.inner.check(classes)

    def prepare(self, context: Context) -> Self:
        """Prepare the inner strategy."""
        ready = copy(self)
        object.__setattr__(ready, "inner", self.inner.prepare(context))
        return ready

    def score(self, block: Block) -> F32:
        """Give the inner strategy's score."""
        return self.inner.score(block)

    def rank(self, block: Block) -> tuple[Ranked, ...]:
        """Rank as the inner strategy does."""
        return self.inner.rank(block)

    def retold(self, shortlist: Shortlist, choice: Choice, context: Context) -> Choice:
        """Let the inner strategy count anew."""
        return self.inner.retold(shortlist, choice, context)
