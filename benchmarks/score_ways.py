"""What the benchmark times: our score step, decoding alone, and the usual path.

Every way gives the ids that it would ask labels for, so that none can skip the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.score_pools import Shape, labelled
from lamplighter import rng, scan
from lamplighter.arrays import F32, F64, I64
from lamplighter.config import LearnerConfig
from lamplighter.learner import Model, fit
from lamplighter.pool import Pool
from lamplighter.scan import ScanJob, ScanResult
from lamplighter.strategies.base import Lane
from lamplighter.strategies.uncertainty import Entropy

SEED, ROUND = 1, 1
#: Rows the usual path reads at a time: pyarrow's own default.
BATCH = 65_536
TRAINING = 5_000


@dataclass(frozen=True)
class Task:
    """What all ways are asked: the k rows of highest entropy, under one model.

    Attributes
    ----------
    shape
        Of the pool.
    k
        Rows wanted.
    model
        Ours; its classifier is the very one that the others call.
    x, labels
        The training rows.
    """

    shape: Shape
    k: int
    model: Model
    x: F32
    labels: Any

    @property
    def sklearn(self) -> Any:
        """The fitted LogisticRegression, float64 as usual."""
        return self.model.fitted.estimator


def make_task(shape: Shape, k: int) -> Task:
    """Fit the model; without scaler and calibration, so that all ways compute the same."""
    x, labels = labelled(shape, TRAINING)
    learner = LearnerConfig(name="sklearn.linear_model.LogisticRegression", scale=False, calibrate=False)
    names = tuple(f"class {c}" for c in range(shape.classes))
    return Task(shape, k, fit(learner, x, labels, names, seed=SEED, round=ROUND), x, labels)


def job(task: Task, pool: Pool, *, bare: bool = False) -> ScanJob:
    """Make the job of a real round: rows to leave out, a holdout and a sample; or only the scores."""
    plain = ScanJob(pool, task.model.scorer(), Entropy(), (Lane(task.k),), SEED, ROUND)
    if bare:
        return plain
    return ScanJob(
        pool,
        plain.scorer,
        plain.strategy,
        plain.lanes,
        SEED,
        ROUND,
        exclude=pa.array(np.arange(10**13, 10**13 + 10_000)),
        holdout_key=rng.key(SEED, 0, "holdout"),
        holdout_below=2**64 // 1_000_000,
        sample_key=rng.key(SEED, 0, "sample"),
        sample_below=min(2**64 - 1, int(20_000 / task.shape.rows * 2**64)),
    )


def ours(task: Task, pool: Pool, *, bare: bool = False) -> ScanResult:
    """Score the pool in this process, as one worker does."""
    return scan.scan_here(job(task, pool, bare=bare))


def batches(pool: Pool) -> Iterator[Any]:
    """Decode ids and features with pyarrow alone, on one thread."""
    columns = [pool.config.id, *pool.config.feature_columns]
    for entry in pool.manifest.files:
        with pq.ParquetFile(f"{pool.config.url}/{entry.path}") as file:
            yield from file.iter_batches(BATCH, columns=columns, use_threads=False)


def decode(pool: Pool) -> int:
    """Decode every row and do nothing with it."""
    return sum(len(batch) for batch in batches(pool))


def usual(task: Task, pool: Pool) -> I64:
    """Do what is usually done: predict_proba on each batch, entropy in numpy, keep the largest."""
    ids, scores = np.empty(0, np.int64), np.empty(0)
    for batch in batches(pool):
        proba = task.sklearn.predict_proba(_matrix(batch, pool))
        scores = np.concatenate([scores, _entropy(proba)])
        ids = np.concatenate([ids, batch.column(0).to_numpy()])
        keep = np.argpartition(-scores, task.k - 1)[: task.k]
        ids, scores = ids[keep], scores[keep]
    return ids


def reference(task: Task, pool: Pool) -> I64:
    """Do the same in float64 throughout."""
    weights, bias = task.sklearn.coef_.T.astype(np.float64), task.sklearn.intercept_
    ids, scores = [], []
    for batch in batches(pool):
        logits = _matrix(batch, pool).astype(np.float64) @ weights + bias
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores.append(_entropy(e / e.sum(axis=1, keepdims=True)))
        ids.append(batch.column(0).to_numpy())
    return np.concatenate(ids)[np.argsort(-np.concatenate(scores), kind="stable")[: task.k]]


def _entropy(proba: F64) -> F64:
    entropy: F64 = -np.sum(proba * np.log(proba + 1e-12), axis=1)
    return entropy


def _matrix(batch: Any, pool: Pool) -> F32:
    """Give the features of a batch without a detour, whatever the layout."""
    column, dim = batch.column(1), pool.manifest.dim
    if batch.num_columns > 2:
        return np.column_stack([c.to_numpy() for c in batch.columns[1:]])
    if pa.types.is_fixed_size_binary(column.type):
        data = np.frombuffer(column.buffers()[1], np.float32)
        return data.reshape(-1, dim)[column.offset : column.offset + len(column)]
    values: F32 = column.flatten().to_numpy().reshape(-1, dim)
    return values
