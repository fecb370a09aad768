"""Pick rows that cover a sample of rows: greedy maximisation of facility location.

With s+ a similarity from 0 to 1, R a sample (the reference) and L rows that cover already (the labelled)::

    f(S) = sum over r in R of  max over s in L + S of s+(r, s)  -  the same sum for L alone

is monotone and submodular: the gain of a row only falls as S grows, so that an old gain is a bound, and

    max over |T| <= k of f(T)  <=  f(S) + the sum of the k largest gains given S, for any S.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.arrays import F64, I64
from lamplighter.strategies._similarity import Sites

#: Rows that float32 may leave undecided; of more, only the first are looked at closer.
UNDECIDED = 64

#: Promising rows at first; they double where a look at all rows gives no more picks than this.
_PROMISING, _FEW = 512, 2

#: Similarities of promising rows that are kept: 128 MiB.
_KEPT = 2**25


@dataclass(frozen=True, eq=False)
class Covering:
    """What was picked.

    Attributes
    ----------
    positions
        (k,) int64, in the order of the picks.
    value
        f of the picks.
    bound
        No k rows have a larger f.
    covered
        (R,) float64 similarity of each reference row to the nearest pick or row of L.
    """

    positions: I64
    value: float
    bound: float
    covered: F64

    @property
    def certificate(self) -> float:
        """The share of the best possible f that this has at least; 1 where next to nothing is possible."""
        # Less than that can be rounding, of which the bound allows for a little with each pick.
        possible = self.bound > 2e-5 * len(self.covered)
        return min(self.value / self.bound, 1.0) if possible else 1.0

    def of(self, rows: I64) -> Covering:
        """Give the same with positions among all rows, for picks among `rows`."""
        return replace(self, positions=rows[self.positions])


def lazy(sites: Sites, k: int) -> Covering:
    """Pick the row with the largest gain, the first of equals, again and again: f >= (1 - 1/e) of the best.

    The gains of a few promising rows are kept up to date, for as long as the bounds of all others lie
    below; then all are brought up to date, on those columns of the reference that are covered better
    than when they were last looked at. Rows that float32 cannot tell apart are compared in float64.

    At most m R D operations for every such look at all rows: a handful, whatever k. Memory: similarities
    of the promising rows, at most 128 MiB, and a block. Minoux 1978, doi:10.1007/BFb0006528.

    Parameters
    ----------
    sites
        m rows and the reference.
    k
        Picks, at most m.
    """
    state = _Lazy(sites, k)
    while len(state.positions) < k:
        state.look()
        state.pick_some()
    state.look()
    return state.covering(state.bound)


def stochastic(sites: Sites, k: int, epsilon: float, generator: np.random.Generator) -> Covering:
    """Pick the row with the largest gain of (m / k) ln(1 / epsilon) rows drawn anew for each pick.

    The expected f is at least 1 - 1/e - epsilon of the best. O(m R D ln(1 / epsilon)) operations, whatever
    k. Memory: a block. Mirzasoleiman et al. 2015, Lazier Than Lazy Greedy, doi:10.1609/aaai.v29i1.9486.
    """
    state = _Greedy(sites)
    left, every = np.arange(len(sites.x)), np.arange(len(sites.reference))
    size = int(np.ceil(len(left) / max(k, 1) * -np.log(epsilon)))
    for _ in range(k):
        at = (
            np.arange(len(left)) if size >= len(left) else np.unique(generator.integers(len(left), size=size))
        )
        rows = np.sort(left[at])
        row = int(rows[sites.gains(rows, every, state.covered).argmax()])
        state.take(row)
        left = np.delete(left, np.searchsorted(left, row))
    return state.covering(state.value + float(largest_gains(sites, state.covered, k).sum()))


def largest_gains(sites: Sites, covered: F64, k: int) -> F64:
    """Give the k largest gains (or all) where the reference is covered so: float64, rounded up."""
    gains = sites.gains(None, np.arange(len(covered)), covered)
    return top(gains, k) + _rounding(gains, len(covered))


def top(gains: F64, k: int) -> F64:
    """Give the k largest of gains, or all, in no order."""
    rest = max(len(gains) - k, 0)
    largest: F64 = np.partition(gains, rest)[rest:] if rest else gains
    return largest


def _rounding(gains: F64, columns: int) -> float:
    """Bound the error of sums of `columns` float32 terms that come to `gains`, measured with room."""
    return float(4 * np.finfo(np.float32).eps * (gains.max(initial=0) + np.sqrt(columns)))


class _Greedy:
    """What is picked so far, and what that covers."""

    def __init__(self, sites: Sites) -> None:
        self.sites, self.covered = sites, sites.covered.copy()
        self.positions: list[int] = []
        self.value = 0.0

    def take(self, row: int) -> None:
        """Pick a row."""
        better = np.maximum(self.sites.exact(row), self.covered)
        self.value += float((better - self.covered).sum())
        self.covered = better
        self.positions.append(row)

    def covering(self, bound: float) -> Covering:
        """Give the picks."""
        return Covering(np.array(self.positions, np.int64), self.value, bound, self.covered)


class _Lazy(_Greedy):
    """The gain of every row as of the last look at all of them; -1 where picked."""

    def __init__(self, sites: Sites, k: int) -> None:
        super().__init__(sites)
        self.k, self.bound, self.promising = k, np.inf, _PROMISING
        self.most = max(min(len(sites.x) // 16, _KEPT // max(len(sites.reference), 1)), _PROMISING)
        self.seen, self.gain = self.covered, self._all_gains()

    def look(self) -> None:
        """Bring the gains of all rows up to date, and the bound."""
        changed = np.flatnonzero(self.covered > self.seen)
        if 2 * len(changed) > len(self.seen):  # also ends the rounding of earlier sums
            self.gain = self._all_gains()
        elif len(changed):
            floor = self.seen[changed]
            self.gain -= self.sites.gains(None, changed, floor, self.covered[changed] - floor)
        self.seen = self.covered
        self.gain[self.positions] = -1
        gains = np.maximum(top(self.gain, self.k), 0) + self.slack
        self.bound = min(self.bound, self.value + float(gains.sum()))

    def _all_gains(self) -> F64:
        gains = self.sites.gains(None, np.arange(len(self.covered)), self.covered)
        self.slack = _rounding(gains, len(self.covered))
        return gains

    def pick_some(self) -> None:
        """Pick while no row outside the promising ones can be the best; at least once."""
        before = len(self.positions)
        if self.gain.max() <= self.slack:  # nothing is left to cover: in order
            rest = np.setdiff1d(np.arange(len(self.gain)), self.positions)
            for row in rest[: self.k - before].tolist():
                self.take(row)
            return
        _Promising(self).run()
        if len(self.positions) - before <= _FEW:
            self.promising = min(2 * self.promising, self.most)


class _Promising:
    """The rows with the largest gains, with their similarities to the whole reference."""

    def __init__(self, state: _Lazy) -> None:
        self.state, gain = state, state.gain
        near = np.flatnonzero(gain >= gain.max() - 2 * state.slack)[:UNDECIDED]
        most = max(min(state.promising, len(gain)), 1)
        self.at = np.union1d(near, np.argpartition(gain, len(gain) - most)[len(gain) - most :])
        self.gain = gain[self.at]
        outside = np.ones(len(gain), np.bool_)
        outside[self.at] = False
        self.bar = float(gain.max(initial=-1, where=outside))
        # One reference row after another: picks change a few of them.
        self.similar = state.sites.similar_to(self.at)

    def run(self) -> None:
        """Pick while the best gain cannot be below that of any other row."""
        state, first = self.state, True
        while len(state.positions) < state.k:
            least = float(self.gain.max()) - 2 * state.slack
            if not first and least <= max(self.bar, 0):
                return
            self._pick(self._decided(np.flatnonzero(self.gain >= least)[:UNDECIDED]))
            first = False

    def _decided(self, near: I64) -> int:
        """Give the row whose gain is the largest in float64, the first of equals."""
        if len(near) == 1:
            return int(near[0])
        covered, exact = self.state.covered, self.state.sites.exact
        gains = np.array([np.maximum(exact(row) - covered, 0).sum() for row in self.at[near].tolist()])
        return int(near[np.flatnonzero(gains >= gains.max() - 1e-12 * len(covered))[0]])

    def _pick(self, row: int) -> None:
        before = self.state.covered
        self.state.take(int(self.at[row]))
        changed = np.flatnonzero(self.state.covered > before)
        floor = before[changed].astype(np.float32)[:, None]
        most = (self.state.covered - before)[changed].astype(np.float32)[:, None]
        terms = self.similar[changed]
        terms -= floor
        np.minimum(np.maximum(terms, 0, out=terms), most, out=terms)
        self.gain -= terms.sum(axis=0)
        self.gain[row] = -1
