"""Random sampling: the control that every other strategy has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F32
from lamplighter.strategies.base import Block, Output, Strategy


@dataclass(frozen=True)
class Random(Strategy):
    """Pick a simple random sample without replacement.

    Every row draws u in (0, 1), keyed by (seed, round, row id); the k largest win. Draws that are
    equal in float32 are ordered by an independent hash, so each k-subset stays equally likely.

    O(n) time, no model needed, 8 bytes per row of the block for the draw.
    """

    requires = frozenset[Output]()

    def score(self, block: Block) -> F32:
        """Give the keyed draws: (n,) float32 in [0, 1]."""
        return block.uniform("random").astype(np.float32)
