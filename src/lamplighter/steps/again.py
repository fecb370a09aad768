"""Again: answered rows that go back for one more annotator."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lamplighter import label_quality, rng, tables
from lamplighter.arrays import I64, RowIds
from lamplighter.awaited import heard
from lamplighter.quality.answers import Answers
from lamplighter.quality.relabel import relabel
from lamplighter.rounds import CollectDone
from lamplighter.standing import Standing

_GOLDEN_RATIO = (1 + 5**0.5) / 2


@dataclass(frozen=True, eq=False)
class Again:
    """Rows to be asked about once more.

    Attributes
    ----------
    ids
        (k,) row ids.
    answered
        (k,) int64 people who have answered or skipped each, left out or not.
    """

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
    found, wanted = heard(standing.annotations), quality.relabel
    may = _may_go_back(standing, everybody, _among(everybody.ids, found.ids, found.people), wanted.most)
    answers = everybody.without(_left_out(standing))
    answers = answers.of_rows(tables.is_in(answers.ids, may))
    certainty = judged.column("certainty").to_numpy()[tables.positions(answers.ids, tables.ids_of(judged))]
    budget = _rounded(standing, wanted.share * rows)
    lost = _without_label(standing, may)[:budget]
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
    # Also who skipped, or is left out, has seen the row: one more person is one more than all of them.
    return Again(ids, _among(ids, found.ids, found.people))


def _rounded(standing: Standing, rows: float) -> int:
    """Round up in some rounds and down in others, so that small batches send back their share too.

    The thresholds are the multiples of the golden ratio, which lie evenly over any run of rounds.
    """
    first = rng.generator(standing.driver.campaign.seed, 0, "relabel").random()
    return math.floor(rows + (first + standing.number * _GOLDEN_RATIO) % 1)


def _left_out(standing: Standing) -> list[str]:
    found = label_quality.newest(standing)
    return [person.name for person in found[1].annotators if person.left_out] if found else []


def _may_go_back(standing: Standing, answers: Answers, seen_by: I64, most: int) -> RowIds:
    """Give the rows that were asked, have votes, are not seen by enough, and wait for nobody's answer.

    To ask one more person while one is awaited would be to ask somebody twice who has only not got to it.
    """
    gold = [standing.driver.gold.ids] if standing.driver.gold else []
    others = pa.concat_arrays([standing.awaited.ids, *gold])
    wanted = tables.is_in(answers.ids, standing.asked.standing) & ~tables.is_in(answers.ids, others)
    # A skip counts as seen, or a row that everybody skips would go back for ever.
    return answers.ids.filter(pa.array(wanted & (seen_by < most)))


def _without_label(standing: Standing, may: RowIds) -> RowIds:
    """Give the rows on which only people voted who are left out: without another answer they are lost."""
    ids = may.filter(pa.array(~tables.is_in(may, standing.labels.ids)))
    draws = rng.row_hash(ids, rng.key(standing.driver.campaign.seed, standing.number, "relabel"))
    return ids.take(pa.array(np.argsort(draws, kind="stable")))


def _among(ids: RowIds, known: RowIds, number: I64) -> I64:
    """Give each id its number among the known ones: (n,) int64, 0 for a stranger."""
    place = tables.positions(ids, known)
    found = np.zeros(len(ids), np.int64)
    found[place >= 0] = number[place[place >= 0]]
    return found
