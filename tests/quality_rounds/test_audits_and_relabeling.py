"""A route draws rows for audit, and `relabel` sends others to people: two ways that must not be mixed up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamplighter.awaited import audited_rows
from lamplighter.driver import Driver, open_driver
from lamplighter.rounds import CollectDone
from lamplighter.standing import Standing
from lamplighter.steps.sampled import sent_again
from tests.campaigns import write_campaign
from tests.labelers import rules
from tests.quality_rounds.crews import quality_of, rounds

MACHINE = {"name": "function", "params": {"path": "tests.labelers.rules:guess_fruit"}}
FILES = {"name": "files", "params": {}}


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Write a pool; give what each of its rows is, which the machine knows of six in seven."""
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    return rules.learn_fruit(tmp_path)


def driver_of(folder: Path, audit: float) -> Driver:
    labeler = {"name": "route", "params": {"labelers": [MACHINE, FILES], "audit": audit}}
    told: dict[str, Any] = {"labeler": labeler, "quality": {"relabel": {"share": 0.4}}}
    told |= {"strategy": "random", "evaluation": {"holdout": 20}, "batch_size": 50}
    return open_driver(write_campaign(folder, **told))


def sheets(driver: Driver) -> dict[str, list[int]]:
    """Give the rows of each file that went to people, the oldest file first."""
    keys = sorted(driver.store.list("labeling/out/"))
    return {key: [json.loads(line)["id"] for line in driver.store.get(key).splitlines()] for key in keys}


def drawn(driver: Driver) -> set[int]:
    """Give the audited rows, by what people got: a machine's label was taken, and people were sent them."""
    standing = Standing(driver, driver.history())
    said = standing.annotations.to_pylist()
    taken = {row["id"] for row in said if (row["labeler"], row["status"]) == ("function", "labelled")}
    by_machines = [ids for key, ids in sheets(driver).items() if "-people-0" not in key]
    return taken & {row for ids in by_machines for row in ids}


def answer(driver: Driver, truth: dict[int, str], rows: list[int]) -> None:
    lines = [json.dumps({"id": row, "label": truth[row], "annotator": "ann"}) + "\n" for row in rows]
    driver.store.put("labeling/in/ann.jsonl", "".join(lines).encode())


def sent_back(standing: Standing) -> set[int]:
    return {row for _, table in sent_again(standing) for row in table.column("id").to_pylist()}


def test_a_row_that_a_person_is_to_look_at_goes_to_nobody_else_meanwhile(
    tmp_path: Path, truth: dict[int, str]
) -> None:
    driver = driver_of(tmp_path, audit=0.5)
    standing = rounds(driver, 3)
    audited = drawn(driver)
    assert len(audited) > 12
    assert set(audited_rows(standing).to_pylist()) == audited
    assert len(sent_back(standing)) > 12  # what no person was drawn for does go back
    assert not audited & sent_back(standing)
    asked = [row for ids in sheets(driver).values() for row in ids]
    assert len(asked) == len(set(asked))
    # Once they have said what they think, or that they do not know, these rows may go back as any others.
    answer(driver, truth, [row for row in asked if row not in sent_back(standing)])
    assert audited & sent_back(rounds(driver, 2))


def test_confirmed_are_the_rows_that_the_route_drew(tmp_path: Path, truth: dict[int, str]) -> None:
    driver = driver_of(tmp_path, audit=0.3)
    for _ in range(4):
        rounds(driver, 1)
        answer(driver, truth, [row for ids in sheets(driver).values() for row in ids])
    standing = rounds(driver, 1)
    audited = drawn(driver) & heard_of(standing)
    right = sum(rules.guess(row) == truth[row] for row in audited)
    found = quality_of(standing)
    assert found.confirmed is not None
    assert (found.confirmed.n, found.confirmed.value) == (len(audited), right / len(audited))
    overruled = [row for row in standing.annotations.to_pylist() if row["status"] == "withdrawn"]
    assert len(overruled) > len(audited) + 20  # others were compared with people too: those that went back


def heard_of(standing: Standing) -> set[int]:
    return {row["id"] for row in standing.annotations.to_pylist() if row["annotator"] == "ann"}


def test_a_person_s_later_look_at_a_machine_s_label_is_no_audit(
    tmp_path: Path, truth: dict[int, str]
) -> None:
    driver = driver_of(tmp_path, audit=0.0)
    rounds(driver, 2)
    standing = Standing(driver, driver.history())
    taken = [row["id"] for row in standing.annotations.to_pylist() if row["status"] == "labelled"]
    answer(driver, truth, [row for row in taken if rules.guess(row) != truth[row]])
    found = quality_of(rounds(driver, 1))
    assert found.confirmed is None
    assert standing.steps(CollectDone)[-1].quality is not None
