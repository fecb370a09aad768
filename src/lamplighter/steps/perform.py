"""Doing the next step, and with it a whole round."""

from __future__ import annotations

import logging
from collections.abc import Callable

from lamplighter.driver import Driver
from lamplighter.errors import RoundConflict
from lamplighter.progress import Progress, tell
from lamplighter.rounds import AnyStep, History, Next, RoundRecord, Step, plan
from lamplighter.standing import Standing
from lamplighter.steps.collect import collect
from lamplighter.steps.commit import commit
from lamplighter.steps.dispatch import dispatch
from lamplighter.steps.evaluate import evaluate
from lamplighter.steps.score import score
from lamplighter.steps.select_batch import select_batch
from lamplighter.steps.train import train
from lamplighter.stopping.base import Stop
from lamplighter.store.log import writer_token

log = logging.getLogger("lamplighter")

_STEPS: dict[Step, Callable[[Standing], AnyStep]] = {
    Step.COLLECT: collect,
    Step.TRAIN: train,
    Step.EVALUATE: evaluate,
    Step.SCORE: score,
    Step.SELECT: select_batch,
    Step.DISPATCH: dispatch,
}


def perform(driver: Driver, step: Step) -> AnyStep | RoundRecord:
    """Do a step of the open round, unless its checkpoint is there, and give the checkpoint.

    Raises
    ------
    RoundConflict
        Another driver did this step, or committed the round, since the ledger was read.
    """
    history = driver.history()
    if step in history.open.steps:
        return history.open.steps[step]
    if step is Step.COMMIT and _is_ours(history):
        return history.records[-1]
    _check_turn(driver, history, step)
    standing = Standing(driver, history)
    tell(Progress.of(f"{driver.campaign.name}, round {standing.number}: {step}"))
    if step is Step.COMMIT:
        return commit(standing)
    done = _STEPS[step](standing)
    driver.ledger.checkpoint(done)
    log.info("%s, round %d: %s done", driver.campaign.name, done.round, step)
    return done


def _is_ours(history: History) -> bool:
    """Say whether this process committed the newest round: a commit whose answer was lost is tried again."""
    return bool(history.records) and not history.open.steps and history.records[-1].writer == writer_token()


def _check_turn(driver: Driver, history: History, step: Step) -> None:
    upcoming = plan(history, ())
    if isinstance(upcoming, Next) and upcoming.step is not step:
        raise RoundConflict(
            f"another driver is at work in {driver.store.url}: it is the turn of step '{upcoming.step}' of "
            f"round {upcoming.round}, not of '{step}'; let the other finish, then run again"
        )


def run_round(driver: Driver) -> RoundRecord | Stop:
    """Take the open round to its end, from wherever it stands; or give why the campaign has stopped."""
    while isinstance(upcoming := driver.plan(), Next):
        done = perform(driver, upcoming.step)
        if isinstance(done, RoundRecord):
            return done
    return upcoming
