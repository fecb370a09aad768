"""CROWDLAB: the model votes too, with the weight that it earns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import F64, I32, Bools
from lamplighter.errors import ModelError
from lamplighter.quality.answers import Answers
from lamplighter.quality.consensus import Consensus

#: Nobody weighs less: who is worse than always saying the largest class is not turned around.
LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Trust:
    """How far to believe whom.

    Attributes
    ----------
    annotator
        (A,) float64 weights w_j.
    model
        Weight w_M.
    right
        P, the chance that a vote is for the true class.
    """

    annotator: F64
    model: float
    right: float

    @property
    def mean(self) -> float:
        """The weight of an annotator yet to be asked."""
        return float(self.annotator.mean()) if len(self.annotator) else 1.0


@dataclass(frozen=True, eq=False)
class Crowdlab:
    """A model-assisted consensus, and the weights that made it."""

    consensus: Consensus
    trust: Trust


def crowdlab(answers: Answers, proba: F64, *, seed: int = 0) -> Crowdlab:
    """Join votes and a model's probabilities in one weighted mean.

    With J_i the annotators of row i, I+ the rows with two votes or more, y_ij the votes, p_i the
    model's probabilities, and Y_i the majority (ties go to the class the model prefers):

        P   = mean over I+ of the share of J_i that says Y_i
        s_j = share of the other votes on j's rows that agree with j
        a_M = share of I+ where argmax p_i = Y_i,   a_0 = the same for the class with most votes
        w_j = 1 - (1 - s_j) / (1 - a_0),   w_M = (1 - (1 - a_M) / (1 - a_0)) sqrt(mean |J_i|)

        proba_i = (w_M p_i + sum_(j in J_i) w_j v_ij) / (w_M + sum_(j in J_i) w_j)

    where v_ij has P at y_ij and (1 - P) / (C - 1) elsewhere. Weights are at least 1e-6. An annotator
    who shares no row has the mean weight of those who do. Where no row is shared, nothing tells one
    from another: everybody and the model weigh 1, and P is the share of the votes that the model agrees
    with, at least 1 / C.

    These are the paper's weights. cleanlab 2.9 estimates them a second time from the consensus that they
    made, where the model is judged by labels it voted for, and takes for a_0 the class with most labels.

    The model must not have seen the labels of the rows it judges, or it repeats them: give
    out-of-fold probabilities, calibrated.

    Parameters
    ----------
    answers
        a votes of A annotators on n rows. O(a + n C) time, 48 n C bytes.
    proba
        (n, C) the model's probabilities, rows as in `answers.ids`; a row of NaN where it has no opinion
        (features that are missing): there the votes decide alone.
    seed
        The campaign's seed; it decides ties.

    Raises
    ------
    ModelError
        For probabilities of another shape, or that do not sum to 1 within 1e-3.

    References
    ----------
    Goh, Tkachenko and Mueller 2022, "CROWDLAB: Supervised learning to infer consensus labels and
    quality scores for data with multiple annotators", doi:10.48550/arXiv.2210.06812.
    """
    opinion, known = opinions(proba, (len(answers.ids), len(answers.classes)))
    found = trust(answers, opinion, known, seed=seed)
    weighed, total = evidence(answers, opinion, known, found)
    return Crowdlab(Consensus.of(answers, weighed / total[:, None], seed=seed), found)


def opinions(proba: F64, shape: tuple[int, int]) -> tuple[F64, Bools]:
    """Check a model's probabilities: give them, adding up to 1 or 0 for NaN, and (n,) which rows have any."""
    if proba.shape != shape:
        raise ModelError(
            f"probabilities of shape {proba.shape}; allowed: {shape}, a row per row, a column per class"
        )
    known: Bools = ~np.asarray(np.isnan(proba).all(axis=1))
    checked = np.where(known[:, None], proba, 0.0).astype(np.float64)
    with np.errstate(invalid="ignore"):
        wrong = known & ~((np.abs(checked.sum(axis=1) - 1) <= 1e-3) & (checked >= 0).all(axis=1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ModelError(
            f"probabilities of row {row} are {proba[row].tolist()}; allowed: numbers from 0 that sum to 1, "
            "or NaN in the whole row where the model has no opinion"
        )
    return checked / np.where(known, checked.sum(axis=1), 1.0)[:, None], known


def trust(answers: Answers, opinion: F64, known: Bools, *, seed: int) -> Trust:
    """Weigh annotators and the model; parameters as `opinions` gives them, formulas as in `crowdlab`."""
    shared = answers.per_row > 1
    if not shared.any():
        right = opinion.argmax(axis=1)[answers.row] == answers.label
        judged = right[known[answers.row]]
        # A vote must never speak against its class, however bad the model is.
        agrees = max(float(judged.mean()), 1 / len(answers.classes)) if len(judged) else 1.0
        return Trust(np.ones(len(answers.annotators)), 1.0, agrees)
    # Less than one vote together, the probabilities decide between tied classes only.
    majority = Consensus.of(
        answers, (answers.counts + opinion / 2) / answers.per_row[:, None], seed=seed
    ).label
    largest = int(answers.counts.sum(axis=0).argmax())
    chance_error = max(LEAST, 1 - float(np.mean(majority[shared] == largest)))
    judged = shared & known
    right = opinion.argmax(axis=1)[judged] == majority[judged]
    model_error = 1 - float(right.mean()) if len(right) else 1.0
    return Trust(
        annotator=_annotator_weights(answers, chance_error),
        model=float(max(LEAST, 1 - model_error / chance_error) * np.sqrt(answers.per_row.mean())),
        right=_share_of_majority(answers, majority, shared),
    )


def _share_of_majority(answers: Answers, majority: I32, shared: Bools) -> float:
    rows = np.flatnonzero(shared)
    return float(np.mean(answers.counts[rows, majority[rows]] / answers.per_row[rows]))


def _annotator_weights(answers: Answers, chance_error: float) -> F64:
    others = answers.per_row[answers.row] - 1
    agreeing = answers.counts[answers.row, answers.label] - 1
    met = answers.per_annotator(others.astype(np.float64))
    agreement = answers.per_annotator(agreeing.astype(np.float64)) / np.maximum(1, met)
    weight: F64 = np.maximum(LEAST, 1 - (1 - agreement) / chance_error)
    return np.where(met > 0, weight, weight[met > 0].mean())


def evidence(answers: Answers, opinion: F64, known: Bools, found: Trust) -> tuple[F64, F64]:
    """Give the weighted sums of all probabilities, (n, C), and the sums of the weights, (n,)."""
    classes = len(answers.classes)
    other = (1 - found.right) / max(1, classes - 1)
    weighed = answers.weighed(found.annotator[answers.annotator])
    of_votes = weighed.sum(axis=1)
    weighed *= found.right - other
    weighed += (other * of_votes)[:, None] + found.model * opinion
    return weighed, of_votes + found.model * known
