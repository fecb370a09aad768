"""A real pool, a real model, and clusters to scan with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lamplighter import cluster, rng, scan
from lamplighter.config import ClusterConfig, LearnerConfig
from lamplighter.learner import CommitteeScorer, fit
from lamplighter.pool import Pool, take_manifest
from lamplighter.scan import ScanJob, ScanResult
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Context
from lamplighter.survey import PoolSurvey
from lamplighter.testing.pools import write_pool

ROWS, DIM, CLASSES, SEED, ROUND = 6000, 5, 3, 7, 2
NAMES = tuple(f"c{i}" for i in range(CLASSES))


def make_pool(folder: Path, *, text: bool = False) -> Pool:
    """Write 4 files of 15 row groups and give their pool."""
    draws = np.random.default_rng(0)
    ids = draws.permutation(10 * ROWS)[:ROWS]
    config = write_pool(
        folder,
        pa.array([f"row {i}" for i in ids]) if text else ids,
        draws.normal(size=(ROWS, DIM)).astype(np.float32),
        files=4,
        row_group_rows=100,
    )
    return Pool(config, take_manifest(config))


def make_job(pool: Pool, name: str = "margin", **changes: Any) -> ScanJob:
    """Make a job with a fitted logistic regression."""
    draws = np.random.default_rng(1)
    x = draws.normal(size=(200, DIM)).astype(np.float32)
    labels = np.asarray(x[:, :CLASSES].argmax(axis=1), np.int32)
    learner = LearnerConfig(name="sklearn.linear_model.LogisticRegression")
    model, other = (fit(learner, x, labels, NAMES, seed=s, round=ROUND) for s in (SEED, SEED + 1))
    context = Context(SEED, ROUND, 100, ROWS, NAMES, load=lambda: (x, labels), survey=survey(pool))
    strategy = STRATEGIES.build(name).prepare(context)
    parts: dict[str, Any] = {
        "holdout_key": rng.key(SEED, 0, "holdout"),
        "holdout_below": 2**64 // 50,
        "sample_key": rng.key(SEED, 0, "sample"),
        "sample_below": 2**64 // 20,
    }
    voting = strategy.needs_committee
    scorer = CommitteeScorer.of(model, [model, other]) if voting else model.scorer()
    return ScanJob(pool, scorer, strategy, strategy.lanes(context), SEED, ROUND, **(parts | changes))


def survey(pool: Pool) -> PoolSurvey:
    """Survey a pool in this process."""
    over = lambda function, *args: [function(shard, *args) for shard in pool.shards()]  # noqa: E731
    return PoolSurvey(pool, SEED, ROUND, in_process, over)


def in_process(job: ScanJob) -> ScanResult:
    """Scan in this process, the whole pool in as few shards as files."""
    return scan.merge([scan.scan_shard(job, shard) for shard in job.pool.shards()], job.lanes)


def fingerprint(result: ScanResult) -> tuple[object, ...]:
    """Give everything that must be the same, whatever the cluster."""
    best = result.shortlist
    arrays: list[np.ndarray[Any, Any]] = [
        best.score,
        best.tie,
        best.file,
        best.row_group,
        best.row,
        *best.outputs.values(),
    ]
    arrays += [result.holdout.hash, result.holdout.row, result.sample.predicted, result.sample.score]
    ids = [best.ids.to_pylist(), result.holdout.ids.to_pylist(), result.sample.ids.to_pylist()]
    return [a.tobytes() for a in arrays], ids, result.rows, result.left_out, result.scored


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """An own pool, to break."""
    return make_pool(tmp_path / "pool")


@pytest.fixture(scope="session")
def shared_pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """A pool to read only."""
    return make_pool(tmp_path_factory.mktemp("shared") / "pool")


@pytest.fixture(scope="session")
def threads() -> Iterator[Any]:
    """A client of a cluster of two threads in this process: starts at once."""
    named = ClusterConfig(
        name="distributed.LocalCluster",
        params={"processes": False, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"},
        workers=2,
    )
    with cluster.connect(named) as client:
        yield client


@pytest.fixture
def pair() -> Iterator[Any]:
    """A client of a cluster of two worker processes, to kill."""
    with cluster.connect(ClusterConfig(workers=2)) as client:
        yield client


@pytest.fixture(scope="session")
def processes() -> Iterator[Any]:
    """A client of a cluster of four worker processes."""
    with cluster.connect(ClusterConfig(workers=4)) as client:
        yield client
