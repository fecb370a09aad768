"""The first scan of a campaign, whose holdout of so many rows is drawn from what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter import tables
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.rounds import RoundRecord
from lamplighter.steps import run_round
from tests.campaigns import write_campaign, write_pool


@pytest.mark.parametrize("holdout", [50, 150])
def test_the_shortlist_does_not_grow_by_the_holdout_for_every_cluster(tmp_path: Path, holdout: int) -> None:
    write_pool(tmp_path)
    changes: dict[str, Any] = {
        "cold_start": "cluster_representatives",
        "near_duplicates": False,
        "batch_size": 20,
    }
    driver = Driver(load(write_campaign(tmp_path, evaluation={"holdout": holdout}, **changes))).open()
    record = run_round(driver)
    assert isinstance(record, RoundRecord)
    assert record.score is not None
    assert record.select is not None
    assert record.score.holdout is not None
    rows = len(tables.from_parquet(driver.ledger.read(record.score.shortlist)))
    reach = len(tables.from_parquet(driver.ledger.read(record.score.holdout)))
    assert reach > holdout == record.select.holdout_rows
    clusters, filler = 20 * 4, 20
    assert rows <= clusters + filler + reach
    assert record.select.rows == 20
