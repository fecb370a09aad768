"""Every registered strategy keeps the contract, and the contract catches those that do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lamplighter.arrays import F32
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Block, Choice, Context, Shortlist, Strategy
from lamplighter.strategies.power import PowerMargin
from lamplighter.strategies.representative import Representative
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import Case, ContractBroken

TUNED = {"power_margin_sharp": PowerMargin(beta=8, floor=1e-6), "representative_few": Representative(30, 1)}


@pytest.mark.parametrize("case", contract.cases() + contract.cases(TUNED), ids=str)
def test_contract(case: Case) -> None:
    case()


def test_every_strategy_meets_every_law() -> None:
    names = {str(case) for case in contract.cases()}
    assert len(names) == len(STRATEGIES.names()) * len(contract.CHECKS)
    assert "strategy-entropy:row_wise" in names


@dataclass(frozen=True)
class Neighbourly(Strategy):
    """Scores against the block's mean."""

    def score(self, block: Block) -> F32:
        first: F32 = block.proba[:, 0]
        return first - first.mean() if len(first) else first.copy()


@dataclass(frozen=True)
class Positional(Strategy):
    """Breaks ties by storage order."""

    def score(self, block: Block) -> F32:
        return -np.arange(len(block), dtype=np.float32)


@dataclass(frozen=True)
class Repeating(Strategy):
    """Picks one row again and again."""

    def score(self, block: Block) -> F32:
        return np.zeros(len(block), np.float32)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        return Choice(np.zeros(context.k, np.int64))


@dataclass(frozen=True)
class Mutating(Strategy):
    """Writes into its block."""

    def score(self, block: Block) -> F32:
        block.proba.flags.writeable = True
        block.proba[:, 0] += 1
        return block.proba[:, 0].copy()


@dataclass(frozen=True)
class Undefined(Strategy):
    """Gives NaN in float64."""

    def score(self, block: Block) -> Any:
        return np.full(len(block), np.nan)


@dataclass(frozen=True)
class Moody(Strategy):
    """Picks by a source of randomness of its own."""

    def score(self, block: Block) -> F32:
        return np.zeros(len(block), np.float32)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        return Choice(np.random.default_rng().permutation(len(shortlist))[: context.k])


BREAKERS = [
    (Neighbourly(), contract.row_wise),
    (Positional(), contract.ties_go_by_hash),
    (Positional(), contract.any_sharding_picks_the_same),
    (Repeating(), contract.no_duplicates),
    (Repeating(), contract.a_large_batch_takes_all),
    (Repeating(), contract.constant_scores_are_enough),
    (Mutating(), contract.inputs_are_not_mutated),
    (Undefined(), contract.scores_are_float32_and_ordered),
    (Moody(), contract.same_context_same_picks),
]


@pytest.mark.parametrize(
    ("strategy", "check"), BREAKERS, ids=lambda v: getattr(v, "__name__", type(v).__name__)
)
def test_contract_catches(strategy: Strategy, check: Any) -> None:
    with pytest.raises(ContractBroken):
        check(strategy)


def test_contract_catches_what_cannot_be_found_elsewhere() -> None:
    @dataclass(frozen=True)
    class Local(Positional):
        """Lives inside a function, so no other interpreter can import it."""

    with pytest.raises((ContractBroken, AttributeError)):
        contract.pickles_by_reference(Local())
