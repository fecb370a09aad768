"""A campaign whose simulated annotators err, with gold rows made like its pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter import tables
from lamplighter.config import load
from lamplighter.driver import Driver, open_driver
from lamplighter.quality.record import QualityRecord
from lamplighter.rounds import CollectDone
from lamplighter.standing import Standing
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


def crew(folder: Path, quality: dict[str, Any] | None, **changes: Any) -> Driver:
    """Write pool, gold and campaign; give the campaign's driver. Annotators err in one answer of four."""
    write_pool(folder)
    write_gold(folder)
    labeler = {"name": "simulated", "params": {"labels": "truth.parquet", "noise": 0.25, "annotators": 2}}
    path = write_campaign(folder, **{"labeler": labeler, "quality": quality} | changes)
    assert load(path).quality is not None or quality is None
    return open_driver(path)


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
