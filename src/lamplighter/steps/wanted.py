"""How many rows a round may ask for, and with which strategy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lamplighter.arrays import F32, I32
from lamplighter.driver import affordable_labels
from lamplighter.rounds import CollectDone, TrainDone
from lamplighter.standing import Standing
from lamplighter.strategies.base import Context, Strategy


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
        places = campaign.max_outstanding - collected.outstanding
        limits["max_outstanding"] = standing.driver.expense.fitting(places)
    known = [(room, name) for name, room in limits.items() if room is not None]
    if not known:
        return Wanted(campaign.batch_size)
    return Wanted(campaign.batch_size, *min(known)).beside(0)


def _affordable(standing: Standing, collected: CollectDone) -> int | None:
    """Rows the budget has left, the answers that are awaited counted as spent."""
    limit = affordable_labels(standing.driver.campaign.budget)
    if limit is None:
        return None
    return standing.driver.expense.affordable(limit - collected.annotations_total - standing.awaited.total)


def strategy_of(standing: Standing) -> tuple[str, Strategy]:
    """Give the round's strategy with its name: the cold start as long as there is no model."""
    campaign, driver = standing.driver.campaign, standing.driver
    if standing.current(TrainDone).model is None:
        return campaign.cold_start.name, driver.cold_start
    return campaign.strategy.name, driver.strategy


def context_of(standing: Standing, k: int, scanned: int | None = None) -> Context:
    """Give what a strategy may know of the round, for a batch of k rows from lists for `scanned`."""
    campaign = standing.driver.campaign

    def load() -> tuple[F32, I32]:
        rows = standing.training
        return rows.x, rows.label

    return Context(
        seed=campaign.seed,
        round=standing.number,
        k=k,
        rows=standing.pool.manifest.rows,
        classes=campaign.classes,
        embedding=isinstance(campaign.pool.features, str),
        scanned=scanned,
        load=load,
    )
