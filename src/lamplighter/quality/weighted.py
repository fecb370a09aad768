"""Weighted majority: annotators count by how often they agree with the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F64, I32
from lamplighter.quality import parameters
from lamplighter.quality.answers import Answers
from lamplighter.quality.consensus import Consensus
from lamplighter.quality.majority import majority

#: An annotator's skill starts from that of all, held by so many votes.
PRIOR_VOTES = 4.0


@dataclass(frozen=True, eq=False)
class Weighted:
    """A weighted consensus.

    Attributes
    ----------
    consensus
        The label of each row; the probability of a class is its share of the weights.
    skill
        (A,) float64 share of each annotator's votes that agree with it.
    weight
        (A,) float64 what a vote of each annotator counts.
    """

    consensus: Consensus
    skill: F64
    weight: F64


def weighted(answers: Answers, *, seed: int = 0, steps: int = 10) -> Weighted:
    """Repeat majority with votes that weigh what their annotators' agreement is worth.

    From the majority on, until the labels stay, with S_j the rows that j shares with others:

        s_j = (4 s + sum_(i in S_j) [j agrees on i]) / (4 + |S_j|),   s the same share over all votes
        w_j = max(0, (C s_j - 1) / (C - 1))

    That is 1 for the faultless and nothing for who guesses. Rows of which nobody has a weight keep
    their shares of the votes. Unlike `dawid_skene` it has one number per annotator, so it works with
    few votes; but it cannot make use of somebody who errs in one way.

    Parameters
    ----------
    answers
        a votes of A annotators on n rows. O(a + n C) time a step, 24 n C bytes.
    seed
        The campaign's seed; it decides ties.
    steps
        At most so many, at least 1.

    Raises
    ------
    ConfigError
        For fewer than one step.

    References
    ----------
    Li and Yu 2014, "Error rate bounds and iterative weighted majority voting for crowdsourcing",
    arXiv:1411.4086, has C s_j - 1; the prior, shared rows alone, and no weight below 0 are ours.
    """
    parameters.whole("steps", steps, 1)
    found = Weighted(majority(answers, seed=seed), np.empty(0), np.ones(len(answers.annotators)))
    for _ in range(steps):
        last = found.consensus.label
        skill = _skill(answers, last)
        weight = np.maximum(0.0, _above_chance(skill, len(answers.classes)))
        found = Weighted(_vote(answers, weight, seed), skill, weight)
        if np.array_equal(found.consensus.label, last):
            break
    return found


def wawa(answers: Answers, *, seed: int = 0) -> Weighted:
    """Weigh each vote by its annotator's agreement with the majority: worker agreement with aggregate.

    One step, w_j = s_j = the share of all of j's votes that agree with the majority, as the crowd
    platforms define it. O(a + n C) time, 24 n C bytes.
    """
    agrees = majority(answers, seed=seed).label[answers.row] == answers.label
    skill = answers.per_annotator(agrees) / np.maximum(1, answers.per_annotator(np.ones(len(answers))))
    return Weighted(_vote(answers, skill, seed), skill, skill)


def _skill(answers: Answers, label: I32) -> F64:
    agrees = (label[answers.row] == answers.label) & answers.shared
    overall = agrees.sum() / answers.shared.sum() if answers.shared.any() else 1.0
    shared = answers.per_annotator(answers.shared)
    skill: F64 = (answers.per_annotator(agrees) + PRIOR_VOTES * overall) / (shared + PRIOR_VOTES)
    return skill


def _above_chance(skill: F64, classes: int) -> F64:
    return (classes * skill - 1) / (classes - 1) if classes > 1 else np.ones(len(skill))


def _vote(answers: Answers, weight: F64, seed: int) -> Consensus:
    weighed = answers.weighed(weight[answers.annotator])
    total = weighed.sum(axis=1, keepdims=True)
    shares = answers.counts / answers.per_row[:, None]
    return Consensus.of(answers, np.divide(weighed, total, out=shares, where=total > 0), seed=seed)
