"""A route keeps the contract of labelers, with people who answer by files and with simulated ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter.labelers.base import Cursor, Ticket
from lamplighter.labelers.route import Route
from lamplighter.testing import labelers as contract
from lamplighter.testing.labelers import Bench, MakeBench
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.routes import (
    FILES,
    OTHER,
    Id,
    asked_of_machines,
    function,
    people_answer,
    route,
    sent_to_people,
)

pytestmark = pytest.mark.usefixtures("trusted")
NUMBERS = tuple(range(100, 120))
STRINGS = tuple(f"row/{number}, 'ü'" for number in range(20))


def bench(labeler: Route, rows: Sequence[Id]) -> Bench:
    store = MemoryStore()
    desk = desk_of(store, integer_ids=isinstance(rows[0], int))

    def asked() -> list[Id]:
        """Give rows as often as one side was asked: most rows that people see, a machine has seen before."""
        simulated = [d for key, d in store.objects.items() if key.startswith("simulated/")]
        people = sent_to_people(store) + [i for data in simulated for i in json.loads(data)["ids"]]
        often: Counter[Id] = Counter(asked_of_machines(store))
        often |= Counter(people)
        return list(often.elements())

    def answer(ticket: Ticket) -> None:
        labeler.collect([ticket], Cursor(4), desk)
        if labeler.people.name == "files":
            people_answer(store)

    return Bench(labeler, desk, contract.batch(rows=rows), asked, answer)


def simulated(folder: Path, rows: Sequence[Id], **params: Any) -> dict[str, Any]:
    labels = [contract.CLASSES[n % 3] for n in range(len(rows))]
    pq.write_table(pa.table({"id": list(rows), "label": labels}), folder / "truth.parquet")
    return {"name": "simulated", "params": {"labels": str(folder / "truth.parquet"), **params}}


MAKERS: dict[str, Callable[[Path], Bench]] = {
    "files": lambda p: bench(route(), NUMBERS),
    "files_audited": lambda p: bench(route(audit=0.5), STRINGS),
    "files_in_turn": lambda p: bench(route(function(), function(OTHER), FILES, confidence=0.97), STRINGS),
    "simulated": lambda p: bench(route(function(), simulated(p, STRINGS)), STRINGS),
    "simulated_crowd": lambda p: bench(
        route(function(), simulated(p, NUMBERS, annotators=3), holdout_to_people=False), NUMBERS
    ),
}


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MAKERS)
def test_contract(name: str, check: Callable[[MakeBench], None], tmp_path: Path) -> None:
    check(lambda: MAKERS[name](tmp_path))


@pytest.mark.parametrize("name", MAKERS)
def test_the_benches_see_machines_and_people_at_work(name: str, tmp_path: Path) -> None:
    """Else the laws would say little."""
    at = MAKERS[name](tmp_path)
    ticket = at.dispatch()
    at.answer(ticket)
    found = at.collect([ticket])
    again = at.labeler.collect([ticket], Cursor(5), at.desk)
    heard = {said.labeler for said in [*found.annotations, *again.annotations]}
    assert heard == {"function", name.split("_", maxsplit=1)[0]}
