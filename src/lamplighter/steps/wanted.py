"""How many rows a round may ask for, and with which strategy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lamplighter.driver import affordable_labels
from lamplighter.rounds import CollectDone, TrainDone
from lamplighter.standing import Standing
from lamplighter.strategies.base import Context, Output, Strategy


@dataclass(frozen=True)
class Wanted:
    """The batch that a round is after.

    Attributes
    ----------
    rows
        Rows of the batch, beside those of the holdout.
    room
        Rows that may be sent in all, the holdout's among them; None without a limit.
    limit
        What sets the room.
    notices
        What was cut, and why.
    """

    rows: int
    room: int | None = None
    limit: str = ""
    notices: tuple[str, ...] = ()

    def beside(self, holdout: int) -> Wanted:
        """Give what may be sent beside so many rows of the holdout, which go first."""
        if self.room is None or self.room - holdout >= self.rows:
            return self
        rows = max(self.room - holdout, 0)
        cut = f"batch cut from {self.rows} to {rows} rows by {self.limit}"
        return replace(self, rows=rows, notices=(*self.notices, cut))


def wanted(standing: Standing) -> Wanted:
    """Give the batch size, cut to the budget and to what may be outstanding."""
    campaign, collected = standing.driver.campaign, standing.current(CollectDone)
    limits = {"budget": _affordable(standing, collected)}
    if campaign.max_outstanding is not None:
        limits["max_outstanding"] = campaign.max_outstanding - collected.outstanding
    known = [(max(room, 0), name) for name, room in limits.items() if room is not None]
    if not known:
        return Wanted(campaign.batch_size)
    return Wanted(campaign.batch_size, *min(known)).beside(0)


def _affordable(standing: Standing, collected: CollectDone) -> int | None:
    """Rows the budget has left, those already at the labelers counted as spent."""
    limit = affordable_labels(standing.driver.campaign.budget)
    if limit is None:
        return None
    each = standing.driver.labeler.answers_per_row
    return (limit - collected.annotations_total) // each - collected.outstanding


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
        k=max(wanted(standing).rows, 1),
        rows=standing.pool.manifest.rows,
        classes=campaign.classes,
        labelled=rows.x if len(rows) else None,
        labels=rows.label if len(rows) else None,
    )
    return name, strategy.prepare(context)


def needs_model(strategy: Strategy) -> bool:
    """Say whether a strategy reads anything that only a model gives."""
    return bool(strategy.requires - {Output.EMBEDDING})
