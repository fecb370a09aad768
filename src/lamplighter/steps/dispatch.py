"""Dispatch: send the batch to the labeler, exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lamplighter import tables
from lamplighter.driver import stamp
from lamplighter.labelers.base import Batch, BatchRow
from lamplighter.rounds import DispatchDone, SelectDone
from lamplighter.standing import TICKET, Standing
from lamplighter.steps.follow_up import follow_up
from lamplighter.steps.places import DISPLAY


def dispatch(standing: Standing) -> DispatchDone:
    """Hand the batch over and keep the labeler's ticket.

    The batch's id comes from its digest, so a repeated dispatch is the same dispatch to the labeler.
    """
    started, number = datetime.now(UTC), standing.number
    batch = batch_of(standing, standing.current(SelectDone))
    earlier = follow_up(standing)
    if not batch.rows:
        return DispatchDone(**vars(earlier), **stamp(number, started))
    desk = standing.driver.desk(standing.integer_ids)
    standing.driver.labeler.rehearse(batch.rows, desk)
    ticket = standing.driver.labeler.dispatch(batch, desk)
    stored = standing.driver.ledger.write(number, "ticket", "json", TICKET.dump_json(ticket))
    asked = standing.driver.campaign.labeler
    return DispatchDone(
        ticket=stored,
        rows=len(batch.rows),
        labeler=asked.name,
        params=asked.model_dump(mode="json")["params"],
        answers_per_row=standing.driver.labeler.answers_per_row,
        **vars(earlier),
        **stamp(number, started),
    )


def batch_of(standing: Standing, done: SelectDone) -> Batch:
    """Give a selected batch as the labeler gets it."""
    campaign = standing.driver.campaign
    return Batch(
        id=f"{campaign.name}-{done.round:06d}-{done.batch.digest[:8]}",
        round=done.round,
        created_at=done.finished_at,
        classes=campaign.classes,
        rows=_blended(
            [*_rows(tables.from_parquet(standing.read(done.batch)))],
            tables.from_parquet(standing.read(done.extra)) if done.extra else None,
        ),
    )


def _blended(rows: list[BatchRow], extra: Any) -> tuple[BatchRow, ...]:
    """Put the extra rows in at their places among the batch's."""
    if extra is None:
        return tuple(rows)
    places = extra.column("at").to_pylist()
    inserted = sorted(zip(places, range(len(places)), _rows(extra), strict=True), key=lambda item: item[:2])
    for place, _, row in reversed(inserted):
        rows.insert(place, row)
    return tuple(rows)


def _rows(table: Any) -> Iterator[BatchRow]:
    shown = [name for name in table.column_names if name.startswith(DISPLAY)]
    for row in table.to_pylist():
        proba = row.get("proba")
        yield BatchRow(
            id=row["id"],
            purpose=row["purpose"],
            rank=row["rank"],
            score=row.get("score"),
            predicted=row.get("predicted"),
            proba=tuple(proba) if proba is not None else None,
            display={name.removeprefix(DISPLAY): row[name] for name in shown},
            annotators=row.get("annotators"),
            answered=row.get("answered") or 0,
        )
