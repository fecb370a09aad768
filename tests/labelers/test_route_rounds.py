"""Whole campaigns with a route: a machine first, then files or simulated people, on a small real pool."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter import annotations as annotation_table
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError
from lamplighter.quality.confirmed import confirmed
from lamplighter.rounds import RoundRecord
from lamplighter.standing import Standing
from lamplighter.steps import run_round
from lamplighter.store import open_store
from lamplighter.testing.faults import Wrapped
from lamplighter.votes import consensus
from tests.campaigns import CLASSES, write_campaign
from tests.labelers import rules
from tests.labelers.routes import FILES
from tests.labelers.service import Act, Seen, Service
from tests.quality_rounds.crews import quality_of

T = TypeVar("T")
SECRET = "hush-hush-4711"
MACHINE: dict[str, Any] = {"name": "function", "params": {"path": "tests.labelers.rules:guess_fruit"}}
SIMULATED: dict[str, Any] = {"name": "simulated", "params": {"labels": "truth.parquet"}}


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """A pool of fruit under tmp_path, and what each of its rows is."""
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    return rules.learn_fruit(tmp_path)


def driver_of(folder: Path, last: dict[str, Any], machine: dict[str, Any] = MACHINE, **params: Any) -> Driver:
    labeler = {"name": "route", "params": {"labelers": [machine, last], "audit": 0.3, **params}}
    file = write_campaign(folder, labeler=labeler, evaluation={"holdout": 20}, batch_size=30)
    return Driver(load(file)).open()


def rounds(driver: Driver, n: int) -> list[RoundRecord]:
    done = [run_round(driver) for _ in range(n)]
    return [d for d in done if isinstance(d, RoundRecord)]


def table_of(driver: Driver) -> Any:
    """Read all annotations as anybody can."""
    keys = driver.store.list("annotations/")
    return pa.concat_tables([annotation_table.from_parquet(driver.store.get(key)) for key in keys])


def dispatched(driver: Driver) -> list[int]:
    """Give the ids of all rows that went to the route, by the campaign's ledger."""
    records = driver.history().records
    keys = [record.select.batch.key for record in records if record.select]
    return [i for key in keys for i in pq.read_table(Path(driver.campaign.store) / key)["id"].to_pylist()]


def with_people(driver: Driver) -> Counter[int]:
    """Give the ids of the rows that people were sent, by what the labelers wrote."""
    found: list[int] = []
    for key in driver.store.list("simulated/"):
        found += json.loads(driver.store.get(key))["ids"]
    for key in driver.store.list("out/"):
        found += [json.loads(line)["id"] for line in driver.store.get(key).splitlines()]
    return Counter(found)


def check(driver: Driver, truth: dict[int, str]) -> None:
    """Check that each row of the batches ended with a machine or with people, and the labels with people."""
    table, people = table_of(driver), with_people(driver)
    said = table.to_pylist()
    taken = Counter(s["id"] for s in said if (s["labeler"], s["status"]) == ("function", "labelled"))
    machine = {row["id"] for call in rules.calls for row in call}
    late = set(dispatched(driver)[-30:])  # the last batch is not asked about yet
    assert set(taken) | set(people) == set(dispatched(driver)) - (late - set(people))
    assert {*taken.values(), *people.values()} == {1}
    assert Counter(row["id"] for call in rules.calls for row in call) == Counter(machine)
    seen = {s["id"] for s in said if s["labeler"] != "function"}
    labels = consensus(table, CLASSES)
    for row, label in zip(labels.ids.to_pylist(), labels.label, strict=True):
        assert CLASSES[label] == (truth[row] if row in seen else rules.guess(row)), row


def test_rounds_with_simulated_people(tmp_path: Path, truth: dict[int, str]) -> None:
    driver = driver_of(tmp_path, SIMULATED)
    records = rounds(driver, 5)
    check(driver, truth)
    assert records[-1].evaluate.metric is not None
    table = table_of(driver)
    statuses = Counter(zip(table["labeler"].to_pylist(), table["status"].to_pylist(), strict=True))
    assert set(statuses) == {
        ("function", "labelled"),
        ("function", "suggested"),
        ("function", "withdrawn"),
        ("simulated", "labelled"),
    }
    found = confirmed(table, frozenset({"function"}))
    assert found is not None
    audited = [said["id"] for said in table.to_pylist() if said["status"] == "withdrawn"]
    right = sum(rules.guess(i) == truth[i] for i in audited)
    assert (found.n, found.value) == (len(audited), right / len(audited))
    told = quality_of(Standing(driver, driver.history()))
    assert told.confirmed == found
    assert told.suggested is not None


def test_rounds_with_people_who_fill_in_files(tmp_path: Path, truth: dict[int, str]) -> None:
    driver = driver_of(tmp_path, FILES)
    for number in range(5):
        rounds(driver, 1)
        if number == 2:
            continue  # people may be late
        said = [{"id": i, "label": truth[i], "annotator": "ann"} for i in with_people(driver)]
        driver.store.put("in/all.jsonl", "".join(json.dumps(s) + "\n" for s in said).encode())
    rounds(driver, 1)
    check(driver, truth)


class DiesAt(Wrapped):
    """Dies when one of its calls comes, before or after the store has done it."""

    def __init__(self, store: Any, fatal: str, *, after: bool) -> None:
        super().__init__(store)
        self.fatal, self.after = fatal, after

    def call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        if verb == "create" and self.fatal in key:
            if self.after:
                do()
            raise KeyboardInterrupt
        return do()


@pytest.mark.parametrize(
    ("fatal", "after"),
    [("/entry-0001", False), ("/ticket-0001-people", True), ("out/", True), ("annotations/", False)],
)
def test_a_driver_that_dies_on_the_way(
    tmp_path: Path, truth: dict[int, str], fatal: str, after: bool
) -> None:
    driver = driver_of(tmp_path, FILES)
    rounds(driver, 1)
    deadly = DiesAt(open_store(driver.campaign.store), fatal, after=after)
    with pytest.raises(KeyboardInterrupt):
        rounds(Driver(driver.campaign, store_override=deadly), 1)
    rounds(driver, 2)
    check(driver, truth)


def test_no_file_of_a_campaign_holds_a_secret_of_an_inner_labeler(
    tmp_path: Path, truth: dict[int, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("LABELS_TOKEN", SECRET)

    def echo(seen: Seen) -> Act:
        return Act(422, str(seen.headers["Authorization"]).encode())

    with Service(echo) as service:
        headers = {"Authorization": "Bearer ${LABELS_TOKEN}"}
        machine = {"name": "http", "params": {"url": service.url, "headers": headers}}
        records = rounds(driver_of(tmp_path, FILES, machine), 3)
        assert {seen.headers["Authorization"] for seen in service.seen} == {f"Bearer {SECRET}"}
    assert "labeler 'http'" in records[1].collect.problems[0]
    assert "answered 422" in records[1].collect.problems[0]
    assert [p for p in tmp_path.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()] == []
    assert SECRET not in caplog.text


def test_an_inner_secret_that_is_not_set(tmp_path: Path, truth: dict[int, str]) -> None:
    machine = {"name": "http", "params": {"url": "http://x", "headers": {"A": "${NO_SUCH_TOKEN}"}}}
    with pytest.raises(ConfigError, match="NO_SUCH_TOKEN is not set"):
        driver_of(tmp_path, FILES, machine)
