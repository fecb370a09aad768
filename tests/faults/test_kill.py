"""SIGKILL before every write to the store, then the same command again: the ledger is as if nothing happened.

Between two writes the store is the same whenever the driver dies, so all that a death can leave is covered.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from lamplighter.store import open_store
from tests.campaigns import write_campaign, write_pool
from tests.faults import victim
from tests.faults.ledgers import answers, asked, ledger
from tests.faults.victim import Orders
from tests.quality_rounds.crews import write_gold
from tests.servers.seaweed import BUCKET, Seaweed

pytestmark = pytest.mark.fault
#: The first round has no labels and no model, the second has both.
ROUNDS = (1, 2)
#: The writes are covered in strides, so that tests can run beside each other.
STRIDES = 2
#: So that what follows from answers is kept, and rows are asked about that the pool does not have.
QUALITY = {"consensus": "dawid_skene", "weights": True, "gold": {"url": "gold.parquet"}}
#: On S3 every so many writes: what differs from the local store is the store, not the round.
S3_STRIDE = 3
WRITES = ("put", "create")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kill")
    write_pool(made, rows=300)
    write_gold(made)
    return made


def campaign_at(folder: Path, store: str) -> str:
    name = f"{uuid.uuid4().hex}.yaml"
    return write_campaign(
        folder, name, store=store, batch_size=12, evaluation={"holdout": 30}, quality=QUALITY
    )


def undisturbed(folder: Path, store: str, rounds: int) -> tuple[str, list[int]]:
    """Run so many rounds without a fault; give the store, and which calls of the last one write."""
    calls = folder / f"{uuid.uuid4().hex}.calls"
    campaign = campaign_at(folder, store)
    if rounds > 1:
        assert victim.finish(Orders(campaign, rounds - 1)) == 0
    assert victim.finish(Orders(campaign, rounds, count_into=str(calls))) == 0
    verbs = [line.partition(" ")[0] for line in calls.read_text().splitlines()]
    assert {*verbs} <= {"get", "list", *WRITES}
    return store, [number for number, verb in enumerate(verbs, 1) if verb in WRITES]


def begun(expected: str, store: str, rounds: int) -> None:
    """Copy what an undisturbed store held before its last round."""
    source, target = open_store(expected), open_store(store)
    last = (f"rounds/{rounds:06d}/", f"annotations/round={rounds:06d}/")
    for key in source.list():
        if rounds > 1 and not key.startswith(last):
            target.put(key, source.get(key))


def new_store(base: str) -> str:
    return f"{base}/{uuid.uuid4().hex}"


def kill_everywhere(folder: Path, rounds: int, some: slice, base: str) -> None:
    """Kill the driver before some of the writes of a round, each in a store of its own."""
    expected, writes = undisturbed(folder, new_store(base), rounds)
    assert len(writes) > 15
    done = open_store(expected)
    want = ledger(done), answers(done), asked(done)
    for call in writes[some]:
        store = new_store(base)
        begun(expected, store, rounds)
        campaign = campaign_at(folder, store)
        assert victim.finish(Orders(campaign, rounds, crash_at=call)) == -9, f"call {call}"
        assert victim.finish(Orders(campaign, rounds)) == 0, f"resuming after call {call}"
        opened = open_store(store)
        assert (ledger(opened), answers(opened), asked(opened)) == want, f"killed at call {call}"
        assert len(asked(opened)) == len(set(asked(opened)))


@pytest.mark.parametrize("stride", range(STRIDES))
@pytest.mark.parametrize("rounds", ROUNDS)
def test_local_store(folder: Path, rounds: int, stride: int) -> None:
    kill_everywhere(folder, rounds, slice(stride, None, STRIDES), f"{folder}/stores")


@pytest.mark.parametrize("rounds", ROUNDS)
def test_s3_store(folder: Path, s3: Seaweed, rounds: int) -> None:
    kill_everywhere(folder, rounds, slice(rounds, None, S3_STRIDE), f"s3://{BUCKET}")
