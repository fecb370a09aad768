"""Select: the batch from the shortlist, the holdout before it, and the features of both."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import shortlists, tables
from lamplighter.config import thaw
from lamplighter.driver import stamp
from lamplighter.errors import ModelError
from lamplighter.pool import fetch_features
from lamplighter.rounds import ScoreDone, SelectDone, TrainDone
from lamplighter.standing import Standing
from lamplighter.steps.again import again_rows
from lamplighter.steps.due import due_rows, due_table
from lamplighter.steps.extras import extras, overlap
from lamplighter.steps.places import PLACE, display_columns, locations
from lamplighter.steps.score import holdout_is_drawn, most_wanted
from lamplighter.steps.shortlist_file import read_shortlist
from lamplighter.steps.wanted import Wanted, context_of, strategy_of, wanted
from lamplighter.strategies.base import Choice, Output, Shortlist, Strategy
from lamplighter.threads import one_thread

log = logging.getLogger("lamplighter")

#: What a shortlist is made for, and chosen from.
_SCORED_FOR = ("strategy", "mix", "balance", "near_duplicates", "cold_start", "batch_size")


def select_batch(standing: Standing) -> SelectDone:
    """Pick the batch; draw the holdout when this is the first scan; keep the rows' features."""
    standing = _as_scored(standing)
    started, number, ledger = datetime.now(UTC), standing.number, standing.driver.ledger
    room, drawn = _room(standing), _drawn_holdout(standing)
    holdout = _unasked(standing, drawn, room)
    goal = room.beside(len(holdout.rows))
    again = again_rows(standing, goal.rows)
    due = due_rows(standing).slice(0, goal.rows - len(again))
    goal = replace(goal, rows=goal.rows - len(again) - len(due))
    name, strategy = strategy_of(standing)
    picked = _picked(standing, strategy, goal, drawn)
    batch = _join(standing, holdout.rows, due, _batch_table(standing, name, picked, after=len(due)))
    batch = _with_display(standing, batch)
    batch = batch.append_column("annotators", overlap(standing, tables.ids_of(batch)))
    more = extras(standing, batch, again)
    features = fetch_features(standing.pool, *locations(batch))
    kept = pa.table({"id": batch.column("id"), "features": tables.vector_column(features)})
    return SelectDone(
        batch=ledger.write(number, "batch", "parquet", tables.to_parquet(batch)),
        features=ledger.write(number, "features", "parquet", tables.to_parquet(kept)),
        extra=ledger.write(number, "extra", "parquet", tables.to_parquet(more.table)) if more.table else None,
        rows=len(due) + len(picked.rows),
        extra_rows=more.gold + more.again,
        holdout_rows=len(holdout.rows),
        holdout_below=drawn.below,
        wanted=len(due) + goal.rows,
        notices=(*holdout.notices, *_notices(goal, len(picked.rows)), *picked.choice.notices, *more.notices),
        facts={**picked.choice.facts, **more.facts, **({"expired_rows": len(due)} if len(due) else {})},
        **stamp(number, started),
    )


def _as_scored(standing: Standing) -> Standing:
    """Choose as the pool was scored, also when the campaign file was edited since."""
    done, now = standing.current(ScoreDone), standing.driver.campaign
    if done.campaign is None or done.campaign.digest == now.digest():
        return standing
    was = thaw(standing.read(done.campaign))
    kept = {name: getattr(was, name) for name in _SCORED_FOR}
    driver = replace(standing.driver, campaign=now.model_copy(update=kept))
    return replace(standing, driver=driver)


def _room(standing: Standing) -> Wanted:
    """Give what is wanted, but no more than the shortlist was made for: limits may be wider by now."""
    goal, scored = wanted(standing), standing.current(ScoreDone).wanted
    return goal if scored is None else replace(goal, rows=min(goal.rows, scored))


@dataclass(frozen=True)
class _Holdout:
    """Rows of the holdout, lowest hash first, and the bound below which all its hashes lie."""

    rows: Any
    below: int
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Picked:
    """The chosen rows, best first, and what the strategy says of them."""

    rows: Shortlist
    choice: Choice


