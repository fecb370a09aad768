"""A small real campaign: three clouds of points, a simulated labeler, everything in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from lamplighter.arrays import F32
from lamplighter.config import Campaign, load

CLASSES = ("apple", "pear", "plum")
DIMS = 6
#: In this process, on one thread: a cluster of processes takes seconds to start.
IN_PROCESS: dict[str, Any] = {"workers": 1, "params": {"processes": False}}


def points(rows: int, seed: int = 5) -> tuple[F32, list[str]]:
    """Draw overlapping clouds: features (rows, DIMS) float32 and their classes."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, len(CLASSES), rows)
    centres = generator.normal(0, 1.3, (len(CLASSES), DIMS))
    x = (centres[label] + generator.normal(0, 1, (rows, DIMS))).astype(np.float32)
    return x, [CLASSES[c] for c in label]


def write_pool(folder: Path, *, rows: int = 600, files: int = 2, first_id: int = 1000, seed: int = 5) -> None:
    """Write a pool of several files under folder/pool, and its true classes beside it."""
    x, labels = points(rows, seed)
    ids = np.arange(first_id, first_id + rows)
    (folder / "pool").mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(np.array_split(np.arange(rows), files)):
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(x[part].ravel()), DIMS)
        shown = pa.array([f"fruit {i}" for i in ids[part]])
        table = pa.table({"id": ids[part], "embedding": vectors, "text": shown})
        pq.write_table(table, folder / "pool" / f"part-{first_id}-{number}.parquet", row_group_size=100)
    pq.write_table(pa.table({"id": ids, "label": labels}), folder / "truth.parquet")


def settings(**changes: Any) -> dict[str, Any]:
    """Give the campaign file's content, with changes at the top level."""
    return {
        "name": "fruit",
        "seed": 11,
        "pool": {"url": "pool", "features": "embedding", "display": ["text"]},
        "classes": list(CLASSES),
        "learner": {"name": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 300}},
        "strategy": "margin",
        "batch_size": 20,
        "labeler": {"name": "simulated", "params": {"labels": "truth.parquet"}},
        "evaluation": {"holdout": 80},
        "budget": {"rounds": 6, "cost_per_label": 0.5},
        "store": "store",
        "cluster": IN_PROCESS,
    } | changes


def write_campaign(folder: Path, file: str = "campaign.yaml", **changes: Any) -> str:
    """Write a campaign file; give its path."""
    path = folder / file
    path.write_text(yaml.safe_dump(settings(**changes)), "utf-8")
    return str(path)


def make_campaign(folder: Path, **changes: Any) -> Campaign:
    """Write pool, truth and campaign file, and read the campaign."""
    write_pool(folder)
    return load(write_campaign(folder, **changes))
