"""How many rows a round may ask for, and with which strategy."""

from __future__ import annotations

from dataclasses import dataclass

from lamplighter.rounds import CollectDone, TrainDone
from lamplighter.standing import Standing
from lamplighter.strategies.base import Context, Output, Strategy


@dataclass(frozen=True)
class Wanted:
    """The batch that a round is after."""

    rows: int
    notices: tuple[str, ...] = ()


def wanted(standing: Standing) -> Wanted:
    """Give the batch size, cut to the budget and to what may be outstanding."""
    campaign, collected = standing.driver.campaign, standing.current(CollectDone)
    rows, notices = campaign.batch_size, []
    limits = [("budget", _affordable(standing, collected))]
    if campaign.max_outstanding is not None:
        limits.append(("max_outstanding", campaign.max_outstanding - collected.outstanding))
    for name, limit in limits:
        if limit is not None and max(limit, 0) < rows:
            rows = max(limit, 0)
            notices.append(f"batch cut from {campaign.batch_size} to {rows} rows by {name}")
    return Wanted(rows, tuple(notices))


def _affordable(standing: Standing, collected: CollectDone) -> int | None:
    """Rows the budget has left, those already at the labelers counted as spent."""
    budget = standing.driver.campaign.budget
    limits = [] if budget.labels is None else [budget.labels]
    if budget.cost is not None and budget.cost_per_label is not None:
        limits.append(int(budget.cost / budget.cost_per_label + 1e-9))
    if not limits:
        return None
    each = standing.driver.labeler.answers_per_row
    return min(limits) // each - collected.annotations_total // each - collected.outstanding


def strategy_of(standing: Standing) -> tuple[str, Strategy]:
    """Give the round's strategy, prepared, with its name: the cold start as long as there is no model."""
    campaign, driver = standing.driver.campaign, standing.driver
    trained = standing.current(TrainDone).model is not None
    name, strategy = (
        (campaign.strategy.name, driver.strategy)
        if trained
        else (campaign.cold_start.name, driver.cold_start)
    )
    rows = standing.training
    context = Context(
        seed=campaign.seed,
        round=standing.number,
        k=wanted(standing).rows,
        rows=standing.pool.manifest.rows,
        classes=campaign.classes,
        labelled=rows.x if len(rows) else None,
        labels=rows.label if len(rows) else None,
    )
    return name, strategy.prepare(context)


def needs_model(strategy: Strategy) -> bool:
    """Say whether a strategy reads anything that only a model gives."""
    return bool(strategy.requires - {Output.EMBEDDING})
