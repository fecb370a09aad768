"""What each strategy adds to a scan of the pool, its extra passes included, against plain margin."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.score_pools import Shape, labelled
from lamplighter import scan
from lamplighter.arrays import F32, I32
from lamplighter.config import CommitteeConfig, LearnerConfig
from lamplighter.learner import Model, fit
from lamplighter.learner.committee import fit_committee
from lamplighter.learner.stacked import CommitteeScorer
from lamplighter.pool import Pool
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Context, Strategy
from lamplighter.survey import PoolSurvey
from lamplighter.threads import one_thread

K, TRAINING, CLASSES, MEMBERS = 1_000, 2_000, 10, 5
#: Told of these where a strategy must be told of something.
PARAMETERS: dict[str, dict[str, Any]] = {"rare_class": {"rare": ("class 0",)}}


def measure(pool: Pool, repeats: int) -> dict[str, Any]:
    """Time every registered strategy, interleaved; one untimed turn first fills caches."""
    shape = Shape(pool.manifest.rows, pool.manifest.dim, CLASSES)
    x, labels = labelled(shape, TRAINING)
    learner = LearnerConfig(name="sklearn.linear_model.LogisticRegression", calibrate=False)
    names = tuple(f"class {c}" for c in range(CLASSES))
    main = fit(learner, x, labels, names, seed=1, round=1)
    members = fit_committee(CommitteeConfig(members=MEMBERS), main, x, labels, seed=1, round=1).members
    built = {name: STRATEGIES.build(name, PARAMETERS.get(name)) for name in STRATEGIES.names()}
    seconds: dict[str, list[float]] = {name: [] for name in built}
    for turn in range(repeats + 1):
        for name, strategy in built.items():
            started = time.process_time()
            with one_thread():
                _scan(pool, strategy, _scorer(strategy, main, members), (x, labels))
            if turn:
                seconds[name].append(time.process_time() - started)
    return {"rows": pool.manifest.rows, "dim": pool.manifest.dim, "k": K, "seconds": seconds}


def _scorer(strategy: Strategy, main: Model, members: tuple[Model, ...]) -> Any:
    return CommitteeScorer.of(main, members) if strategy.needs_committee else main.scorer()


def _scan(pool: Pool, strategy: Strategy, scorer: Any, rows: tuple[F32, I32]) -> None:
    context = Context(7, 3, K, pool.manifest.rows, _names(), load=lambda: rows)
    ready = strategy.prepare(replace(context, survey=PoolSurvey.here(pool, 7, 3)))
    found = scan.scan_here(scan.ScanJob(pool, scorer, ready, strategy.lanes(context), 7, 3)).shortlist
    assert len(np.unique(found.row)) > 0


def _names() -> tuple[str, ...]:
    return tuple(f"class {c}" for c in range(CLASSES))
