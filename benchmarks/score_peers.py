"""Peers on rows in memory: modAL and scikit-activeml cannot read a pool from files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
from modAL.models import ActiveLearner
from modAL.uncertainty import entropy_sampling
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import UncertaintySampling

from benchmarks.score_ways import ROUND, SEED, Task
from lamplighter.arrays import F32, I64
from lamplighter.strategies.base import Block, Output
from lamplighter.strategies.uncertainty import Entropy


def ways(task: Task, x: F32, ids: I64) -> dict[str, Callable[[], object]]:
    """Give ours and the peers: name -> what picks k of the rows."""
    return {
        "lamplighter": partial(_ours_in_memory, task, x, ids),
        "modAL": _modal(task, x),
        "scikit-activeml": _skactiveml(task, x),
    }


def _ours_in_memory(task: Task, x: F32, ids: I64) -> I64:
    strategy, scorer = Entropy(), task.model.scorer()
    scores = np.empty(len(x), np.float32)
    for start, stop, scored in scorer.tiles(x, frozenset({Output.PROBA})):
        block = Block(pa.array(ids[start:stop]), scored.outputs, SEED, ROUND)
        scores[start:stop] = strategy.score(block)
    return ids[np.argpartition(-scores, task.k - 1)[: task.k]]


def _modal(task: Task, x: F32) -> Callable[[], object]:
    learner = ActiveLearner(estimator=task.sklearn, query_strategy=entropy_sampling)
    return partial(learner.query, x, n_instances=task.k)


def _skactiveml(task: Task, x: F32) -> Callable[[], object]:
    classes = list(range(task.shape.classes))
    known = SklearnClassifier(task.sklearn, classes=classes).fit(task.x, task.labels)
    query = UncertaintySampling(method="entropy", random_state=SEED)
    everything = np.vstack([task.x, x])
    y = np.concatenate([task.labels.astype(float), np.full(len(x), np.nan)])

    def pick() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return query.query(everything, y, known, fit_clf=False, batch_size=task.k)

    return pick
