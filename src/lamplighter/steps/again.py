"""Again: answered rows that go back for one more annotator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter import label_quality, rng, tables, votes
from lamplighter.arrays import I64, RowIds
from lamplighter.labelers import is_automated
from lamplighter.labelers.base import Status
from lamplighter.quality.answers import Answers
from lamplighter.quality.relabel import relabel
from lamplighter.rounds import CollectDone, SelectDone
from lamplighter.standing import READERS, Standing


@dataclass(frozen=True, eq=False)
class Again:
    """Rows to be asked about once more: ids (k,), and the votes on each, (k,) int64, left out or not."""

    ids: RowIds
    answered: I64

    def __len__(self) -> int:
        return len(self.ids)


def again_rows(standing: Standing, rows: int) -> Again:
    """Pick the answered rows that go back for one more annotator, in a batch of so many rows."""
    quality, done = standing.driver.campaign.quality, standing.current(CollectDone)
    nothing = Again(tables.empty_ids(standing.integer_ids), np.empty(0, np.int64))
    if quality is None or quality.relabel is None or done.consensus is None:
        return nothing
    judged = tables.from_parquet(standing.read(done.consensus))
    if judged.column("certainty").null_count:
        return nothing  # relabel came into the campaign file after this round was collected
    everybody = Answers.read(standing.annotations, standing.driver.campaign.classes)
    may = _may_go_back(standing, everybody)
    answers = everybody.without(_left_out(standing))
    answers = answers.of_rows(tables.is_in(answers.ids, may))
    certainty = judged.column("certainty").to_numpy()[tables.positions(answers.ids, tables.ids_of(judged))]
    wanted, budget = quality.relabel, math.floor(quality.relabel.share * rows)
    lost = _without_label(standing, everybody, may, wanted.most)[:budget]
    picked = relabel(
        answers,
        np.asarray(certainty, np.float64),
        budget - len(lost),
        seed=standing.driver.campaign.seed,
        round=standing.number,
        enough=wanted.enough,
        most=wanted.most,
    )
    ids = pa.concat_arrays([lost, answers.ids.take(pa.array(picked))])
    # Also who is left out has seen the row: one more person is one more than all of them.
    return Again(ids, everybody.per_row[tables.positions(ids, everybody.ids)])


def _left_out(standing: Standing) -> list[str]:
    found = label_quality.newest(standing)
    return [person.name for person in found[1].annotators if person.left_out] if found else []


def _may_go_back(standing: Standing, answers: Answers) -> RowIds:
    """Give the rows that were asked, have votes, and wait for no answer that was asked for before."""
    gold = [standing.driver.gold.ids] if standing.driver.gold else []
    others = pa.concat_arrays([_further_awaited(standing, answers), _first_awaited(standing), *gold])
    wanted = tables.is_in(answers.ids, standing.asked.standing) & ~tables.is_in(answers.ids, others)
    return answers.ids.filter(pa.array(wanted))


def _without_label(standing: Standing, answers: Answers, may: RowIds, most: int) -> RowIds:
    """Give the rows on which only people voted who are left out: without another answer they are lost."""
    lost = tables.is_in(answers.ids, may) & ~tables.is_in(answers.ids, standing.labels.ids)
    ids = answers.ids.filter(pa.array(lost & (answers.per_row < most)))
    draws = rng.row_hash(ids, rng.key(standing.driver.campaign.seed, standing.number, "relabel"))
    return ids.take(pa.array(np.argsort(draws, kind="stable")))


def _further_awaited(standing: Standing, answers: Answers) -> RowIds:
    """Give the rows that went back before, and have no more votes than they had then."""
    if not standing.extras:
        return tables.empty_ids(standing.integer_ids)
    sent = pa.concat_tables([table.select(["id", "purpose", "answered"]) for table in standing.extras])
    sent = sent.filter(pc.equal(sent.column("purpose"), "again"))
    ids = tables.ids_of(sent)
    still = _among(ids, answers.ids, answers.per_row) <= sent.column("answered").to_numpy()
    return ids.filter(pa.array(still))


def _first_awaited(standing: Standing) -> RowIds:
    """Give the rows that not all people of their batch have answered or skipped.

    To ask one more person now would be to ask somebody twice who has only not got to it.
    """
    heard, times = _heard(standing)
    parts = [
        ids.filter(pa.array(_among(ids, heard, times) < people)) for ids, people in _first_asked(standing)
    ]
    return tables.concat_ids(parts, standing.integer_ids)


def _first_asked(standing: Standing) -> Iterator[tuple[RowIds, I64]]:
    """Give the rows of each batch, and how many people each went to."""
    each, done = standing.driver.labeler.answers_per_row, standing.steps(SelectDone)
    with ThreadPoolExecutor(READERS) as readers:
        for table in readers.map(lambda d: tables.from_parquet(standing.read(d.batch)), done):
            ids, people = tables.ids_of(table), np.full(len(table), each, np.int64)
            if "annotators" in table.column_names:
                people = table.column("annotators").fill_null(each).to_numpy().astype(np.int64)
            yield ids, people


def _heard(standing: Standing) -> tuple[RowIds, I64]:
    """Give the answered rows, and how many have answered or skipped each; a machine's answer is enough."""
    table = votes.newest_with(standing.annotations, Status.LABELLED, Status.ABSTAINED)
    names = table.column("labeler").unique().to_pylist()
    machines = pa.array([name for name in names if is_automated(name)], pa.string())
    by_machine = np.asarray(pc.is_in(table.column("labeler"), value_set=machines))
    ids, row = tables.encoded(tables.ids_of(table))
    times = np.bincount(row, minlength=len(ids))
    times[row[by_machine]] = np.iinfo(np.int64).max
    return ids, times


def _among(ids: RowIds, known: RowIds, number: Any) -> I64:
    """Give each id its number among the known ones: (n,) int64, 0 for a stranger."""
    place = tables.positions(ids, known)
    found = np.zeros(len(ids), np.int64)
    found[place >= 0] = number[place[place >= 0]]
    return found
