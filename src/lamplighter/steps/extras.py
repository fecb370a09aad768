"""Extras: gold rows and rows for one more annotator, that go out among the batch and look like it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import rng, tables
from lamplighter.arrays import I64, Bools, RowIds
from lamplighter.gold import Gold
from lamplighter.labelled_rows import Rows
from lamplighter.rounds import TrainDone
from lamplighter.standing import Standing
from lamplighter.steps.again import Again
from lamplighter.steps.places import DISPLAY, display_columns, places_of
from lamplighter.steps.predicting import predicted_columns, rows_of


@dataclass(frozen=True)
class Extras:
    """The extra rows as a table, None for none, and what is to be said of them."""

    table: Any = None
    gold: int = 0
    again: int = 0
    notices: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, int]:
        """How many there are of each kind, where there are any."""
        counts = {"gold_rows": self.gold, "rows_asked_again": self.again}
        return {name: rows for name, rows in counts.items() if rows}


def extras(standing: Standing, batch: Any, again: Again) -> Extras:
    """Put the round's extra rows together, each with the place where it goes in among the batch's.

    Places are drawn with a key of the round, so that neither the place nor anything else tells a gold
    row from another.
    """
    gold, notice = _gold(standing, tables.ids_of(batch))
    parts = [table for table in (_gold_table(standing, gold), _again_table(standing, again)) if table]
    if not parts:
        return Extras(notices=notice)
    table = pa.concat_tables(parts, promote_options="permissive").combine_chunks()
    draws = rng.row_uniform(tables.ids_of(table), rng.key(_seed(standing), standing.number, "extras"))
    at = np.floor(draws * (len(batch) + 1)).astype(np.int64)
    return Extras(table.append_column("at", pa.array(at)), len(gold) if gold else 0, len(again), notice)


def _gold(standing: Standing, batch: RowIds) -> tuple[Gold | None, tuple[str, ...]]:
    """Draw the round's gold rows from those that nobody has seen, nor is to see in this batch."""
    quality, gold = standing.driver.campaign.quality, standing.driver.gold
    if quality is None or quality.gold is None or gold is None or not len(batch):
        return None, ()
    wanted = math.ceil(quality.gold.share * len(batch))
    sent = [tables.ids_of(table) for _, table in standing.extras]
    # A row may have been asked about, or answered, before it was called gold.
    seen = pa.concat_arrays([*sent, standing.asked.ids, standing.answered_ids, batch])
    unseen = np.flatnonzero(~tables.is_in(gold.ids, seen))
    order = np.argsort(rng.row_hash(gold.ids, rng.key(_seed(standing), 0, "gold"))[unseen], kind="stable")
    picked = unseen[order][:wanted]
    short = wanted - len(picked)
    notice = (f"gold rows used up: {len(picked)} of {wanted} were left; add to the file",) if short else ()
    return gold.take(picked), notice


def _gold_table(standing: Standing, gold: Gold | None) -> Any:
    if gold is None or not len(gold):
        return None
    columns = _predictions(standing, Rows(gold.ids, gold.x, gold.label), np.zeros(len(gold), bool)) | _shown(
        gold.display
    )
    # As many people as other rows get, or those who are asked in the second place would never be measured.
    columns["annotators"] = overlap(standing, gold.ids)
    return _table(gold.ids, "gold", np.zeros(len(gold), np.int64), columns)


def _again_table(standing: Standing, again: Again) -> Any:
    """Give rows of earlier batches once more, with what the model says now."""
    if not len(again):
        return None
    place = places_of(standing, again.ids)
    place = place.take(pa.array(tables.positions(again.ids, tables.ids_of(place))))
    columns = _predictions(standing, rows_of(standing, again.ids), standing.in_holdout(again.ids))
    columns |= display_columns(standing, place)
    columns["annotators"] = pa.array(again.answered + 1)
    return _table(again.ids, "again", again.answered, columns)


def _table(ids: RowIds, purpose: str, answered: I64, columns: dict[str, Any]) -> Any:
    n = len(ids)
    return pa.table(
        {
            "id": ids,
            "purpose": pa.array([purpose] * n, pa.string()),
            "rank": pa.array(np.arange(1, n + 1, dtype=np.int32)),
            "answered": answered,
            **columns,
        }
    )


def _predictions(standing: Standing, rows: Rows, held: Bools) -> dict[str, Any]:
    """Give what the round's model says of rows; no column without a model."""
    model = standing.model(standing.current(TrainDone))
    return predicted_columns(model, rows, held) if model else {}


def _shown(display: Any) -> dict[str, Any]:
    return {f"{DISPLAY}{name}": display.column(name) for name in display.column_names}


def _each(standing: Standing) -> int:
    return standing.driver.labeler.answers_per_row


def _seed(standing: Standing) -> int:
    return standing.driver.campaign.seed


def overlap(standing: Standing, ids: RowIds) -> Any:
    """Say how many people each row of the batch needs: null where the labeler's own number does."""
    quality = standing.driver.campaign.quality
    if quality is None or quality.overlap is None or quality.overlap.annotators <= _each(standing):
        return pa.nulls(len(ids), pa.int64())
    draws = rng.row_uniform(ids, rng.key(_seed(standing), 0, "overlap"))
    several = draws < quality.overlap.share
    return pa.array(np.where(several, quality.overlap.annotators, 0), pa.int64(), mask=~several)
