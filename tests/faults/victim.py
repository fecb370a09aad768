"""Rounds in a process of their own, which may be killed at any call of the store.

A fork server holds the imports, so that a victim lives within a tenth of a second.
"""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.steps import run_round
from lamplighter.stopping.base import Stop
from lamplighter.store import open_store
from lamplighter.testing.faults import Counting, CrashAt

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Orders:
    """What a victim is to do: rounds of a campaign, the call to die before, a file for its calls."""

    campaign: str
    rounds: int
    crash_at: int | None = None
    count_into: str | None = None


def run_rounds(orders: Orders, environment: dict[str, str]) -> None:
    """Run until so many rounds are committed, or until killed."""
    # The fork server has the environment of its start, not of the test.
    os.environ.update(environment)
    read = load(orders.campaign)
    store = open_store(read.store)
    watched = CrashAt(store, orders.crash_at) if orders.crash_at else Counting(store)
    driver = Driver(read, store_override=watched).open()
    while len(driver.history().records) < orders.rounds and not isinstance(run_round(driver), Stop):
        pass
    if orders.count_into:
        Path(orders.count_into).write_text("\n".join(f"{verb} {key}" for verb, key in watched.calls))


def start(orders: Orders) -> BaseProcess:
    """Start a victim."""
    environment = {k: v for k, v in os.environ.items() if k.startswith(("AWS_", "OMP_", "OPENBLAS_"))}
    process = _CONTEXT.Process(target=run_rounds, args=(orders, environment))
    process.start()
    return process


def finish(orders: Orders) -> int | None:
    """Run a victim to its end; give its exit code, -9 when it was killed."""
    process = start(orders)
    process.join(120)
    return process.exitcode
