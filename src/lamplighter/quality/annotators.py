"""How good each annotator is: on gold rows, against the others, and by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter import tables
from lamplighter.arrays import F64, Bools
from lamplighter.evaluation import wilson
from lamplighter.quality import parameters
from lamplighter.quality.answers import Answers
from lamplighter.quality.lead_times import LeadTimes, lead_times
from lamplighter.rounds import Estimate
from lamplighter.votes import Labels


@dataclass(frozen=True)
class AnnotatorQuality:
    """One annotator.

    Attributes
    ----------
    name
        As in the annotation table.
    votes
        Rows voted on.
    gold
        Share right of the gold rows voted on; None where there is none.
    agreement
        Share that agrees with the majority of the others, of the compared rows that others voted on too;
        None where there is none.
    median_lead_time_s
        None where no lead time is known.
    fast, slow
        Votes whose lead time is an outlier among all votes.
    """

    name: str
    votes: int
    gold: Estimate | None
    agreement: Estimate | None
    median_lead_time_s: float | None
    fast: int
    slow: int


@dataclass(frozen=True)
class Verdict:
    """An annotator who is, with 97.5% confidence, worse than the bound."""

    name: str
    measure: str  #: "gold" or "agreement"
    share: Estimate
    bound: float

    def __str__(self) -> str:
        of = "gold rows right" if self.measure == "gold" else "rows in agreement with the other annotators"
        s = self.share
        return (
            f"annotator '{self.name}' has {s.value:.1%} of {s.n:,} {of} "
            f"(95% interval {s.low:.1%} to {s.high:.1%}), below the bound of {self.bound:.1%}"
        )


def annotator_quality(
    answers: Answers, gold: Labels | None = None, *, compared: Answers | None = None
) -> tuple[AnnotatorQuality, ...]:
    """Measure every annotator, in order of their names; shares with Wilson's 95% interval.

    Gold accuracy is honest where gold rows are chosen at random and look like others. Agreement is a
    substitute that blames the one who is right against a wrong majority.

    Parameters
    ----------
    answers
        a votes of A annotators on n rows. O(a + n C) time, 32 n C bytes.
    gold
        Rows whose label is known, whether or not anybody has voted on them.
    compared
        The votes on which agreement is measured, where that are not all. Who was asked because others
        disagreed agrees with half of them, however good; without such votes agreement is honest.
    """
    right, is_gold = _right_on_gold(answers, gold)
    times = lead_times(answers.lead_time_s)
    votes = answers.per_annotator(np.ones(len(answers)))
    goods = _shares(answers, right, is_gold)
    agreements = _agreements(answers if compared is None else compared)
    fast, slow = (answers.per_annotator(outlier) for outlier in (times.fast, times.slow))
    medians = _medians(answers, times)
    return tuple(
        AnnotatorQuality(
            name, int(votes[j]), goods[j], agreements.get(name), medians[j], int(fast[j]), int(slow[j])
        )
        for j, name in enumerate(answers.annotators)
    )


def agreement_with_others(answers: Answers) -> F64:
    """Say of each vote whether the majority of the other votes on its row agrees: (a,) float64 in [0, 1].

    Where t classes tie among the others, agreeing with one of them counts 1/t: what a tie broken at
    random would bring. 0 where nobody else voted (see `Answers.shared`).
    """
    counts, row = answers.counts, answers.row
    most = counts.max(axis=1, keepdims=True, initial=0)
    lower = np.where(counts == most, -1, counts)
    rival = lower.max(axis=1, initial=-1)
    rivals = np.count_nonzero(lower == rival[:, None], axis=1)
    own = counts[row, answers.label]
    # Without the own vote its class can lead or tie only if with it it led alone.
    leads = (own == most[row, 0]) & (np.count_nonzero(counts == most, axis=1)[row] == 1)
    agrees = np.where(own - 1 > rival[row], 1.0, np.where(own - 1 == rival[row], 1 / (rivals[row] + 1), 0.0))
    return np.where(answers.shared & leads, agrees, 0.0)


def below(
    annotators: Sequence[AnnotatorQuality], bound: float, *, agreement_bound: float | None = None
) -> tuple[Verdict, ...]:
    """Name the annotators whose interval lies below a bound, in their order, each once.

    An annotator is named by gold rows if the interval of their accuracy ends below `bound`, and else
    by agreement if that ends below `agreement_bound` (None: never by agreement). Few answers have a
    wide interval, so nobody is named by bad luck on a handful of rows.

    Raises
    ------
    ConfigError
        For a bound outside [0, 1].
    """
    parameters.share("bound", bound)
    if agreement_bound is not None:
        parameters.share("agreement_bound", agreement_bound)
    verdicts = []
    for a in annotators:
        if a.gold and a.gold.high < bound:
            verdicts.append(Verdict(a.name, "gold", a.gold, bound))
        elif a.agreement and agreement_bound is not None and a.agreement.high < agreement_bound:
            verdicts.append(Verdict(a.name, "agreement", a.agreement, agreement_bound))
    return tuple(verdicts)


def excluding(answers: Answers, verdicts: Sequence[Verdict]) -> Answers:
    """Leave out the votes of those who were named, and the rows that nobody else voted on."""
    return answers.without([v.name for v in verdicts])


def _right_on_gold(answers: Answers, gold: Labels | None) -> tuple[F64, Bools]:
    """Say of each vote whether it is right (a,) float64, and whether that is known (a,) bool."""
    if gold is None or not len(gold):
        return np.zeros(len(answers)), np.zeros(len(answers), bool)
    place = tables.positions(answers.ids, gold.ids)[answers.row]
    return (gold.label[place] == answers.label).astype(np.float64), place >= 0


def _agreements(answers: Answers) -> dict[str, Estimate | None]:
    found = _shares(answers, agreement_with_others(answers), answers.shared)
    return dict(zip(answers.annotators, found, strict=True))


def _shares(answers: Answers, score: F64, counted: Bools) -> list[Estimate | None]:
    """Give each annotator's share of the counted votes, with its interval."""
    sums, sizes = answers.per_annotator(np.where(counted, score, 0.0)), answers.per_annotator(counted)
    return [_share(float(s), int(n)) for s, n in zip(sums, sizes, strict=True)]


def _share(successes: float, n: int) -> Estimate | None:
    if not n:
        return None
    successes = min(successes, n)  # thirds may add up to a little more
    low, high = wilson(successes, n)
    return Estimate(value=successes / n, low=low, high=high, n=n)


def _medians(answers: Answers, times: LeadTimes) -> list[float | None]:
    order = np.argsort(answers.annotator, kind="stable")
    edges = np.searchsorted(answers.annotator[order], np.arange(1, len(answers.annotators)))
    found = []
    for votes in np.split(order, edges)[: len(answers.annotators)]:
        known = answers.lead_time_s[votes[times.known[votes]]]
        found.append(float(np.median(known)) if len(known) else None)
    return found
