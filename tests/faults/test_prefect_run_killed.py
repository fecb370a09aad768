"""A flow run that is killed in the middle of a round: the next one finishes that round."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lamplighter.driver import Driver, open_driver
from lamplighter.rounds import Step
from lamplighter.steps import run_round
from tests.campaigns import write_campaign, write_pool
from tests.faults.ledgers import asked, ledger
from tests.servers.prefect import ROOT, PrefectServer

pytestmark = [pytest.mark.fault, pytest.mark.prefect_server, pytest.mark.xdist_group("prefect")]
COMMAND = [sys.executable, "-m", "lamplighter.cli", "round"]


def start(server: PrefectServer, campaign: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, campaign], cwd=ROOT, env=server.environ, start_new_session=True)


def wait_for(driver: Driver, step: Step) -> None:
    """Wait until the second round has done a step, or is committed: between two looks both may happen."""
    deadline = time.monotonic() + 120
    while step not in (history := driver.history()).open.steps and len(history.records) < 2:
        assert time.monotonic() < deadline, f"{step} was never done"
        time.sleep(0.01)


@pytest.mark.parametrize("step", [Step.TRAIN, Step.SCORE, Step.DISPATCH])
def test_the_next_run_finishes_the_round(prefect_api: PrefectServer, tmp_path: Path, step: Step) -> None:
    write_pool(tmp_path, rows=300)
    paths = [write_campaign(tmp_path, f"{name}.yaml", store=name) for name in ("killed", "undisturbed")]
    for path in paths:
        run_round(open_driver(path))
    killed, undisturbed = (open_driver(path) for path in paths)
    run_round(undisturbed)

    process = start(prefect_api, paths[0])
    wait_for(killed, step)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    first = start(prefect_api, paths[0])
    assert first.wait(180) == 0

    assert len(killed.history().records) in (2, 3)  # 3: the kill came just after the commit
    assert ledger(killed.store)[:2] == ledger(undisturbed.store)
    rows = asked(killed.store)
    assert len(rows) == len(set(rows))
