"""The record of a backtest: every run, round by round, and what all runs had in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Literal, Self

from pydantic import Field, model_validator

from lamplighter.errors import ConfigError
from lamplighter.evaluation import higher_is_better
from lamplighter.rounds import Record

#: The steps of a round whose time is kept, in their order.
TIMED = ("train", "score", "select")


class Point(Record):
    """One round of a run: how good the model was that so many labels made.

    As long as all labels are of one class there is no model, and what is measured is all that is known:
    that class for every row, with probability 1. So every run has a point from its start set on.
    """

    labels: int = Field(ge=0)  #: training labels when the model was fitted, the start set included
    model: bool = True  #: False: no model yet, measured is the class of all labels
    metrics: Mapping[str, float]  #: on the test rows
    recall: Mapping[str, float | None] = Field(default_factory=dict)  #: None: no test row of the class
    seconds: Mapping[str, float] = Field(default_factory=dict)  #: CPU time of the thread by step, of TIMED


class Run(Record):
    """One replay. Runs of equal seed have the same split and the same start set."""

    format: Literal[2] = 2  #: of format 1, rounds without a model had left no point
    strategy: str  #: as it is shown
    seed: int
    points: tuple[Point, ...]
    notices: tuple[str, ...] = ()


class Setting(Record):
    """What was the same for all runs.

    Attributes
    ----------
    class_rows
        Labelled rows of each class in the data that were replayed, in class order.
    default
        The strategy that the campaign names itself, as it is shown in the runs.
    control
        The strategy that the others are held against.
    cost_per_label
        Price of one labelled row: of all its annotators, where there are several.
    facts
        Further lines for the report: name -> value.
    notices
        What a reader should know before the numbers.
    """

    campaign: str
    metric: str
    class_rows: Mapping[str, int]
    pool_rows: int
    test_rows: int
    seed_rows: int
    batch_size: int
    learner: str = ""
    default: str = "margin"
    control: str = "random"
    cost_per_label: float | None = None
    facts: Mapping[str, str] = Field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _metric_exists(self) -> Self:
        higher_is_better(self.metric)
        return self

    @property
    def rarest(self) -> str | None:
        """The class with the fewest rows, of equal ones the first; None if no class has any."""
        present = {name: rows for name, rows in self.class_rows.items() if rows > 0}
        return min(present, key=present.__getitem__) if present else None


@dataclass(frozen=True)
class PairedRuns:
    """Runs as a full table of strategies and seeds.

    Seeds that not every strategy has finished are left out, because all comparisons are within a
    seed; `left_out` counts them.

    Attributes
    ----------
    strategies
        In the order of their first run.
    seeds
        Ascending, those that all strategies have.
    """

    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: Mapping[tuple[str, int], Run]
    left_out: int = 0

    @classmethod
    def of(cls, runs: Sequence[Run], metric: str) -> PairedRuns:
        """Order the runs; raises ConfigError for runs that cannot be compared."""
        for run in runs:
            _check(run, metric)
        table = {(run.strategy, run.seed): run for run in runs}
        if len(table) < len(runs):
            raise ConfigError(
                f"{len(runs)} runs, but only {len(table)} pairs of strategy and seed; each pair may be "
                "there once: leave out the repeated ones"
            )
        strategies = tuple(dict.fromkeys(run.strategy for run in runs))
        every = sorted({run.seed for run in runs})
        seeds = tuple(s for s in every if all((name, s) in table for name in strategies))
        if not seeds:
            raise ConfigError(
                f"no seed has been run with every strategy ({', '.join(strategies) or 'none'}), so nothing "
                "can be compared; run the backtest to its end, or with at least one seed"
            )
        return cls(strategies, seeds, table, len(every) - len(seeds))

    @cached_property
    def table(self) -> tuple[tuple[Run, ...], ...]:
        """Runs by strategy, then by seed."""
        return tuple(tuple(self.runs[name, seed] for seed in self.seeds) for name in self.strategies)

    @property
    def compared(self) -> list[Run]:
        """All runs that are compared, strategy by strategy."""
        return [run for row in self.table for run in row]


def _check(run: Run, metric: str) -> None:
    who = f"the run of {run.strategy!r} with seed {run.seed}"
    if not run.points:
        raise ConfigError(f"{who} has no points; leave it out, or run it again")
    for before, point in zip((None, *run.points), run.points, strict=False):
        if before is not None and point.labels < before.labels:
            raise ConfigError(
                f"{who} goes from {before.labels} to {point.labels} labels; labels never become fewer: "
                "give its points in the order of its rounds"
            )
        value = point.metrics.get(metric)
        if value is None or not isfinite(value):
            raise ConfigError(
                f"{who} has {metric} = {value} at {point.labels} labels; it must be a finite number: leave "
                "out rounds that could not be measured"
            )
