"""Runs of the label benchmark: each (set, picker, seed) once, kept as a file, spread over processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from benchmarks.label_cases import Case, picker
from lamplighter import rng
from lamplighter.backtest.picking import LabelledRows, StrategyPicker, split
from lamplighter.backtest.replay import Replay, replay
from lamplighter.backtest.runs import Run
from lamplighter.strategies import STRATEGIES

FOLDER = Path("bench-data/label-runs")


class Task(NamedTuple):
    """One run."""

    case: Case
    name: str
    seed: int

    @property
    def path(self) -> Path:
        """Where its result lies: a run with other settings is another file."""
        said = repr((Run.model_fields["format"].default, self.case))
        settings = blake2b(said.encode(), digest_size=4).hexdigest()
        return FOLDER / f"{self.case.name}-{settings}" / f"{self.name.replace(' ', '_')}-{self.seed}.json"


def run(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, Run]]:
    """Give every run as it is done; those that are there already are not run again."""
    for task in tasks:
        if task.path.exists():
            yield task, Run.model_validate_json(task.path.read_bytes())
    missing = [task for task in tasks if not task.path.exists()]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as processes:
        futures = {processes.submit(one, task): task for task in missing}
        for done in as_completed(futures):
            yield futures[done], done.result()


def one(task: Task) -> Run:
    """Make one run and keep it."""
    case = task.case
    key = rng.key(0, task.seed, "label benchmark")
    pool, test = split(_rows(case), case.test_share, key)
    cold = StrategyPicker(STRATEGIES.build("representative"))
    start = Replay(case.campaign(), cold, pool, test, key, case.labels, case.start)
    found = replay(start, task.name, picker(task.name, case), seed=task.seed)
    task.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = task.path.with_suffix(".part")
    unfinished.write_text(found.model_dump_json())
    unfinished.replace(task.path)
    return found


@cache
def _rows(case: Case) -> LabelledRows:
    return case.rows_of()
