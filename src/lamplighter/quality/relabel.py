"""Which answered rows to ask one more annotator about."""

from __future__ import annotations

import numpy as np

from lamplighter import rng
from lamplighter.arrays import F64, I64, Bools
from lamplighter.errors import LabelError
from lamplighter.quality import parameters
from lamplighter.quality.answers import Answers


def relabel(
    answers: Answers, scores: F64, budget: int, *, seed: int, round: int, enough: float = 2 / 3, most: int = 5
) -> I64:
    """Pick the rows whose labels a further answer may settle, worst first.

    Disputed rows come first (`disputed`), then the others; each by ascending score, equal scores by a
    keyed hash of the row id, so that neither place nor time favours a row. A row with `most` votes is
    asked no more: annotators who disagree five times will go on to.

    Parameters
    ----------
    answers
        a votes on n rows. O(n (C + log n)) time, 40 n bytes.
    scores
        (n,) how sure each label is: `active_lab.labelled_scores`, or the confidence of a consensus
        where there is no model yet.
    budget
        Rows to pick, at least 0; all that may be asked if there are fewer.
    seed, round
        Key the hash.
    enough
        The share of the votes that settles a row, in [0, 1].
    most
        Votes after which a row is left alone, at least 1.

    Returns
    -------
    (k,) int64 positions in `answers.ids`, distinct.

    Raises
    ------
    ConfigError
        For a parameter out of range.
    LabelError
        For scores of another length, or that are no numbers.
    """
    parameters.whole("budget", budget, 0)
    parameters.share("enough", enough)
    parameters.whole("most", most, 1)
    if scores.shape != (len(answers.ids),) or np.isnan(scores).any():
        raise LabelError(
            f"scores of shape {scores.shape} with {np.isnan(scores).sum()} NaN for {len(answers.ids)} rows; "
            "allowed: a number per answered row, in the order of the ids"
        )
    draws = rng.row_hash(answers.ids, rng.key(seed, round, "relabel"))
    order = np.lexsort((draws, scores, ~disputed(answers, enough)))
    return np.asarray(order[answers.per_row[order] < most][:budget], np.int64)


def disputed(answers: Answers, enough: float) -> Bools:
    """Say which rows are tied between classes, or whose first class has less than `enough` of the votes."""
    counts = answers.counts
    most = counts.max(axis=1, keepdims=True, initial=0)
    tied = np.count_nonzero(counts == most, axis=1) > 1
    return np.asarray(tied | (most[:, 0] < enough * answers.per_row - 1e-9))
