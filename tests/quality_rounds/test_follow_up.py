"""Rows that wait: refreshed, taken back when they wait too long or nobody wants them, asked again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lamplighter import tables
from lamplighter.driver import open_driver
from lamplighter.errors import ConfigError, LabelerError
from lamplighter.rounds import DispatchDone, ScoreDone
from lamplighter.status import status
from lamplighter.steps import follow_up
from lamplighter.summary import summarise
from tests.campaigns import write_campaign, write_pool
from tests.quality_rounds.crew_labeler import Crew, read
from tests.quality_rounds.crews import batches, crew, rounds

GOOD = {"ann": 0.95}


def first_rows(folder: Path, number: int = 6, **changes: Any) -> list[int]:
    """Give some rows of the first batch, beside the holdout, of a campaign that is run nowhere else."""
    standing = rounds(crew(folder, None, GOOD, store="elsewhere", **changes), 1)
    return [int(r.id) for r in batches(standing)[0].rows if r.purpose == "seed"][:number]


def test_waiting_rows_show_what_the_newest_model_says(tmp_path: Path) -> None:
    silent = first_rows(tmp_path)
    standing = rounds(crew(tmp_path, None, GOOD, crew={"silent": silent}), 3)
    ticket = standing.tickets["crew"][0]
    note = read(ticket.batch, standing.driver.desk(standing.integer_ids))
    done = standing.steps(ScoreDone)[-1]
    assert done.waiting is not None
    seen = tables.from_parquet(standing.read(done.waiting))
    said = dict(zip(seen.column("id").to_pylist(), seen.column("predicted").to_pylist(), strict=True))
    assert set(silent) <= said.keys()
    assert {row: note[str(row)]["predicted"] for row in silent} == {row: said[row] for row in silent}
    assert standing.steps(DispatchDone)[-1].refreshed == len(said)
    proba = tables.matrix(seen.column("proba"))
    assert [standing.driver.campaign.classes[c] for c in proba.argmax(axis=1)] == seen[
        "predicted"
    ].to_pylist()


def test_refreshing_can_be_switched_off(tmp_path: Path) -> None:
    silent = first_rows(tmp_path)
    driver = crew(tmp_path, None, GOOD, crew={"silent": silent}, waiting={"refresh": False})
    assert [done.refreshed for done in rounds(driver, 3).steps(DispatchDone)] == [0, 0, 0]


@pytest.mark.parametrize("then", ["ask_again", "drop"])
def test_rows_that_wait_too_long_are_taken_back(tmp_path: Path, then: str) -> None:
    silent = first_rows(tmp_path, batch_size=200)
    waiting = {"expire_after_days": 1e-9, "then": then}
    driver = crew(tmp_path, None, GOOD, crew={"silent": silent}, waiting=waiting, batch_size=200)
    standing = rounds(driver, 3)
    assert [done.withdrawn_rows for done in standing.steps(DispatchDone)][:2] == [0, len(silent)]
    asked_later = {int(row.id) for row in batches(standing)[2].rows}
    # The second batch took all that was left; the third can only hold what came back.
    assert asked_later == (set(silent) if then == "ask_again" else set())
    assert standing.outstanding == len(asked_later)


def test_without_patience_set_rows_wait_for_ever(tmp_path: Path) -> None:
    silent = first_rows(tmp_path)
    standing = rounds(crew(tmp_path, None, GOOD, crew={"silent": silent}), 3)
    assert [done.withdrawn for done in standing.steps(DispatchDone)] == [None, None, None]
    assert tables.is_in(follow_up.waiting_ids(standing), tables.as_ids(silent)).sum() == len(silent)


def test_rows_that_the_model_no_longer_wants_are_taken_back(tmp_path: Path) -> None:
    silent = first_rows(tmp_path, 12, batch_size=16)
    driver = crew(
        tmp_path,
        None,
        GOOD,
        crew={"silent": silent},
        waiting={"unwanted": "withdraw"},
        batch_size=16,
        strategy="margin",
    )
    standing = rounds(driver, 2)
    done = standing.steps(ScoreDone)[-1]
    assert done.waiting is not None
    seen = tables.from_parquet(standing.read(done.waiting))
    wanted = np.asarray(seen.column("wanted"))
    unwanted = {i for i, w in zip(seen.column("id").to_pylist(), wanted, strict=True) if not w}
    withdrawn = standing.steps(DispatchDone)[-1]
    assert withdrawn.withdrawn_rows == len(unwanted)
    assert 0 < len(unwanted) <= len(silent)
    # What is wanted is what the strategy would have had to choose from.
    short = tables.from_parquet(standing.read(done.shortlist))
    assert done.wanted is not None
    lowest = sorted(short.column("score").to_pylist(), reverse=True)[done.wanted - 1]
    model_says = dict(zip(seen.column("id").to_pylist(), margins(seen), strict=True))
    assert all(model_says[i] < lowest for i in unwanted)
    assert all(model_says[i] >= lowest for i in set(model_says) - unwanted)


def margins(seen: Any) -> list[float]:
    proba = np.sort(tables.matrix(seen.column("proba")), axis=1)
    return [float(m) for m in 1 - (proba[:, -1] - proba[:, -2])]


def test_a_labeler_that_gives_nothing_back_is_not_asked_to(tmp_path: Path) -> None:
    write_pool(tmp_path)
    path = write_campaign(tmp_path, waiting={"expire_after_days": 3})
    with pytest.raises(ConfigError, match="labeler 'simulated' cannot take rows back"):
        open_driver(path)


def test_a_rounds_summary_and_the_status_agree_on_what_waits(tmp_path: Path) -> None:
    silent = first_rows(tmp_path, batch_size=200)
    waiting = {"expire_after_days": 1e-9}
    gold = {"gold": {"url": "gold.parquet"}}
    driver = crew(tmp_path, gold, GOOD, crew={"silent": silent}, waiting=waiting, batch_size=200)
    for number in (1, 2):
        standing = rounds(driver, 1)
        told = summarise("fruit", standing.history.records[number - 1])
        assert told.outstanding == status(driver)["outstanding"]


def test_guesses_that_cannot_be_refreshed_keep_no_batch_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> int:
        raise LabelerError("the server refuses")

    monkeypatch.setattr(Crew, "refresh", fail)
    silent = first_rows(tmp_path)
    standing = rounds(crew(tmp_path, None, GOOD, crew={"silent": silent}), 3)
    assert [done.refreshed for done in standing.steps(DispatchDone)] == [0, 0, 0]
    assert standing.steps(DispatchDone)[-1].rows == 20
    assert "keep the predictions of an earlier model: the server refuses" in caplog.text


def test_a_row_whose_only_answer_was_taken_back_waits_again(tmp_path: Path) -> None:
    standing = rounds(crew(tmp_path, None, GOOD), 2)
    answer = standing.annotations.slice(0, 1)
    at = answer.column_names.index("status")
    back = answer.set_column(at, "status", pa.array(["withdrawn"]))
    later = answer.column("round")[0].as_py() + 1
    back = back.set_column(back.column_names.index("round"), "round", pa.array([later], pa.int32()))
    row = answer.column("id")[0].as_py()
    after = replace(standing, fresh=back.cast(answer.schema))
    assert row in standing.answered_ids.to_pylist()
    assert row not in after.answered_ids.to_pylist()
    assert after.outstanding == standing.outstanding + 1
