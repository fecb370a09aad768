"""Round trips through doccano and Potato: the contract of labelers, and whole campaigns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import annotations as annotation_table
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.labelers.base import Ticket
from lamplighter.labelers.files import Files
from lamplighter.rounds import RoundRecord
from lamplighter.steps import run_round
from lamplighter.testing import labelers as contract
from lamplighter.testing.labelers import Bench, MakeBench
from lamplighter.votes import consensus
from tests.campaigns import CLASSES, write_campaign, write_pool
from tests.labelers.exchanged import POTATO_REST, Said, doccano_export, potato_state
from tests.labelers.memory import MemoryStore, desk_of

STRINGS = tuple(f"row/{number}, 'ü'" for number in range(20))
NUMBERS = tuple(range(100, 120))
ROW = {"doccano": "row_id", "potato": "id"}


def answered(layout: str, user: str, said: Said) -> dict[str, bytes]:
    """Give the files that the program writes when a user has answered."""
    if layout == "doccano":
        return {f"export/{user}.jsonl": doccano_export(said)}
    return {f"annotation_output/{user}/user_state.json": potato_state(user, said)}


def bench(layout: str, rows: Sequence[int | str]) -> Bench:
    store, labeler = MemoryStore(), Files(layout=layout, show_prediction=True)

    def asked() -> list[int | str]:
        sheets = [data for key, data in store.objects.items() if key.startswith("labeling/out/")]
        return [json.loads(line)[ROW[layout]] for sheet in sheets for line in sheet.splitlines()]

    def answer(ticket: Ticket) -> None:
        for name, data in answered(layout, "ann", dict.fromkeys(asked()[:15], "dog")).items():
            store.put(f"labeling/in/{name}", data)

    desk = desk_of(store, integer_ids=isinstance(rows[0], int))
    return Bench(labeler, desk, contract.batch(rows=rows), asked, answer)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("rows", [NUMBERS, STRINGS], ids=["numbers", "strings"])
@pytest.mark.parametrize("layout", ROW)
def test_contract(layout: str, rows: Sequence[int | str], check: Callable[[MakeBench], None]) -> None:
    check(lambda: bench(layout, rows))


@pytest.mark.parametrize("layout", ROW)
def test_a_campaign(layout: str, tmp_path: Path) -> None:
    """Two users label all that is there each night; the program's files grow and are copied again."""
    write_pool(tmp_path)
    table = pq.read_table(tmp_path / "truth.parquet")
    truth = dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    labeler = {"name": "files", "params": {"layout": layout}}
    file = write_campaign(tmp_path, labeler=labeler, evaluation={"holdout": 20}, batch_size=10)
    driver = Driver(load(file)).open()
    records = []
    for _ in range(3):
        records.append(run_round(driver))
        ids = [int(line[ROW[layout]]) for line in _sent(driver)]
        for user, wrong in (("ann", 0), ("bob", 1)):
            said = {i: CLASSES[0] if wrong and i % 10 == 0 else truth[i] for i in ids}
            for name, data in answered(layout, user, said).items():
                driver.store.put(f"labeling/in/{name}", data)
        for name, data in POTATO_REST.items() if layout == "potato" else ():
            driver.store.put(f"labeling/in/annotation_output/{name}", data)
    done = [record for record in records if isinstance(record, RoundRecord)]
    assert [r.collect.new_annotations for r in done] == [0, 60, 20]
    assert [r.collect.problem_count for r in done] == [0, 0, 0]
    assert [r.collect.outstanding for r in done] == [0, 0, 0]
    stored = pa.concat_tables(
        [annotation_table.from_parquet(driver.store.get(key)) for key in driver.store.list("annotations/")]
    )
    assert set(stored["annotator"].to_pylist()) == {"ann", "bob"}
    labels = consensus(stored, CLASSES)
    agreed = {i: CLASSES[c] for i, c in zip(labels.ids.to_pylist(), labels.label, strict=True) if i % 10}
    assert agreed == {i: truth[i] for i in agreed}


def _sent(driver: Driver) -> list[dict[str, Any]]:
    keys = driver.store.list("labeling/out/")
    return [json.loads(line) for key in keys for line in driver.store.get(key).splitlines()]
