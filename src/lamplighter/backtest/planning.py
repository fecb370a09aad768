"""What a backtest is to do: which strategies on which rows, how far, and under which key its runs lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from lamplighter import learner, rng
from lamplighter.backtest.labelled import Connect, Gathered, LabelSource, gather
from lamplighter.backtest.picking import LabelledRows, StrategyPicker, split
from lamplighter.config import Campaign, Component
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError, LabelError, TooFewClasses
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Strategy, require

CONTROL = "random"
#: Strategies that are compared with the campaign's own where none are named.
USUAL = ("margin", "badge")
#: Batches of a run where nothing is said, as long as half of the rows stay unasked.
ROUNDS = 20
#: Letters of an outcome's name; file systems take 255.
LONGEST_NAME = 120
#: What of a campaign does not enter into a replay; the strategies are looked at one by one.
_ASIDE = {
    "name",
    "pool",
    "strategy",
    "labeler",
    "max_outstanding",
    "quality",
    "waiting",
    "evaluation",
    "stopping",
    "budget",
    "store",
    "control",
    "cluster",
}


@dataclass(frozen=True)
class Request:
    """What a user asks for.

    Attributes
    ----------
    strategies
        Registered names; the control is always added. None for the campaign's own and USUAL ones.
    seeds
        Runs of each strategy, each on a split and a start set of its own.
    labels_per_run, rounds
        Where a run ends, in labels or in batches; at most one of the two. By default after ROUNDS
        batches, or with half of the rows.
    test_share
        Share of the rows that models are measured on.
    """

    labels: LabelSource
    strategies: tuple[str, ...] = ()
    seeds: int = 20
    labels_per_run: int | None = None
    rounds: int | None = None
    test_share: float = 0.3

    def __post_init__(self) -> None:
        require(self.seeds >= 1, f"seeds is {self.seeds}; at least 1 run of each strategy is needed")
        require(0 < self.test_share < 1, f"test share is {self.test_share}; it must lie between 0 and 1: 0.3")
        both = self.labels_per_run is not None and self.rounds is not None
        require(not both, "give either labels per run or rounds, not both")
        given = self.labels_per_run if self.rounds is None else self.rounds
        require(given is None or given >= 1, f"{given} labels or rounds make no run; give a positive number")


class Item(NamedTuple):
    """One run to make."""

    strategy: str
    seed: int
    picker: StrategyPicker


@dataclass(frozen=True, eq=False)
class Plan:
    """A backtest whose parts have been checked and whose rows have been read.

    Attributes
    ----------
    pickers
        The strategies by name, the control last.
    labels
        Where a run ends.
    price
        Of one labelled row, by all its annotators; None if the campaign does not say.
    """

    driver: Driver
    request: Request
    gathered: Gathered
    pickers: Mapping[str, StrategyPicker]
    labels: int
    price: float | None = None

    @property
    def campaign(self) -> Campaign:
        """The campaign that is replayed."""
        return self.driver.campaign

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """Rows to choose from, and rows to test on, in each split."""
        pool, test = split(_without_features(self.gathered.rows), self.request.test_share, 0)
        return len(pool), len(test)

    @property
    def cut(self) -> str:
        """Say that runs end before what was asked for, with the last row; empty if they do not."""
        wanted = _wanted(self.campaign, self.request)
        if wanted is None or wanted <= self.labels:
            return ""
        asked = f"{wanted:,} labels" if self.request.rounds is None else f"{self.request.rounds:,} rounds"
        of = "" if self.request.rounds is None else f" of {self.campaign.batch_size:,} rows"
        return (
            f"Runs end with {self.labels:,} labels instead of {asked}{of}: there are no more rows to choose "
            "from, and at their end all strategies have labelled the same."
        )

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All runs, seed after seed: one that is interrupted leaves whole seeds behind."""
        return tuple(
            Item(name, seed, picker)
            for seed in range(self.request.seeds)
            for name, picker in self.pickers.items()
        )

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes runs comparable, JSON-ready: everything that enters into them but strategy and seed."""
        campaign = self.campaign
        own = campaign.strategy
        return {
            # 2: rounds without a model have a point, shares are float64, warm starts are replayed.
            "format": 2,
            "campaign": campaign.model_dump(mode="json", exclude=_ASIDE),
            "vector": isinstance(campaign.pool.features, str),
            # Without parameters its name says it all.
            "own strategy": own.model_dump(mode="json") if own.params else None,
            "rows": self.gathered.digest(),
            "test share": self.request.test_share,
            "labels per run": self.labels,
            "versions": {name: _version(name) for name in ("lamplighter", "scikit-learn", "numpy")},
        }

    @cached_property
    def folder(self) -> str:
        """The key prefix under which the runs lie in the store."""
        told = json.dumps(self.identity, sort_keys=True).encode()
        return f"backtests/{sha256(told).hexdigest()[:16]}"

    @cached_property
    def outcome_folder(self) -> str:
        """The key prefix of what the runs add up to: one for each choice of strategies and seeds.

        So a look at fewer of the runs does not replace the report of all.
        """
        others = sorted(quote(name, safe="") for name in self.pickers if name != CONTROL)
        name = f"{'+'.join([*others, CONTROL])}-{self.request.seeds}-seeds"
        if len(name) > LONGEST_NAME:
            name = f"{name[: LONGEST_NAME - 17]}-{sha256(name.encode()).hexdigest()[:16]}"
        return f"{self.folder}/{name}"


def run_seed(campaign: Campaign, seed: int) -> int:
    """Give what keys the randomness of all runs of one number."""
    return rng.key(campaign.seed, seed, "backtest")


def make_plan(driver: Driver, request: Request, connect: Connect | None = None) -> Plan:
    """Check everything that can be checked before the first run, and read the rows.

    Raises
    ------
    ConfigError, LabelError, PoolError
        What is wrong with the request, the campaign, the labels or the pool.
    """
    learner.check_learner(driver.campaign.learner, driver.campaign.classes)
    pickers = {name: StrategyPicker(_strategy(driver, name)) for name in _names(driver, request)}
    price, gathered = _price(driver), gather(driver, request.labels, connect)
    pool_rows = _pool_rows(driver.campaign, request, gathered)
    labels = _labels_per_run(driver.campaign, request, pool_rows)
    return Plan(driver, request, gathered, pickers, labels, price)


def _names(driver: Driver, request: Request) -> list[str]:
    named = request.strategies or (driver.campaign.strategy.name, *USUAL)
    return [*(name for name in dict.fromkeys(named) if name != CONTROL), CONTROL]


def _strategy(driver: Driver, name: str) -> Strategy:
    """Build a strategy as the campaign would, with all that it puts around one; but the control is plain."""
    if name == CONTROL:
        return STRATEGIES.build(CONTROL)
    campaign, own = driver.campaign, driver.campaign.strategy
    named = own if name == own.name else Component(name=name)
    driver = replace(driver, campaign=campaign.model_copy(update={"strategy": named}))
    driver.check_needs()
    return driver.strategy


def _price(driver: Driver) -> float | None:
    each = driver.campaign.budget.cost_per_label
    # Only where it counts: the labeler may need secrets that are not at hand.
    return None if each is None else each * driver.labeler.answers_per_row


def _pool_rows(campaign: Campaign, request: Request, gathered: Gathered) -> int:
    """Count the rows to choose from; raises LabelError if they are too few, in any of the splits."""
    rows, batch = _without_features(gathered.rows), campaign.batch_size
    for seed in range(request.seeds):
        pool, test = split(rows, request.test_share, run_seed(campaign, seed))
        if len(pool) < 2 * batch:
            raise LabelError(
                f"{len(rows):,} labelled rows are too few: {len(test):,} are for the test, and the other "
                f"{len(pool):,} must be two batches of {batch:,} at least; give more labels, a smaller test "
                "share, or a campaign with a smaller batch_size"
            )
        if len(np.unique(pool.label)) < 2:
            raise TooFewClasses(
                f"in the split of seed {seed} all rows to choose from are of one class; give more labels of "
                "the others"
            )
    return len(pool)


def _labels_per_run(campaign: Campaign, request: Request, pool_rows: int) -> int:
    batch, wanted = campaign.batch_size, _wanted(campaign, request)
    if wanted is None:
        return batch * max(2, min(ROUNDS, pool_rows // 2 // batch))
    if wanted <= batch:
        raise ConfigError(
            f"a run of {wanted:,} labels ends with the start set, a batch of {batch:,}, before any strategy "
            f"has picked a row; give more than {batch:,} labels, or 2 rounds or more"
        )
    return min(wanted, pool_rows)


def _wanted(campaign: Campaign, request: Request) -> int | None:
    """Give the labels per run that were asked for, if any were."""
    return request.labels_per_run if request.rounds is None else campaign.batch_size * request.rounds


def _without_features(rows: LabelledRows) -> LabelledRows:
    """Give rows that cost nothing to copy; how they are divided depends on their ids alone."""
    return LabelledRows(rows.ids, np.empty((len(rows), 0), np.float32), rows.label)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