def _picked(standing: Standing, strategy: Strategy, goal: Wanted, drawn: _Holdout) -> _Picked:
    done = standing.current(ScoreDone)
    shortlist = read_shortlist(tables.from_parquet(standing.read(done.shortlist)))
    scanned = most_wanted(standing) if done.wanted is None else max(done.wanted, 1)
    context = context_of(standing, goal.rows, scanned=scanned)
    if not holdout_is_drawn(standing):
        held = tables.is_in(shortlist.ids, tables.ids_of(drawn.rows))
        free = shortlist.take(np.flatnonzero(~held))
        shortlist = shortlists.best_of_lanes([free], strategy.lanes(context.at_scan()))
    if not goal.rows:
        return _Picked(shortlist.take(np.empty(0, np.int64)), Choice(np.empty(0, np.int64)))
    with standing.driver.workers() as workers, one_thread():
        choice = strategy.choose(shortlist, replace(context, workers=workers))
    for line in (*choice.notices, *(f"{name}: {value}" for name, value in choice.facts.items())):
        log.info("%s", line)
    return _Picked(_distinct(shortlist, choice, strategy), choice)


def _distinct(shortlist: Shortlist, choice: Choice, strategy: Strategy) -> Shortlist:
    """Give the picked rows; a row that a faulty strategy picked twice would be paid for twice."""
    rows = shortlist.take(choice.positions)
    if len(rows.ids.unique()) < len(rows):
        raise ModelError(f"strategy {type(strategy).__name__} picked a row twice; a batch has distinct rows")
    return rows


def _drawn_holdout(standing: Standing) -> _Holdout:
    """Give the members that the scan found; a holdout of n rows is drawn in the first scan."""
    done = standing.current(ScoreDone)
    if done.holdout is None:
        return _Holdout(pa.table({"id": tables.empty_ids(standing.integer_ids)}), standing.holdout_reach)
    table = tables.from_parquet(standing.read(done.holdout))
    size = standing.driver.campaign.evaluation.holdout
    if holdout_is_drawn(standing) or not isinstance(size, int):
        return _Holdout(table, standing.holdout_reach)
    table = table.slice(0, size)
    return _Holdout(table, int(table.column("hash")[-1].as_py()) + 1 if len(table) else 0)


def _unasked(standing: Standing, drawn: _Holdout, room: Wanted) -> _Holdout:
    """Give the members to be asked about: neither asked nor labelled before, as many as there is room for.

    Those with the lowest hashes go first, so that a part of the holdout is a random sample as well; the
    others follow when there is room.
    """
    known = tables.is_in(tables.ids_of(drawn.rows), standing.excluded_ids)
    new = drawn.rows.filter(pa.array(~known))
    if room.room is None or room.room >= len(new):
        return _Holdout(new, drawn.below)
    cut = f"holdout cut from {len(new)} to {room.room} rows by {room.limit}; the rest follows"
    return _Holdout(new.slice(0, room.room), drawn.below, (cut,))


def _batch_table(standing: Standing, name: str, picked: _Picked, after: int) -> Any:
    rows, classes = picked.rows, standing.driver.campaign.classes
    model = standing.current(TrainDone).model
    columns: dict[str, Any] = {
        "id": rows.ids,
        "purpose": pa.array(["batch" if model else "seed"] * len(rows), pa.string()),
        "rank": pa.array(np.arange(after + 1, after + len(rows) + 1, dtype=np.int32)),
        "strategy": pa.array([name] * len(rows), pa.string()),
        "model": pa.array([model.digest if model else None] * len(rows), pa.string()),
    }
    columns |= {part: pa.array(getattr(rows, part)) for part in ("score", "tie", *PLACE)}
    if Output.PROBA in rows.outputs and len(rows):
        columns["predicted"] = pa.array(classes).take(pa.array(rows.proba.argmax(axis=1)))
        columns["proba"] = tables.vector_column(rows.proba)
    return pa.table(columns | {key: pa.array(v) for key, v in picked.choice.columns.items()})


def _join(standing: Standing, holdout: Any, due: Any, batch: Any) -> Any:
    """Put the holdout first, without whose labels no round has an honest number; then what is due."""
    parts = [_holdout_table(holdout)] if len(holdout) else []
    parts += [due_table(standing, due)] if len(due) else []
    return pa.concat_tables([*parts, batch], promote_options="permissive").combine_chunks()


def _holdout_table(holdout: Any) -> Any:
    columns = {name: holdout.column(name) for name in ("id", *PLACE)}
    columns["purpose"] = pa.array(["holdout"] * len(holdout), pa.string())
    columns["rank"] = pa.array(np.arange(1, len(holdout) + 1, dtype=np.int32))
    return pa.table(columns)


def _with_display(standing: Standing, batch: Any) -> Any:
    for name, column in display_columns(standing, batch).items():
        batch = batch.append_column(name, column)
    return batch


def _notices(goal: Wanted, rows: int) -> tuple[str, ...]:
    if rows >= goal.rows:
        return goal.notices
    return (*goal.notices, f"{goal.rows} rows were wanted, the pool had {rows} left")
