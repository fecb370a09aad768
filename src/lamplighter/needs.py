"""Whether a campaign has what its strategies need, found out before any row is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lamplighter import learner
from lamplighter.errors import ConfigError
from lamplighter.labelers import LABELERS
from lamplighter.labelers.route import Route
from lamplighter.redaction import literal_secrets
from lamplighter.scan import LEARNED
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Output

if TYPE_CHECKING:
    from lamplighter.config import Campaign
    from lamplighter.labelers.base import Labeler
    from lamplighter.strategies.base import Strategy


def check_needs(campaign: Campaign, strategies: Iterable[tuple[str, Strategy]]) -> None:
    """Compare what strategies read with what the campaign's learner, committee and pool give.

    Parameters
    ----------
    campaign
        Its learner, its committee and its features are looked at.
    strategies
        Each with the name that the message is to give.

    Raises
    ------
    ConfigError
        A strategy reads what the campaign does not give, a learner of the committee is wrong, the
        cold start needs a model, or the campaign file holds a secret itself.
    """
    _check_secrets(campaign.labeler.name, campaign.labeler.params, "labeler.params")
    _check_weights(campaign)
    listed = campaign.committee.learners if campaign.committee else None
    for member in listed or ():
        learner.check_learner(member, campaign.classes)
    _check_cold_start(campaign)
    for name, strategy in strategies:
        _check_committee(campaign, name, strategy)
        _check_last_layer(campaign, name, strategy)
        _check_embedding(campaign, name, strategy)


def _check_secrets(name: str, params: Mapping[str, Any], where: str) -> None:
    """Look for secrets of a labeler, and of those inside a route; the store would keep them."""
    for parameter in literal_secrets(LABELERS.get(name), params):
        raise ConfigError(
            f"{where}.{parameter} holds a secret itself, which the store would keep: put it into an "
            f"environment variable, and write ${{NAME}} in its place; if it was in a store, get a new one"
        )
    for place, part in enumerate(params.get("labelers", ()) if name == "route" else ()):
        _check_secrets(part["name"], part.get("params") or {}, f"{where}.labelers[{place}].params")


def check_repeats(campaign: Campaign, labeler: Labeler) -> None:
    """Raise ConfigError where a machine is to be asked twice about a row: it says the same again."""
    quality, name = campaign.quality, campaign.labeler.name
    if isinstance(labeler, Route):
        # What wants one more answer goes to the last labeler of a route.
        name, labeler = labeler.people
    if quality and labeler.automated and (quality.overlap or quality.relabel):
        raise ConfigError(
            f"quality: labeler '{name}' is a machine, which has no second opinion for overlap or relabel; "
            "leave them out, or use labeler 'route' with people at its end"
        )


def _check_weights(campaign: Campaign) -> None:
    quality = campaign.quality
    if quality and quality.weights and not learner.can_weigh(campaign.learner):
        raise ConfigError(
            f"quality.weights: learner '{campaign.learner.name}' takes no sample weights; leave weights out, "
            "or use a learner whose fit has sample_weight, such as sklearn.linear_model.LogisticRegression"
        )


def check_waiting(campaign: Campaign, labeler: Labeler) -> None:
    """Raise ConfigError where rows are to be taken back from a labeler that gives none back."""
    waiting = campaign.waiting
    asked = waiting.expire_after_days is not None or waiting.unwanted == "withdraw"
    if asked and not labeler.follows_up:
        raise ConfigError(
            f"waiting: labeler '{campaign.labeler.name}' cannot take rows back that it was given; leave "
            "expire_after_days and unwanted out, or use labeler 'label_studio'"
        )


def _check_cold_start(campaign: Campaign) -> None:
    """Look whether the strategy for rounds without a model does without one."""
    cold = campaign.cold_start
    needed = STRATEGIES.build(cold.name, cold.params).requires & LEARNED
    if needed:
        outputs = " and ".join(sorted(output.value for output in needed))
        raise ConfigError(
            f"cold_start: strategy '{cold.name}' needs {outputs} of a model, "
            f"and there is none yet in a cold start; use one of: {', '.join(_without_model())}"
        )


def _without_model() -> list[str]:
    """Name the registered strategies that read nothing of a model."""
    found = []
    for name in STRATEGIES.names():
        # A strategy of another package that cannot be imported must not hide what is wrong here.
        with suppress(ConfigError):
            if not STRATEGIES.build(name).requires & LEARNED:
                found.append(name)
    return found


def _check_committee(campaign: Campaign, name: str, strategy: Strategy) -> None:
    if strategy.needs_committee and campaign.committee is None:
        raise ConfigError(
            f"strategy '{name}' needs a committee, and the campaign has none; give it one, of five models "
            "on resampled labels (committee: 5) or of several learners (committee: [...])"
        )


def _check_last_layer(campaign: Campaign, name: str, strategy: Strategy) -> None:
    if Output.LAST_LAYER not in strategy.requires:
        return
    if Output.LAST_LAYER not in learner.gives(campaign.learner):
        raise ConfigError(
            f"strategy '{name}' needs last_layer, which {campaign.learner.name.rpartition('.')[2]} does not "
            "give; use a linear model (LogisticRegression, or SGDClassifier with loss: log_loss) or "
            "MLPClassifier"
        )


def _check_embedding(campaign: Campaign, name: str, strategy: Strategy) -> None:
    if strategy.embedding_only and not isinstance(campaign.pool.features, str):
        raise ConfigError(
            f"strategy '{name}' compares directions, but pool.features names {len(campaign.pool.features)} "
            "columns, whose zero and units are arbitrary; use cluster_margin or cluster_representatives, "
            "which scale columns, or store an embedding in one vector column"
        )
