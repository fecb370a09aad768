"""What is asked for becomes a plan: its key, where runs end, and what is refused before the first one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.planning import make_plan
from lamplighter.backtest.running import backtest, setting
from lamplighter.errors import ConfigError, LabelError, TooFewClasses, UnknownName
from tests.backtest.asking import driver_of, relabel, request
from tests.backtest.fakes import realistic


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"seed": 12}, {}),
        ({"batch_size": 19}, {}),
        ({"learner": "sklearn.naive_bayes.GaussianNB"}, {}),
        ({"cold_start": "random"}, {}),
        ({"strategy": {"name": "power_margin", "params": {"beta": 2.0}}}, {}),
        ({}, {"test_share": 0.4}),
        ({}, {"rounds": 4}),
    ],
)
def test_what_enters_into_a_run_enters_into_the_key(
    folder: Path, changes: dict[str, Any], asked: dict[str, Any]
) -> None:
    usual = make_plan(driver_of(folder), request(folder)).folder
    assert make_plan(driver_of(folder, **changes), request(folder, **asked)).folder != usual


def test_other_labels_enter_into_the_key(folder: Path) -> None:
    usual = make_plan(driver_of(folder), request(folder)).folder
    truth = pq.read_table(folder / "truth.parquet")
    pq.write_table(truth.slice(1), folder / "truth.parquet")
    assert make_plan(driver_of(folder), request(folder)).folder != usual


def test_the_name_of_an_outcome_is_one_that_a_file_can_have(folder: Path) -> None:
    plan = make_plan(driver_of(folder), request(folder))
    picker = plan.pickers["margin"]
    many = [{f"a/b {i}": picker for i in range(n)} for n in (1, 40, 41)]
    one, more, most = (replace(plan, pickers=pickers).outcome_folder.split("/", 2)[2] for pickers in many)
    assert one == "a%2Fb%200+random-2-seeds"
    assert len(more) == len(most) == 120
    assert more != most


Refused = tuple[dict[str, Any], dict[str, Any], type[Exception], str]
REFUSED: list[Refused] = [
    ({}, {"strategies": ("margn",)}, UnknownName, "did you mean 'margin'"),
    ({}, {"strategies": ("margin", "vote_entropy")}, ConfigError, "'vote_entropy' needs a committee"),
    ({"cold_start": "vote_entropy"}, {}, ConfigError, "cold_start: strategy 'vote_entropy' needs committee"),
    ({"learner": "sklearn.linear_model.LogisticRegresion"}, {}, ConfigError, "LogisticRegression"),
    ({}, {"rounds": 1}, ConfigError, "ends with the start set, a batch of 20"),
    ({}, {"rounds": None, "labels_per_run": 20}, ConfigError, "give more than 20 labels"),
    ({"batch_size": 71}, {}, LabelError, "200 labelled rows are too few: 60 are for the test, and the"),
    ({}, {"test_share": 0.9}, LabelError, "a smaller test share"),
    ({"labeler": "simulatd"}, {}, UnknownName, "did you mean 'simulated'"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[3])
def test_what_is_refused_before_the_first_run(folder: Path, case: Refused) -> None:
    changes, asked, error, said = case
    driver = driver_of(folder, **changes)
    with pytest.raises(error, match=said):
        backtest(driver, request(folder, **asked))
    assert driver.store.list("") == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"seeds": 0}, "seeds is 0"),
        ({"test_share": 0.0}, "between 0 and 1"),
        ({"test_share": float("nan")}, "between 0 and 1"),
        ({"labels_per_run": 60}, "not both"),
        ({"rounds": 0}, "give a positive number"),
    ],
)
def test_requests_that_make_no_sense(folder: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        request(folder, **asked)


def test_a_split_that_leaves_one_class_to_choose_from(folder: Path) -> None:
    relabel(folder, ["pear"] * 199 + ["plum"])
    with pytest.raises(TooFewClasses, match=r"split of seed \d+ all rows to choose from are of one class"):
        make_plan(driver_of(folder), request(folder, seeds=20))


@pytest.mark.parametrize(
    ("asked", "labels"),
    [
        ({"rounds": None}, 60),  # half of the 140 rows to choose from
        ({"rounds": 3}, 60),
        ({"rounds": None, "labels_per_run": 50}, 50),
        ({"rounds": 100}, 140),
    ],
)
def test_where_a_run_ends(folder: Path, asked: dict[str, Any], labels: int) -> None:
    assert make_plan(driver_of(folder), request(folder, **asked)).labels == labels


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"rounds": 200},
            "Runs end with 140 labels instead of 200 rounds of 20 rows: there are no more",
        ),
        ({"rounds": None, "labels_per_run": 141}, "Runs end with 140 labels instead of 141 labels: there"),
        ({"rounds": 7}, ""),
        ({"rounds": None}, ""),
    ],
)
def test_a_run_that_ends_with_the_last_row_says_so(folder: Path, asked: dict[str, Any], said: str) -> None:
    plan = make_plan(driver_of(folder), request(folder, **asked))
    notices = setting(plan).notices
    assert len(notices) == bool(said)
    assert "".join(notices).startswith(said)
    assert Outcome.of(setting(plan), realistic(1)).notices[: len(notices)] == list(notices)
