"""SIGKILL at every call of the store, then the same command again: the ledger is as if nothing happened."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from lamplighter.store import open_store
from tests.campaigns import write_campaign, write_pool
from tests.faults import victim
from tests.faults.ledgers import answers, asked, ledger
from tests.faults.victim import Orders
from tests.servers.seaweed import BUCKET, Seaweed

pytestmark = pytest.mark.fault
ROUNDS = 2
#: Tests cover the calls in strides, so that they can run beside each other.
STRIDES = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kill")
    write_pool(made, rows=300)
    return made


def campaign_at(folder: Path, store: str) -> str:
    name = f"{uuid.uuid4().hex}.yaml"
    return write_campaign(folder, name, store=store, batch_size=12, evaluation={"holdout": 30})


def undisturbed(folder: Path, store: str) -> tuple[str, int]:
    """Run to the end without a fault; give the store and the number of calls it took."""
    calls = folder / f"{uuid.uuid4().hex}.calls"
    assert victim.finish(Orders(campaign_at(folder, store), ROUNDS, count_into=str(calls))) == 0
    return store, len(calls.read_text().splitlines())


def kill_everywhere(folder: Path, expected: str, calls: range, new_store: Callable[[], str]) -> None:
    want = ledger(open_store(expected)), answers(open_store(expected)), asked(open_store(expected))
    for call in calls:
        store = new_store()
        campaign = campaign_at(folder, store)
        assert victim.finish(Orders(campaign, ROUNDS, crash_at=call)) == -9, f"call {call}"
        assert victim.finish(Orders(campaign, ROUNDS)) == 0, f"resuming after call {call}"
        opened = open_store(store)
        assert (ledger(opened), answers(opened), asked(opened)) == want, f"killed at call {call}"
        assert len(asked(opened)) == len(set(asked(opened)))
        shutil.rmtree(store, ignore_errors=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("stride", range(STRIDES))
def test_local_store(folder: Path, stride: int) -> None:
    expected, calls = undisturbed(folder, str(folder / f"undisturbed-{stride}"))
    kill_everywhere(
        folder, expected, range(1 + stride, calls + 1, STRIDES), lambda: str(folder / uuid.uuid4().hex)
    )


@pytest.mark.timeout(600)
def test_s3_store(folder: Path, s3: Seaweed) -> None:
    def new() -> str:
        return f"s3://{BUCKET}/{uuid.uuid4().hex}"

    expected, calls = undisturbed(folder, new())
    kill_everywhere(folder, expected, range(1, calls + 1, 5), new)
