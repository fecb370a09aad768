"""Scores of how unsure the model is, by the name they have as a parameter of other strategies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lamplighter.arrays import F32
from lamplighter.errors import unknown
from lamplighter.strategies.base import Block, Output, require
from lamplighter.strategies.committee import largest_of, mean_of, soft_vote_entropy, vote_entropy
from lamplighter.strategies.uncertainty import entropy, least_confidence, margin

#: Name -> what it is made of, and the formula.
_SCORES: Mapping[str, tuple[Output, Callable[[F32], F32]]] = {
    "entropy": (Output.PROBA, entropy),
    "least_confidence": (Output.PROBA, least_confidence),
    "margin": (Output.PROBA, margin),
    "consensus_kl": (Output.DIVERGENCE, mean_of),
    "max_disagreement": (Output.DIVERGENCE, largest_of),
    "soft_vote_entropy": (Output.COMMITTEE, soft_vote_entropy),
    "vote_entropy": (Output.COMMITTEE, vote_entropy),
}


def require_doubt(name: str, *others: str) -> None:
    """Raise ConfigError unless `name` is a score, or one of `others`."""
    known = [*_SCORES, *others]
    require(name in known, lambda: unknown("uncertainty", name, known))


def made_of(name: str) -> Output:
    """Give the output that a score is made of."""
    return _SCORES[name][0]


def doubt(name: str, block: Block) -> F32:
    """Give the score of every row of a block: (n,) float32, more where the model is less sure."""
    output, formula = _SCORES[name]
    return formula(block.outputs[output])
