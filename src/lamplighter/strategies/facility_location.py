"""Facility location: a batch of uncertain rows to which all uncertain rows are similar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from lamplighter.arrays import F32, F64, I64
from lamplighter.strategies._coverage import Covering, largest_gains, lazy, stochastic, top
from lamplighter.strategies._doubt import doubt, made_of, require_doubt
from lamplighter.strategies._similarity import Sites, covered_by, median_distance, unit
from lamplighter.strategies.base import Block, Choice, Context, Output, Shortlist, Strategy, require
from lamplighter.strategies.geometry import comparable

#: Rows of the reference for each row of the batch, at least, and at most, unless told. With few for each
#: pick, the picks cover these very rows, and the shortlist no better than random rows do.
_EACH, _LEAST, _MOST = 5, 2000, 20_000


@dataclass(frozen=True)
class FacilityLocation(Strategy):
    """Pick uncertain rows such that every uncertain row is similar to one of them.

    The shortlist holds the oversample * k most uncertain rows. With R a random sample of it (all of it,
    where it is small), L the labelled rows and s+ a similarity from 0 to 1, the batch S makes this large::

        f(S) = sum over r in R of max over s in L + S of s+(r, s)

        s+(r, s) = max(cos(r, s), 0)                      "cosine"
        s+(r, s) = exp(-|r - s|^2 / (2 width^2))          "rbf", width: the median distance of two rows

    Greedy: the row with the largest gain in f, again and again, equals by their order in the shortlist.
    Over what L alone covers, the batch reaches at least 1 - 1/e of the best possible ("lazy"), or
    1 - 1/e - epsilon of it in expectation ("stochastic", which looks at m ln(1 / epsilon) rows in all). A
    shortlist of more than `part` rows is cut at random, k rows are picked in every part, then the batch
    from these; the best of all these batches counts, and reaches (1 - 1/e) / 2 of the best in expectation
    (RandGreeDi). f is measured on R: its error falls with the root of the number of rows in R.

    The record has a certificate: the part of the best possible f(S) - f({}) that the batch has at least.
    It comes of f(T) <= f(S) + the sum of the k largest gains over S, for any batch T of k rows.

    O(nC) time in the scan. Then about 10 m R D operations ("lazy"), or m R D ln(1 / epsilon)
    ("stochastic"), as matrix products. Memory: a copy of the features, 128 MiB of similarities, a block.
    Wei, Iyer and Bilmes 2015, Submodularity in Data Subset Selection and Active Learning, ICML 37;
    Nemhauser, Wolsey and Fisher 1978, doi:10.1007/BF01588971; Minoux 1978, doi:10.1007/BFb0006528;
    Mirzasoleiman et al. 2015, doi:10.1609/aaai.v29i1.9486; Barbosa et al. 2015, The Power of
    Randomization, doi:10.48550/arXiv.1502.02606.

    Attributes
    ----------
    uncertainty
        "margin", "entropy", "least_confidence"; of a committee "vote_entropy", "soft_vote_entropy",
        "consensus_kl", "max_disagreement".
    oversample
        Rows in the shortlist for each row of the batch.
    similarity
        "cosine", "rbf", or "auto": cosine for an embedding, rbf for columns of a table.
    reference
        Rows of R; None for five for each row of the batch, from 2,000 to 20,000.
    method
        "lazy" or "stochastic".
    epsilon
        Of "stochastic", between 0 and 1.
    part
        The most rows that are chosen from in one piece.
    beyond_labelled
        Whether labelled rows cover, too; else L is empty.
    """

    uncertainty: str = "margin"
    oversample: int = 20
    similarity: str = "auto"
    reference: int | None = None
    method: str = "lazy"
    epsilon: float = 0.05
    part: int = 100_000
    beyond_labelled: bool = True

    def __post_init__(self) -> None:
        require_doubt(self.uncertainty)
        require(self.oversample >= 1, lambda: f"oversample is {self.oversample!r}; allowed: 1 and more")
        require(
            self.similarity in ("auto", "cosine", "rbf"),
            lambda: f"similarity is {self.similarity!r}; allowed: 'auto', 'cosine', 'rbf'",
        )
        require(
            self.reference is None or self.reference >= 1,
            lambda: f"reference is {self.reference!r}; allowed: 1 and more rows, or none to follow the batch",
        )
        require(
            self.method in ("lazy", "stochastic"),
            lambda: f"method is {self.method!r}; allowed: 'lazy', 'stochastic'",
        )
        require(
            0 < self.epsilon < 1, lambda: f"epsilon is {self.epsilon!r}; allowed: between 0 and 1, not these"
        )
        require(self.part >= 1, lambda: f"part is {self.part!r}; allowed: 1 and more rows")

    @property
    def requires(self) -> frozenset[Output]:
        """What the uncertainty is made of, and the features."""
        return frozenset({Output.EMBEDDING, made_of(self.uncertainty)})

    def score(self, block: Block) -> F32:
        """Give the uncertainty: (n,) float32."""
        return doubt(self.uncertainty, block)

    def choose(self, shortlist: Shortlist, context: Context) -> Choice:
        """Pick min(k, m) rows, the one with the largest gain first.

        Records `facility_location_reference`, the rows of R; `facility_location_covered`, f / R, the mean
        similarity of a row to the nearest pick or labelled row; and `facility_location_certificate`.
        """
        m, k = len(shortlist), context.k
        if k >= m:
            return Choice(np.arange(m, dtype=np.int64))
        generator = context.generator("facility_location")
        sites = self._sites(shortlist.embedding, context, generator.permutation(m))
        epsilon = self.epsilon if self.method == "stochastic" else None
        order, pieces = generator.permutation(m), -(-m // max(self.part, 2 * k))
        parts = [np.sort(rows) for rows in np.array_split(order, pieces)]
        found = in_parts(Task(sites, k, epsilon, int(generator.integers(2**63))), parts, over=context.map)
        facts = {
            "facility_location_reference": len(found.covered),
            "facility_location_covered": float(found.covered.mean()),
            "facility_location_certificate": found.certificate,
        }
        return Choice(found.positions, facts=facts)

    def _sites(self, embedding: F32, context: Context, order: I64) -> Sites:
        """Put rows, a reference of the first rows in random order, and labelled rows side by side."""
        labelled = context.labelled if self.beyond_labelled else np.empty((0, 0), np.float32)
        x, labelled = comparable(context, embedding, labelled)
        size = self.reference or min(max(_EACH * context.k, _LEAST), _MOST)
        sample = order[:size]
        angular = self.similarity == "cosine" or (self.similarity == "auto" and context.embedding)
        if angular:
            x, labelled = unit(x), unit(labelled)
        else:
            width = median_distance(x[order[:_LEAST]])
            # An embedding may lie far from 0 against its spread, and products would cancel; the columns of
            # a table are around 0 already.
            mean = x.mean(axis=0, dtype=np.float64) if context.embedding else np.zeros(x.shape[1])
            x, labelled = (_scaled(rows, mean.astype(np.float32), width) for rows in (x, labelled))
        reference = x[np.sort(sample)]
        return Sites(x, reference, covered_by(labelled, reference, angular=angular), angular)


def _scaled(x: F32, shift: F32, width: np.float32) -> F32:
    scaled: F32 = x - shift
    scaled /= width
    return scaled


class Task(NamedTuple):
    """What is picked from, how many, and how: epsilon of the stochastic greedy, None for the lazy one."""

    sites: Sites
    k: int
    epsilon: float | None
    seed: int


def in_parts(task: Task, parts: Sequence[I64], *, over: Callable[..., list[Any]]) -> Covering:
    """Pick k rows in every part, then k of these, and give the best batch of all.

    Parameters
    ----------
    task
        Rows and how to pick.
    parts
        Positions of each part's rows, ascending.
    over
        Maps a function over a list: `Context.map`.
    """
    if len(parts) == 1:
        return pick(task)
    tasks = [_of_rows(task, rows, task.seed + i) for i, rows in enumerate(parts, 1)]
    local: list[Covering] = [found.of(rows) for found, rows in zip(over(pick, tasks), parts, strict=True)]
    union = np.sort(np.concatenate([found.positions for found in local]))
    full = [found for found in local if len(found.positions) == task.k]
    best = max([pick(_of_rows(task, union, task.seed)).of(union), *full], key=lambda found: found.value)
    gains = np.concatenate(over(_gains_of, [(one.sites, best.covered, task.k) for one in tasks]))
    return replace(best, bound=best.value + float(top(gains, task.k).sum()))


def pick(task: Task) -> Covering:
    """Do a task."""
    k = min(task.k, len(task.sites.x))
    if task.epsilon is None:
        return lazy(task.sites, k)
    return stochastic(task.sites, k, task.epsilon, np.random.default_rng(task.seed))


def _of_rows(task: Task, rows: I64, seed: int) -> Task:
    return task._replace(sites=task.sites.part(rows), seed=seed)


def _gains_of(part: tuple[Sites, F64, int]) -> F64:
    return largest_gains(*part)
