"""The budget holds, whatever a row brings: several answers, gold rows beside it, one more later on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.driver import open_driver
from lamplighter.expense import Expense
from lamplighter.label_sections import QualityConfig
from lamplighter.rounds import RoundRecord
from lamplighter.standing import Standing
from lamplighter.steps.perform import run_round
from lamplighter.stopping.base import Stop
from tests.campaigns import write_campaign, write_pool
from tests.labelers import rules
from tests.quality_rounds.crews import batches, crew, rounds, write_gold

FILES = {"name": "files", "params": {}}
GOOD = {"ann": 1.0, "bob": 1.0, "cid": 0.4, "dee": 1.0}
GOLD = {"gold": {"url": "gold.parquet", "share": 0.3}}
TWICE = {"overlap": {"share": 1.0, "annotators": 2}}
SOMETIMES = {"overlap": {"share": 0.2, "annotators": 4}}
RELABEL = {"relabel": {"share": 0.4}}


@pytest.mark.parametrize(
    ("quality", "labeler"),
    [
        (TWICE, {}),
        (SOMETIMES | GOLD, {"delay_rounds": 2}),
        (RELABEL, {"annotators": 2, "noise": 0.3, "delay_rounds": 1}),
        (SOMETIMES | GOLD | RELABEL, {"annotators": 2, "noise": 0.3, "abstain": 0.2}),
    ],
    ids=["overlap", "overlap-gold-late", "relabel-twice-late", "everything"],
)
def test_no_more_labels_are_paid_than_the_budget_has(
    tmp_path: Path, quality: dict[str, Any], labeler: dict[str, Any]
) -> None:
    write_pool(tmp_path, rows=300)
    write_gold(tmp_path)
    driver = crew(
        tmp_path,
        quality,
        GOOD,
        labeler={"name": "simulated", "params": {"labels": str(tmp_path / "truth.parquet"), **labeler}},
        budget={"labels": 150},
        evaluation={"holdout": 15},
        strategy="random",
        batch_size=30,
    )
    done: list[RoundRecord] = []
    while isinstance(record := run_round(driver), RoundRecord):
        done.append(record)
    paid = done[-1].collect.annotations_total
    assert 150 - driver.expense.at_most(1) < paid <= 150
    assert record.rule == "budget"


def test_no_more_labels_are_paid_with_audits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine answers six rows in seven, and half of these go to people, who answer a round later."""
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    rules.learn_fruit(tmp_path)
    machine = {"name": "function", "params": {"path": "tests.labelers.rules:guess_fruit"}}
    people = {"name": "simulated", "params": {"labels": str(tmp_path / "truth.parquet")}}
    told: dict[str, Any] = {
        "labeler": {"name": "route", "params": {"labelers": [machine, people], "audit": 0.5}},
        "budget": {"labels": 150},
        "evaluation": {"holdout": 15},
        "strategy": "random",
        "batch_size": 60,
    }
    driver = open_driver(write_campaign(tmp_path, **told))
    done: list[RoundRecord] = []
    while isinstance(record := run_round(driver), RoundRecord):
        done.append(record)
    assert 148 < done[-1].collect.annotations_total <= 150
    assert record.rule == "budget"


def test_answers_that_are_out_are_spent(tmp_path: Path) -> None:
    """One person answers at once, the other when all is sent: 100 labels are asked for, and 100 paid."""
    driver = crew(tmp_path, TWICE, GOOD, labeler=FILES, budget={"labels": 100}, batch_size=20)
    for _ in range(5):
        rounds(driver, 1)
        answer(driver, "ann")
    assert rounds(driver, 1).awaited.total == 50
    answer(driver, "bob")
    stopped = rounds(driver, 1).history.records[-1]
    assert stopped.collect.annotations_total == 100
    assert stopped.stop is not None
    assert stopped.stop.rule == "budget"
    assert isinstance(run_round(driver), Stop)


