"""Doing the next step, and with it a whole round."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from lamplighter.driver import Driver
from lamplighter.rounds import AnyStep, Next, RoundRecord, Step
from lamplighter.standing import Standing
from lamplighter.steps.collect import collect
from lamplighter.steps.commit import commit
from lamplighter.steps.dispatch import dispatch
from lamplighter.steps.evaluate import evaluate
from lamplighter.steps.score import score
from lamplighter.steps.select_batch import select_batch
from lamplighter.steps.train import train
from lamplighter.stopping.base import Stop

log = logging.getLogger("lamplighter")
OnProgress = Callable[[Any], None]

_STEPS: dict[Step, Callable[[Standing], AnyStep]] = {
    Step.COLLECT: collect,
    Step.TRAIN: train,
    Step.EVALUATE: evaluate,
    Step.SELECT: select_batch,
    Step.DISPATCH: dispatch,
}


def perform(driver: Driver, step: Step, on_progress: OnProgress | None = None) -> AnyStep | RoundRecord:
    """Do a step of the open round, unless its checkpoint is there, and give the checkpoint.

    Raises
    ------
    RoundConflict
        Another driver did this step since the ledger was read.
    """
    history = driver.history()
    if step in history.open.steps:
        return history.open.steps[step]
    standing = Standing(driver, history)
    if step is Step.COMMIT:
        return commit(standing)
    done = score(standing, on_progress) if step is Step.SCORE else _STEPS[step](standing)
    driver.ledger.checkpoint(done)
    log.info("round %d: %s done", done.round, step)
    return done


def run_round(driver: Driver, on_progress: OnProgress | None = None) -> RoundRecord | Stop:
    """Take the open round to its end, from wherever it stands; or give why the campaign has stopped."""
    while isinstance(upcoming := driver.plan(), Next):
        done = perform(driver, upcoming.step, on_progress)
        if isinstance(done, RoundRecord):
            return done
    return upcoming
