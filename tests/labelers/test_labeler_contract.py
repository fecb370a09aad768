"""Every labeler keeps the contract, and the contract catches those that do not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Annotation, Batch, Collected, Cursor, Desk, Labeler, Ticket
from lamplighter.labelers.files import Files
from lamplighter.labelers.sheets import unguarded
from lamplighter.labelers.simulated import Simulated
from lamplighter.store.local import LocalStore
from lamplighter.testing import labelers as contract
from lamplighter.testing.contract import ContractBroken
from lamplighter.testing.labelers import Bench, MakeBench
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.test_automated_contract import AUTOMATED

STRINGS = tuple(f"row/{number}, 'ü'" for number in range(20))


def simulated_bench(folder: Path, labeler: Callable[[str], Simulated], rows: Sequence[int | str]) -> Bench:
    truth = folder / "truth.parquet"
    labels = [contract.CLASSES[n % 3] for n in range(len(rows))]
    pq.write_table(pa.table({"id": list(rows), "label": labels}), truth)
    store = MemoryStore()

    def asked() -> list[int | str]:
        return [i for data in store.objects.values() for i in json.loads(data)["ids"]]

    desk = desk_of(store, integer_ids=isinstance(rows[0], int))
    return Bench(labeler(str(truth)), desk, contract.batch(rows=rows), asked)


def files_bench(store: MemoryStore | LocalStore, labeler: Files, rows: Sequence[int | str]) -> Bench:
    integer = isinstance(rows[0], int)

    def sheets() -> list[list[dict[str, str]]]:
        return [read_sheet(key, store.get(key)) for key in store.list(labeler.outbox)]

    def asked() -> list[int | str]:
        return [row["id"] for sheet in sheets() for row in sheet]

    def answer(ticket: Ticket) -> None:
        filled = [row | {"label": "dog", "annotator": "ann"} for sheet in sheets() for row in sheet]
        lines = "".join(json.dumps(row) + "\n" for row in filled[:15])
        store.put(f"{labeler.inbox}/{ticket.batch}.jsonl", lines.encode())

    desk = Desk(store, "campaign", contract.CLASSES, integer)
    return Bench(labeler, desk, contract.batch(rows=rows), asked, answer)


def read_sheet(key: str, data: bytes) -> list[dict[str, str]]:
    """Read a batch file without the code under test."""
    if key.endswith(".jsonl"):
        return [json.loads(line) for line in data.decode().splitlines()]
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    return [row | {"id": unguarded(row["id"])} for row in rows]


NUMBERS = tuple(range(100, 120))
MAKERS: dict[str, Callable[[Path], Bench]] = {
    "simulated": lambda p: simulated_bench(p, Simulated, NUMBERS),
    "simulated_unsure": lambda p: simulated_bench(
        p, lambda url: Simulated(url, noise=0.3, abstain=0.3, annotators=3, delay_rounds=2), STRINGS
    ),
    "files_jsonl": lambda p: files_bench(MemoryStore(), Files(), NUMBERS),
    "files_csv": lambda p: files_bench(MemoryStore(), Files(format="csv", show_prediction=True), STRINGS),
    "files_on_disk": lambda p: files_bench(LocalStore(str(p)), Files(outbox="out/", inbox="in"), STRINGS),
}


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MAKERS)
def test_contract(name: str, check: Callable[[MakeBench], None], tmp_path: Path) -> None:
    made = iter(range(100))

    def make() -> Bench:
        folder = tmp_path / str(next(made))
        folder.mkdir()
        return MAKERS[name](folder)

    (case,) = (c for c in contract.cases({name: make}) if str(c) == f"labeler-{name}:{check.__name__}")
    case()


def test_every_registered_labeler_is_tried() -> None:
    assert {name.split("_")[0] for name in MAKERS} | {*AUTOMATED, "route", "label_studio"} == set(
        LABELERS.names()
    )


# What the contract catches


@dataclass(frozen=True)
class Sloppy(Labeler):
    """Puts every dispatch out anew, and answers with what it likes."""

    answer: Annotation

    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        key = f"out/{len(desk.store.list())}"
        desk.store.put(key, json.dumps({"ids": [row.id for row in batch.rows]}).encode())
        late = batch.created_at + timedelta(seconds=len(desk.store.list()))
        return Ticket(batch.id, batch.round, late, 1, {"key": key})

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        count = len(desk.store.list())
        desk.store.put(f"seen/{count}", b'{"ids": []}')
        return Collected([replace(self.answer, source=f"{count}")])


def sloppy_bench(answer: Annotation) -> Bench:
    store = MemoryStore()

    def asked() -> list[int | str]:
        return [i for data in store.objects.values() for i in json.loads(data)["ids"]]

    return Bench(Sloppy(answer), desk_of(store), contract.batch(), asked)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_contract_catches(check: Callable[[MakeBench], None]) -> None:
    answer = Annotation(id="100", label="cat", annotator="ann", labeler="sloppy")
    twice = check is contract.a_row_gets_as_many_answers_as_promised
    with pytest.raises(ContractBroken):
        check(lambda: _twice(answer) if twice else sloppy_bench(answer))


@dataclass(frozen=True)
class Eager(Sloppy):
    """Answers each row twice."""

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        return Collected([self.answer, self.answer])


def _twice(answer: Annotation) -> Bench:
    return replace(sloppy_bench(answer), labeler=Eager(answer))


@pytest.mark.parametrize(
    "answer",
    [
        Annotation(id=100, label=None, annotator="ann", labeler="sloppy"),
        Annotation(id=100, label="fox", annotator="ann", labeler="sloppy"),
        Annotation(id=100, label="cat", annotator="", labeler="sloppy"),
        Annotation(id=5, label="cat", annotator="ann", labeler="sloppy"),
    ],
    ids=["no label", "no class", "nobody", "another row"],
)
def test_contract_catches_answers_that_do_not_fit(answer: Annotation) -> None:
    with pytest.raises(ContractBroken):
        contract.answers_fit_what_was_asked(lambda: sloppy_bench(answer))
