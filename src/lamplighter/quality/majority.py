"""Majority: every annotator counts alike."""

from __future__ import annotations

import numpy as np

from lamplighter.quality.answers import Answers
from lamplighter.quality.consensus import Consensus

#: What Dawid and Skene's model needs: votes on the median row, and votes of the median annotator.
MEDIAN_VOTES, MEDIAN_ANSWERS = 3, 50


def majority(answers: Answers, *, seed: int = 0) -> Consensus:
    """Take the class with most votes; its probability is its share of the votes.

    The labels are those of `votes.consensus`. One vote has confidence 1: nothing speaks against
    it, nothing else speaks for it.

    Parameters
    ----------
    answers
        a votes on n rows. O(a + n C) time, 16 n C bytes.
    seed
        The campaign's seed; it decides ties.
    """
    return Consensus.of(answers, answers.counts / answers.per_row[:, None], seed=seed)


def preferred(answers: Answers, *, votes: float = MEDIAN_VOTES, each: int = MEDIAN_ANSWERS) -> str:
    """Say which method the votes can carry: "dawid_skene" or "majority".

    Confusion matrices of annotators can be told from errors of their neighbours only where rows have
    several votes, and annotators many: from a median of `votes` a row, and `each` votes of the median
    annotator. With fewer, EM drifts to an explanation that gives many rows one class. No method wins on
    all data below or above (Zheng and others 2017,
    doi:10.14778/3055540.3055547).
    """
    if not len(answers):
        return "majority"
    many = np.bincount(answers.annotator)
    enough = np.median(answers.per_row) >= votes and np.median(many) >= each
    return "dawid_skene" if enough else "majority"
