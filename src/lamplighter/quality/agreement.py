"""Do annotators agree more than by chance? Krippendorff's alpha, and Cohen's kappa of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter import rng
from lamplighter.arrays import F64, I64
from lamplighter.evaluation.intervals import Z, percentiles
from lamplighter.quality import parameters
from lamplighter.quality.answers import Answers

#: Draws of one bootstrap, at most: about 3 s. Fewer resamples where rows have more patterns of votes.
_DRAWS = 30_000_000
MIN_RESAMPLES = 250


@dataclass(frozen=True)
class Agreement:
    """How far annotators agree on the rows that at least two of them voted on.

    Attributes
    ----------
    alpha
        Krippendorff's; 1 for no disagreement, 0 for chance. None where no row is shared, or all
        votes are for one class: nothing tells agreement from chance.
    low, high
        Its 95% interval over rows; None with alpha.
    observed
        Share of the pairs of votes on one row that agree; None where no row is shared.
    rows, votes
        Shared rows, and votes on them.
    """

    alpha: float | None
    low: float | None
    high: float | None
    observed: float | None
    rows: int
    votes: int


def agreement(answers: Answers, *, seed: int, round: int, resamples: int = 1000) -> Agreement:
    """Give Krippendorff's alpha for nominal data, any votes missing, with a bootstrap interval.

    With n_ic votes on row i for class c, m_i = sum_c n_ic >= 2 (rows with fewer are left out),
    n_c = sum_i n_ic and n = sum_c n_c,

        D_o = 1 - sum_i sum_c n_ic (n_ic - 1) / (m_i - 1) / n
        D_e = 1 - sum_c n_c (n_c - 1) / (n (n - 1))
        alpha = 1 - D_o / D_e,   observed = 1 - D_o.

    The interval resamples rows. Rows of the same counts are alike, so a resample is one multinomial
    draw over the distinct counts; resamples without alpha are left out. So that few rows without a
    disagreement do not look certain, the interval reaches at least as far as the alpha of Wilson's
    upper bound z^2 / (rows + z^2) for the share of disputed rows when none was seen.

    Rows that a strategy picked are hard, so alpha on them is lower than on the pool: give the votes
    on random rows (`Answers.of_rows`) for the number to report. Below .667 conclusions are not to be
    drawn, says Krippendorff; above .8 is good.

    Parameters
    ----------
    answers
        a votes on n rows. O(n C log n + resamples * patterns) time, 16 n C bytes.
    seed, round
        Key the resamples.
    resamples
        At least 1; as few as 250 are drawn where rows have more than 30,000 patterns of votes.

    References
    ----------
    Krippendorff 2011, "Computing Krippendorff's alpha-reliability", repository.upenn.edu/asc_papers/43;
    Hayes and Krippendorff 2007, doi:10.1080/19312450709336664.
    """
    parameters.whole("resamples", resamples, 1)
    shared = answers.counts[answers.per_row > 1]
    rows, votes = len(shared), int(shared.sum())
    if not rows:
        return Agreement(None, None, None, None, 0, 0)
    patterns, often = np.unique(shared, axis=0, return_counts=True)
    found = _disagreements(patterns, often[None].astype(np.float64))
    observed, alpha = 1 - float(found[0][0]), _alphas(*found)
    if not len(alpha):
        return Agreement(None, None, None, observed, rows, votes)
    low, high = _interval(patterns, often, rng.generator(seed, round, "agreement"), resamples)
    faultless = 1 - Z * Z / (rows + Z * Z) / float(found[1][0])
    value = float(alpha[0])
    return Agreement(value, min(low, faultless, value), max(high, value), observed, rows, votes)


def _disagreements(patterns: I64, weights: F64) -> tuple[F64, F64]:
    """Give observed and expected disagreement, (r,) each, of (r, p) weights of (p, C) patterns."""
    votes = patterns.sum(axis=1)
    agreeing = (patterns * (patterns - 1)).sum(axis=1) / (votes - 1)
    per_class, n = weights @ patterns, weights @ votes
    by_chance = (per_class * (per_class - 1)).sum(axis=1) / (n * (n - 1))
    return 1 - (weights @ agreeing) / n, 1 - by_chance


def _alphas(observed: F64, expected: F64) -> F64:
    """Give alpha where there is one: somebody voted for a second class."""
    known = expected > 1e-12
    alphas: F64 = 1 - observed[known] / expected[known]
    return alphas


def _interval(
    patterns: I64, often: I64, generator: np.random.Generator, resamples: int
) -> tuple[float, float]:
    count = max(min(resamples, MIN_RESAMPLES), min(resamples, _DRAWS // len(patterns)))
    block = max(1, 2_000_000 // len(patterns))  # 16 MB of weights
    rows, found = int(often.sum()), []
    for start in range(0, count, block):
        drawn = generator.multinomial(rows, often / rows, size=min(block, count - start))
        found.append(_alphas(*_disagreements(patterns, drawn.astype(np.float64))))
    alphas = np.concatenate(found)
    return percentiles(alphas) if len(alphas) else (1.0, -1.0)


@dataclass(frozen=True)
class Pair:
    """How far two annotators agree on the rows that both voted on.

    kappa is Cohen's, (p_o - p_e) / (1 - p_e); None where both always say the same one class.
    """

    first: str
    second: str
    rows: int
    observed: float
    kappa: float | None


def pairs(answers: Answers) -> list[Pair]:
    """Give the agreement of every two annotators that share a row, in order of their names.

    O(sum_i m_i^2) time for m_i votes on row i; 16 C bytes per pair.

    References
    ----------
    Cohen 1960, doi:10.1177/001316446002000104.
    """
    classes, people = len(answers.classes), len(answers.annotators)
    joint = (answers.votes.T @ answers.votes).tocoo()
    first, one = np.divmod(joint.row.astype(np.int64), max(1, classes))
    second, other = np.divmod(joint.col.astype(np.int64), max(1, classes))
    upper = first < second
    key, pair = np.unique((first * people + second)[upper], return_inverse=True)
    one, other, often = one[upper], other[upper], joint.data[upper]
    rows = np.bincount(pair, often, minlength=len(key))
    observed = np.bincount(pair, often * (one == other), minlength=len(key)) / rows
    margins = [
        np.bincount(pair * classes + said, often, minlength=len(key) * classes).reshape(len(key), classes)
        for said in (one, other)
    ]
    chance = (margins[0] * margins[1]).sum(axis=1) / rows**2
    names = answers.annotators
    return [
        Pair(names[k // people], names[k % people], int(n), float(p), _kappa(float(p), float(e)))
        for k, n, p, e in zip(key.tolist(), rows, observed, chance, strict=True)
    ]


def _kappa(observed: float, chance: float) -> float | None:
    return (observed - chance) / (1 - chance) if chance < 1 else None
