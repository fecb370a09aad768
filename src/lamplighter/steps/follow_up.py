"""Follow up: what the newest model says of rows that still wait for an answer, and which are taken back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import scan, shortlists, tables
from lamplighter.array_pool import ArrayPool
from lamplighter.arrays import Bools, RowIds
from lamplighter.awaited import late_rounds
from lamplighter.errors import LabelerError
from lamplighter.labelers.base import BatchRow, Ticket
from lamplighter.labelled_rows import Rows
from lamplighter.rounds import Artifact, DispatchDone, ScoreDone, TrainDone
from lamplighter.scan import ScanJob, ScanResult
from lamplighter.standing import Standing
from lamplighter.steps.predicting import predicted_columns, rows_of
from lamplighter.steps.wanted import context_of, wanted
from lamplighter.strategies.base import Lane, Strategy
from lamplighter.strategies.distinct import Distinct

log = logging.getLogger("lamplighter")


@dataclass(frozen=True)
class FollowedUp:
    """What a round did about rows that earlier ones asked for."""

    withdrawn: Artifact | None = None
    withdrawn_rows: int = 0
    refreshed: int = 0


def look_again(standing: Standing, job: ScanJob, result: ScanResult) -> Any:
    """Judge the rows that wait as the pool's rows were judged in this scan; None where nobody asks.

    Gives a table of id, predicted, proba and wanted: whether the row would be on the shortlist if it
    were still in the pool. A row of the holdout is always wanted.
    """
    model = standing.model(standing.current(TrainDone))
    ids = waiting_ids(standing)
    if model is None or not standing.driver.labeler.follows_up or not len(ids):
        return None
    rows = rows_of(standing, ids)
    wanted = {"wanted": _wanted(standing, job, result, rows)}
    return pa.table({"id": ids} | predicted_columns(model, rows, standing.in_holdout(ids)) | wanted)


def _wanted(standing: Standing, job: ScanJob, result: ScanResult, rows: Rows) -> Bools:
    """Scan the rows like a pool of their own, and see which hold out among the pool's best."""
    held = standing.in_holdout(rows.ids)
    if not (~held).any():
        return held
    free = ArrayPool(rows.ids.filter(pa.array(~held)), np.ascontiguousarray(rows.x[~held]))
    lanes = _lanes(standing, job.strategy)
    alone = replace(job, pool=free, lanes=lanes, exclude=None, holdout_below=0, sample_below=0)
    found = scan.scan_here(alone).shortlist
    both = shortlists.best_of_lanes([result.shortlist, found], lanes)
    return held | tables.is_in(rows.ids, both.ids)


def _lanes(standing: Standing, strategy: Strategy) -> tuple[Lane, ...]:
    """Give the lists that the strategy itself chooses from, without room for near-duplicates."""
    own = strategy.inner if isinstance(strategy, Distinct) else strategy
    return own.lanes(context_of(standing, max(wanted(standing).rows, 1)))


def waiting_ids(standing: Standing) -> RowIds:
    """Give the rows that the campaign's labeler has and nobody has answered, in the order they were sent.

    What an earlier labeler has stays there: only that one could take it back, so to call it taken back
    would be to ask twice.
    """
    own, asked = standing.driver.campaign.labeler.name, standing.asked
    sent = [d.round for d in standing.steps(DispatchDone) if (d.labeler or own) == own]
    left = asked.stands & np.isin(asked.round, sent) & ~tables.is_in(asked.ids, standing.answered_ids)
    return asked.ids.filter(pa.array(left)).unique()


def follow_up(standing: Standing) -> FollowedUp:
    """Take back what waits too long or is no longer wanted, and refresh the predictions of the rest."""
    driver = standing.driver
    tickets = standing.tickets[driver.campaign.labeler.name]
    if not driver.labeler.follows_up or not tickets:
        return FollowedUp()
    desk = driver.desk(standing.integer_ids)
    expired, seen = _expired(standing), _seen_again(standing)
    unwanted = _to_take_back(standing, expired, seen)
    back = driver.labeler.withdraw(unwanted.to_pylist(), tickets, desk) if len(unwanted) else ()
    gone = tables.as_ids(list(back), standing.integer_ids)
    fresh = _fresh_rows(standing, seen, gone)
    refreshed = _refreshed(standing, fresh, tickets) if fresh else 0
    if not len(gone):
        return FollowedUp(refreshed=refreshed)
    log.info("%d waiting rows taken back", len(gone))
    late = tables.is_in(gone, expired)
    again = ~late | (driver.campaign.waiting.then == "ask_again")
    table = pa.table({"id": gone, "again": again, "expired": late})
    kept = driver.ledger.write(standing.number, "withdrawn", "parquet", tables.to_parquet(table))
    return FollowedUp(kept, len(gone), refreshed)


def _refreshed(standing: Standing, rows: Sequence[BatchRow], tickets: Sequence[Ticket]) -> int:
    """Refresh what is shown; a labeler that cannot keeps no batch back, since guesses are only a help."""
    driver = standing.driver
    try:
        return driver.labeler.refresh(rows, tickets, driver.desk(standing.integer_ids))
    except LabelerError as error:
        log.warning("waiting rows keep the predictions of an earlier model: %s", error)
        return 0


def _to_take_back(standing: Standing, expired: RowIds, seen: Any) -> RowIds:
    ids = waiting_ids(standing)
    unwanted = np.zeros(len(ids), bool)
    if standing.driver.campaign.waiting.unwanted == "withdraw" and seen is not None:
        dull = seen.filter(pa.array(~np.asarray(seen.column("wanted"))))
        unwanted = tables.is_in(ids, tables.ids_of(dull))
    return ids.filter(pa.array(tables.is_in(ids, expired) | unwanted))


def _expired(standing: Standing) -> RowIds:
    """Give the rows whose batch is older than the campaign's patience, at the time of the round's collect."""
    asked = standing.asked
    return asked.ids.filter(pa.array(np.isin(asked.round, late_rounds(standing)) & asked.stands))


def _seen_again(standing: Standing) -> Any:
    kept = standing.current(ScoreDone).waiting
    return tables.from_parquet(standing.read(kept)) if kept else None


def _fresh_rows(standing: Standing, seen: Any, gone: RowIds) -> list[BatchRow]:
    if seen is None or not standing.driver.campaign.waiting.refresh:
        return []
    left = seen.filter(pa.array(~tables.is_in(tables.ids_of(seen), gone)))
    return [
        BatchRow(
            id=row["id"],
            purpose="batch",
            rank=rank,
            predicted=row["predicted"],
            proba=tuple(row["proba"]),
        )
        for rank, row in enumerate(left.to_pylist(), 1)
        if row["predicted"] is not None
    ]