def test_a_skipped_row_gives_its_label_back_to_the_budget(tmp_path: Path) -> None:
    driver = crew(tmp_path, None, GOOD, labeler=FILES, budget={"labels": 50}, batch_size=20)
    rounds(driver, 2)
    answer(driver, "ann", label="__skip__")
    standing = rounds(driver, 1)
    assert standing.history.records[-1].collect.annotations_total == 0
    assert standing.awaited.total == 20


def test_a_corrected_answer_is_paid_once(tmp_path: Path) -> None:
    driver = crew(tmp_path, None, GOOD, labeler=FILES, budget={"cost": 50, "cost_per_label": 0.5})
    rounds(driver, 1)
    for label in ("apple", "pear", "apple"):
        answer(driver, "ann", label=label)
        record = rounds(driver, 1).history.records[-1]
        assert record.collect.new_annotations > 0
        assert (record.collect.annotations_total, record.collect.cost) == (60, 30.0)


def answer(driver: Any, person: str, label: str = "apple") -> None:
    """Let somebody answer the first sixty rows that were sent."""
    sent = [row.id for batch in batches(Standing(driver, driver.history())) for row in batch.rows][:60]
    said = [json.dumps({"id": row, "label": label, "annotator": person}) for row in sent]
    driver.store.put(f"labeling/in/{person}.jsonl", "\n".join(said).encode())


expenses = st.builds(
    lambda each, more, overlap, gold, audit: Expense(each, each + more, overlap, gold, audit),
    st.integers(1, 3),
    st.integers(0, 3),
    st.floats(0, 1),
    st.sampled_from([0.0, 0.05, 0.5, 0.99]),
    st.sampled_from([0.0, 0.0, 0.05, 1.0]),
)


@given(expenses, st.integers(-5, 2000))
def test_what_is_affordable_is_the_most_that_surely_is(expense: Expense, labels: int) -> None:
    rows = expense.affordable(labels)
    assert rows == 0 or expense.at_most(rows) <= labels
    assert labels < expense.at_most(rows + 1)


@given(expenses, st.integers(-5, 2000))
def test_what_fits_is_the_most_that_does(expense: Expense, places: int) -> None:
    rows = expense.fitting(places)
    assert rows == 0 or expense.sent(rows) <= places
    assert places < expense.sent(rows + 1)


@given(expenses, st.integers(0, 500))
def test_a_batch_costs_no_less_than_without_draws_and_no_more_than_with_all_drawn(
    expense: Expense, rows: int
) -> None:
    sent = expense.sent(rows)
    most = sent * (expense.several + (expense.audit > 0))
    assert sent * expense.each <= expense.at_most(rows) <= most


@pytest.mark.parametrize(
    ("quality", "each", "one", "hundred"),
    [
        (None, 1, 1, 100),
        (None, 3, 3, 300),
        ({"overlap": {"share": 1, "annotators": 2}}, 1, 2, 200),
        ({"overlap": {"share": 1, "annotators": 2}}, 3, 3, 300),
        ({"gold": {"url": "g", "share": 0.05}}, 2, 4, 210),
        # Of 100 rows, 10 are to be expected; more than 35 come in less than one of 10^9 batches.
        ({"overlap": {"share": 0.1, "annotators": 2}}, 1, 2, 132),
    ],
)
def test_what_rows_cost(quality: dict[str, Any] | None, each: int, one: int, hundred: int) -> None:
    expense = Expense.of(QualityConfig.model_validate(quality) if quality else None, each)
    assert (expense.at_most(0), expense.at_most(1), expense.at_most(100)) == (0, one, hundred)


def test_what_audits_cost() -> None:
    assert [Expense.of(None, 1, audit=1.0).at_most(rows) for rows in (0, 1, 100)] == [0, 2, 200]
    # Of 100 rows, 10 are to be expected.
    assert Expense.of(None, 1, audit=0.1).at_most(100) == 132
    assert Expense.of(None, 3, audit=0.1).at_most(100) == 332
