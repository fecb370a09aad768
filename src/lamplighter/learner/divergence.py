"""How far each member of a committee is from the mean of all.

KL(p_m || q) = sum_c p_mc (ln p_mc - ln q_c), with q the mean of the members' probabilities p_m.
"""

from __future__ import annotations

import numpy as np

from lamplighter.arrays import F32

_TINY = np.finfo(np.float32).tiny


def divergences(proba: F32) -> F32:
    """Give KL(p_m || q) of (M, C, n) probabilities, n >= 2: (M, n) float32 in nats, not negative."""
    return from_decisions(proba, _logarithm(proba, np.empty_like(proba)), np.float32(0))


def from_decisions(proba: F32, decisions: F32, log_totals: F32 | np.float32) -> F32:
    """Give the same where a softmax made the probabilities: one logarithm a class instead of M + 1.

    Parameters
    ----------
    proba
        (M, C, n) float32 softmax of the decisions. Classes must not be contiguous, or n be 1: sums over
        them would run in another order.
    decisions
        (M, C, n) float32 with ln p_mc = decisions - log_totals; finite, overwritten.
    log_totals
        (M, n) float32 logarithm of the sum over classes of the decisions' exponentials.
    """
    mean = np.add.reduce(proba, axis=0)
    mean *= np.float32(1 / len(proba))
    np.subtract(decisions, _logarithm(mean, mean), out=decisions)
    np.multiply(decisions, proba, out=decisions)
    found = np.add.reduce(decisions, axis=1)
    found -= log_totals
    return np.asarray(np.maximum(found, np.float32(0), out=found))


def _logarithm(proba: F32, out: F32) -> F32:
    """Fill and give logarithms; adding a tiny number, lost on any but 0, keeps 0 ln 0 = 0."""
    np.add(proba, _TINY, out=out)
    return np.asarray(np.log(out, out=out))
