"""A campaign whose simulated annotators err, with gold rows made like its pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter import tables
from lamplighter.driver import Driver, open_driver
from lamplighter.labelers.base import Batch
from lamplighter.quality.record import QualityRecord
from lamplighter.rounds import CollectDone, SelectDone
from lamplighter.standing import Standing
from lamplighter.steps.dispatch import batch_of
from lamplighter.steps.perform import run_round
from tests.campaigns import DIMS, points, write_campaign, write_pool

FIRST_GOLD = 500_000


def write_gold(folder: Path, rows: int = 60) -> None:
    """Write a gold file: rows as in the pool, with their true classes."""
    x, labels = points(rows, seed=5)
    ids = np.arange(FIRST_GOLD, FIRST_GOLD + rows)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), DIMS)
    shown = pa.array([f"fruit {i}" for i in ids])
    table = pa.table({"id": ids, "embedding": vectors, "text": shown, "label": labels})
    pq.write_table(table, folder / "gold.parquet")
    truth = pq.read_table(folder / "truth.parquet")
    more = pa.table({"id": ids, "label": labels})
    pq.write_table(pa.concat_tables([truth, more]), folder / "truth.parquet")


def rewrite(path: Path, **columns: Any) -> None:
    """Put other columns into a Parquet file."""
    table = pq.read_table(path)
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table, path)


def crew(folder: Path, quality: dict[str, Any] | None, skill: dict[str, float], **changes: Any) -> Driver:
    """Write pool, gold and campaign; give the driver of a campaign that these people label.

    `crew` sets what else the labeler is told: `each`, `silent`.
    """
    if not (folder / "pool").exists():
        write_pool(folder, rows=400)
        write_gold(folder)
    told = {"labels": str(folder / "truth.parquet"), "skill": skill} | changes.pop("crew", {})
    settings = {
        "labeler": {"name": "crew", "params": told},
        "quality": quality,
        "evaluation": {"holdout": 40},
    }
    return open_driver(write_campaign(folder, **settings | changes))


def batches(standing: Standing) -> list[Batch]:
    """Give what the labeler got in each round."""
    return [batch_of(standing, done) for done in standing.steps(SelectDone)]


def rounds(driver: Driver, number: int) -> Standing:
    """Run so many rounds; give where the campaign stands."""
    for _ in range(number):
        run_round(driver)
    return Standing(driver, driver.history())


def quality_of(standing: Standing) -> QualityRecord:
    """Read the newest document of label quality."""
    kept = standing.steps(CollectDone)[-1].quality
    assert kept is not None
    return QualityRecord.model_validate_json(standing.read(kept))


def consensus_of(standing: Standing) -> Any:
    """Read the newest consensus table."""
    kept = standing.steps(CollectDone)[-1].consensus
    assert kept is not None
    return tables.from_parquet(standing.read(kept))
