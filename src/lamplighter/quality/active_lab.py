"""ActiveLab: which row a further answer would do most good, labelled or not."""

from __future__ import annotations

import numpy as np

from lamplighter.arrays import F64
from lamplighter.quality.answers import Answers
from lamplighter.quality.crowdlab import Trust, crowdlab, evidence, opinions


def labelled_scores(answers: Answers, proba: F64, *, seed: int = 0) -> F64:
    """Give each answered row how sure its label is, (n,) float64 in (0, 1]; lowest first to be asked again.

    With CROWDLAB's weights and votes v_ij, Y_i its consensus and w the mean weight of annotators:

        (w_M p_i[Y_i] + sum_j w_j v_ij[Y_i] + w / C) / (w_M + sum_j w_j + w).

    That is CROWDLAB's confidence if one more annotator answered by chance: a row with many votes moves
    less than one with few. Unlabelled rows have scores on the same scale: `unlabelled_scores`.

    Parameters and errors as for `crowdlab`.

    References
    ----------
    Goh and Mueller 2023, "ActiveLab: Active learning with re-labeling by multiple annotators",
    doi:10.48550/arXiv.2301.11856.
    """
    found = crowdlab(answers, proba, seed=seed)
    opinion, known = opinions(proba, (len(answers.ids), len(answers.classes)))
    weighed, total = evidence(answers, opinion, known, found.trust)
    own = np.take_along_axis(weighed, found.consensus.label[:, None].astype(np.int64), axis=1)[:, 0]
    mean = found.trust.mean
    scores: F64 = (own + mean / len(answers.classes)) / (total + mean)
    return scores


def unlabelled_scores(proba: F64, trust: Trust) -> F64:
    """Give rows that nobody answered their score, (n,) float64: (w_M max_c p_c + w / C) / (w_M + w).

    Parameters
    ----------
    proba
        (n, C) calibrated probabilities. O(n C).
    trust
        CROWDLAB's weights, from the answered rows.

    Raises
    ------
    ModelError
        For probabilities that do not sum to 1 within 1e-3.
    """
    opinion, _ = opinions(proba, (len(proba), proba.shape[1]))
    scores: F64 = (trust.model * opinion.max(axis=1) + trust.mean / proba.shape[1]) / (
        trust.model + trust.mean
    )
    return scores
