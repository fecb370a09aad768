"""Replay a campaign on rows whose labels are known: the same steps, in memory, for one strategy and seed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lamplighter import evaluation, learner
from lamplighter.arrays import F32
from lamplighter.backtest.picking import LabelledRows, Moment, Picker
from lamplighter.backtest.runs import Point, Run
from lamplighter.errors import TooFewClasses
from lamplighter.learner.committee import fit_committee
from lamplighter.threads import one_thread

if TYPE_CHECKING:
    from lamplighter.config import Campaign
    from lamplighter.learner import Model


@dataclass(frozen=True, eq=False)
class Replay:
    """What a run starts from; runs of one seed differ in their picker alone.

    Attributes
    ----------
    campaign
        Learner, committee, classes, batch size; its strategy and its evaluation are not looked at.
    cold_start
        Picks as long as there is no model.
    pool, test
        Rows to ask about, and rows to measure on; they have no row in common.
    seed
        Keys all randomness.
    labels
        The run ends with the first model made of as many labels, or of the whole pool.
    start
        Rows of a batch as long as there is no model; None for the campaign's batch size, as in a round.
    """

    campaign: Campaign
    cold_start: Picker
    pool: LabelledRows
    test: LabelledRows
    seed: int
    labels: int
    start: int | None = None


def replay(task: Replay, name: str, picker: Picker, *, seed: int | None = None) -> Run:
    """Run rounds until the labels are spent, every model measured on the test rows.

    Before there is a model, the one class among the labels is measured: see Point.

    Parameters
    ----------
    task
        The data and the campaign.
    name
        The strategy, as it is shown.
    picker
        Picks once there is a model.
    seed
        The run's number in the record; None for the seed that keys it.
    """
    replayed = _Replayed(task, picker)
    with one_thread():
        while not replayed.done:
            replayed.play()
    notices = tuple(dict.fromkeys(replayed.notices))
    return Run(
        strategy=name,
        seed=task.seed if seed is None else seed,
        points=tuple(replayed.points),
        notices=notices,
    )


@dataclass(eq=False)
class _Replayed:
    """A run at work."""

    task: Replay
    picker: Picker
    round: int = 0
    done: bool = False
    points: list[Point] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asked = np.zeros(len(self.task.pool), np.bool_)
        self.previous: Model | None = None
        self.seconds: dict[str, float] = {}

    def play(self) -> None:
        """Play one round: train, measure, pick."""
        self.round += 1
        rows, self.seconds = self.task.pool.take(np.flatnonzero(self.asked)), {}
        with self._timed("train"):
            model, members = self._train(rows)
        if len(rows):
            self._measure(model, rows)
        self.done = len(rows) >= self.task.labels or bool(self.asked.all())
        if not self.done:
            self._pick(model, members)

    def _train(self, rows: LabelledRows) -> tuple[Model | None, tuple[Model, ...]]:
        task, campaign = self.task, self.task.campaign
        try:
            model = learner.fit(
                campaign.learner,
                rows.x,
                rows.label,
                campaign.classes,
                seed=task.seed,
                round=self.round,
                previous=self.previous if campaign.learner.warm_start else None,
            )
        except TooFewClasses:
            return None, ()
        self.previous = model
        if not self.picker.needs_committee or campaign.committee is None:
            return model, ()
        found = fit_committee(campaign.committee, model, rows.x, rows.label, seed=task.seed, round=self.round)
        return model, found.members

    def _measure(self, model: Model | None, rows: LabelledRows) -> None:
        test, classes = self.task.test, self.task.campaign.classes
        proba = _usual(rows, len(classes), len(test)) if model is None else model.predict_proba(test.x)
        metrics, recall = evaluation.measure(test.label, proba, classes)
        there = model is not None
        point = Point(
            labels=len(rows), model=there, metrics=metrics, recall=recall, seconds=dict(self.seconds)
        )
        self.points.append(point)

    def _pick(self, model: Model | None, members: tuple[Model, ...]) -> None:
        task = self.task
        wanted = task.campaign.batch_size if model is not None else task.start or task.campaign.batch_size
        k = min(wanted, int(np.count_nonzero(~self.asked)))
        view = (task.pool, self.asked, model, members)
        moment = Moment(*view, task.seed, self.round, k, task.campaign, self._timed)
        picker = self.picker if model is not None else task.cold_start
        rows, notices = picker.pick(moment)
        if self.points:
            self.points[-1] = self.points[-1].model_copy(update={"seconds": dict(self.seconds)})
        self.notices += notices
        self.asked[rows] = True
        if not len(rows):
            self.done = True

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        # Of this thread: others of the same worker are busy with runs of their own.
        started = time.thread_time()
        yield
        self.seconds[step] = time.thread_time() - started


def _usual(rows: LabelledRows, classes: int, count: int) -> F32:
    """Give the most frequent class of some labels the probability 1, for so many rows."""
    proba = np.zeros((count, classes), np.float32)
    proba[:, np.bincount(rows.label).argmax()] = 1
    return proba
