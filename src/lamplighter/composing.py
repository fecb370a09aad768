"""The campaign's strategy, and what its file puts around it."""

from __future__ import annotations

from lamplighter.config import Campaign, Component
from lamplighter.errors import ConfigError, UnknownClass
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.balance import Balanced
from lamplighter.strategies.base import Strategy
from lamplighter.strategies.baseline import Random
from lamplighter.strategies.distinct import Distinct
from lamplighter.strategies.mix import Mix, Share, portions


def compose(campaign: Campaign) -> Strategy:
    """Build the strategy for rounds with a model: mixed, balanced, kept from near-duplicates.

    Raises
    ------
    UnknownName, ConfigError
        A strategy, a parameter or a class that there is not, or a value that is not allowed.
    """
    strategy = _build(campaign.strategy)
    if campaign.mix:
        shares = tuple(Share(part.strategy.name, _build(part.strategy), part.share) for part in campaign.mix)
        strategy = Mix(campaign.strategy.name, strategy, shares)
    if campaign.balance:
        strategy = Balanced(strategy, campaign.balance.rare, campaign.balance.share)
    _check_classes(campaign, strategy)
    return _without_near_duplicates(campaign, strategy)


def compose_cold_start(campaign: Campaign) -> Strategy:
    """Build the strategy for rounds without a model, which predict no class: kept from near-duplicates."""
    strategy = _build(campaign.cold_start)
    _check_classes(campaign, strategy)
    return _without_near_duplicates(campaign, strategy)


def _check_classes(campaign: Campaign, strategy: Strategy) -> None:
    """Compare the classes that parameters name with the campaign's: here the file is wrong, not a label."""
    try:
        strategy.check(campaign.classes)
    except UnknownClass as error:
        raise ConfigError(str(error)) from error


def _without_near_duplicates(campaign: Campaign, strategy: Strategy) -> Strategy:
    """Skip near-duplicates where the campaign says so, by default where the features are an embedding.

    Random sampling stays as it is unless the campaign insists: it is there to be a plain random sample.
    """
    wanted = campaign.near_duplicates
    embedding = isinstance(campaign.pool.features, str) and not isinstance(strategy, Random)
    skips = embedding if wanted.enabled is None else wanted.enabled
    return Distinct(strategy, wanted.distance) if skips else strategy


def described(campaign: Campaign) -> str:
    """Give the strategy in words: its name, and the shares of others."""
    shares = [f"{part.share:g} by {part.strategy.name}" for part in campaign.mix]
    rare = [f"{campaign.balance.share:g} of {' or '.join(campaign.balance.rare)}"] if campaign.balance else []
    return ", ".join([campaign.strategy.name, *shares, *rare])


def empty_shares(campaign: Campaign) -> list[tuple[str, float]]:
    """Give name and size of the shares that come to no row of a batch."""
    rows = portions([part.share for part in campaign.mix], campaign.batch_size)
    pairs = zip(campaign.mix, rows[1:], strict=True)
    return [(part.strategy.name, part.share) for part, n in pairs if not n]


def named(campaign: Campaign) -> list[tuple[str, Strategy]]:
    """Give every strategy that the campaign names, by its name and bare."""
    components = [campaign.strategy, *(part.strategy for part in campaign.mix), campaign.cold_start]
    return [(component.name, _build(component)) for component in components]


def _build(component: Component) -> Strategy:
    return STRATEGIES.build(component.name, component.params)
