"""Dawid and Skene's model: each annotator has a confusion matrix, found by EM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.arrays import F64
from lamplighter.quality import parameters
from lamplighter.quality.answers import Answers
from lamplighter.quality.consensus import Consensus


@dataclass(frozen=True, eq=False)
class DawidSkene:
    """What EM found.

    Attributes
    ----------
    consensus
        The label of each row and its posterior.
    confusion
        (A, C, C) float64: how often annotator j says c of a row that is t, at [j, t, c]; sums to 1
        over c.
    prior
        (C,) float64 shares of the classes.
    objective
        Log posterior density of the parameters, up to a constant, at each step; never falls.
    converged
        Whether it stopped before the last allowed step.
    """

    consensus: Consensus
    confusion: F64
    prior: F64
    objective: tuple[float, ...]
    converged: bool


@dataclass(frozen=True, eq=False)
class _Parameters:
    """Logarithms: (C,) of the prior, (A * C said, C true) of the confusion matrices."""

    prior: F64
    said: F64


def dawid_skene(
    answers: Answers,
    *,
    seed: int = 0,
    smoothing: float | None = None,
    steps: int = 100,
    tolerance: float = 1e-6,
) -> DawidSkene:
    """Find the labels and every annotator's confusion matrix together.

    With prior p and confusion matrices e_j[t, c], EM starts from the shares of the votes as q and
    repeats, with s the smoothing:

        M:  p[t] ~ s + sum_i q_i[t],   e_j[t, c] ~ s + sum_(i: j says c) q_i[t]
        E:  q_i[t] ~ p[t] prod_(votes (j, c) on i) e_j[t, c]

    This climbs sum_i log sum_t p[t] prod e_j[t, c] + s (sum log p + sum log e), the likelihood with a
    Dirichlet prior, and ends when a step brings less than `tolerance` a vote. Sums are in the log
    domain, so that a row with a thousand votes has a posterior.

    Posteriors are as sure as if annotators erred independently, thus surer than they should be. Where
    most rows have one vote, it is likeliest that one class explains all, so that right labels are lost: see
    `majority.preferred`, which campaigns obey.

    Parameters
    ----------
    answers
        a votes of A annotators on n rows. O(C (a + n + A C)) time a step; 8 (3 n C + 3 A C^2 + 3 a)
        bytes.
    seed
        The campaign's seed; it decides ties.
    smoothing
        s > 0; 1/C, one vote spread over the classes, if None.
    steps
        At most so many, at least 1.
    tolerance
        In nats a vote, above 0.

    Raises
    ------
    ConfigError
        For a parameter out of range.

    References
    ----------
    Dawid and Skene 1979, doi:10.2307/2346806; Dempster, Laird and Rubin 1977, section 3, for the
    prior, doi:10.1111/j.2517-6161.1977.tb01600.x.
    """
    s = 1 / max(1, len(answers.classes)) if smoothing is None else smoothing
    _check(s, steps, tolerance)
    votes = answers.votes
    belief = answers.counts / answers.per_row[:, None]
    found, objective = _maximise(votes, belief, s), [-np.inf]
    while True:
        belief, likelihood = _expect(votes, found)
        objective.append(likelihood + s * float(found.prior.sum() + found.said.sum()))
        converged = objective[-1] - objective[-2] <= tolerance * len(answers)
        if converged or len(objective) > steps:
            break
        found = _maximise(votes, belief, s)
    return DawidSkene(
        Consensus.of(answers, belief, seed=seed),
        np.exp(_cube(found.said)).transpose(0, 2, 1),
        np.exp(found.prior),
        tuple(objective[1:]),
        bool(converged),
    )


def _check(smoothing: float, steps: int, tolerance: float) -> None:
    parameters.positive("smoothing", smoothing)
    parameters.whole("steps", steps, 1)
    parameters.positive("tolerance", tolerance)


def _maximise(votes: Any, belief: F64, smoothing: float) -> _Parameters:
    """Give the most probable parameters for what is believed of each row, (n, C)."""
    said = _cube(votes.T @ belief + smoothing)
    said /= said.sum(axis=1, keepdims=True)
    prior = belief.sum(axis=0) + smoothing
    return _Parameters(np.log(prior / prior.sum()), np.log(said).reshape(-1, belief.shape[1]))


def _expect(votes: Any, found: _Parameters) -> tuple[F64, float]:
    """Give what is to be believed of each row, (n, C), and the log-likelihood of all votes."""
    belief: F64 = votes @ found.said
    belief += found.prior
    most = belief.max(axis=1, keepdims=True, initial=-np.inf)
    belief -= most
    np.exp(belief, out=belief)
    total = belief.sum(axis=1, keepdims=True)
    belief /= total
    return belief, float(np.sum(np.log(total)) + np.sum(most))


def _cube(said: F64) -> F64:
    """Look at (A * C, C) as (A, C said, C true)."""
    classes = said.shape[1]
    return said.reshape(-1, classes, classes)
