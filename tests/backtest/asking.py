"""Small backtests, as they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter.backtest.labelled import LabelSource
from lamplighter.backtest.planning import Request
from lamplighter.config import load
from lamplighter.driver import Driver
from tests.campaigns import write_campaign

SHORT: dict[str, Any] = {"strategies": ("margin",), "seeds": 2, "rounds": 3}


def driver_of(folder: Path, **changes: Any) -> Driver:
    return Driver(load(write_campaign(folder, **changes)))


def request(folder: Path, **changes: Any) -> Request:
    return Request(labels=LabelSource(str(folder / "truth.parquet")), **(SHORT | changes))


def relabel(folder: Path, names: list[str]) -> None:
    ids = np.arange(1000, 1000 + len(names))
    pq.write_table(pa.table({"id": ids, "label": names}), folder / "truth.parquet")
