"""A model and its committee scored together: one matrix product for all of them where all are linear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.arrays import F32, I64, Bools
from lamplighter.errors import ModelError
from lamplighter.learner.divergence import divergences, from_decisions
from lamplighter.learner.generic import BLOCK
from lamplighter.learner.linear import LinearForm, LinearScorer
from lamplighter.learner.model import Model
from lamplighter.learner.scoring import NEVER, PANEL, Kernel, Scorer, Tile, tile_rows
from lamplighter.strategies.base import Output

#: float32 numbers in a cache line.
_LINE = 16

#: Multiplications of a product that OpenBLAS counts as small.
_SMALL = 1_000_000

#: Sums of exponentials between which float32 loses nothing that matters.
_SAFE = (1e-20, 1e37)


@dataclass(frozen=True, eq=False)
class CommitteeScorer(Scorer):
    """Gives the main model's outputs, and beside them what M members think and how far they disagree.

    A row counts where it counts for the main model and for every member.

    Attributes
    ----------
    scorers
        The main model's, then the members'.
    forms
        Their linear forms where one product serves all: each is a softmax of linear decisions that
        float32 is enough for. Otherwise empty.
    """

    scorers: tuple[Scorer, ...]
    forms: tuple[LinearForm, ...]

    @classmethod
    def of(cls, main: Model, members: Sequence[Model]) -> CommitteeScorer:
        """Make the scorer of a model and its committee.

        Raises
        ------
        ModelError
            No members, members of other classes or features than the main model, or one that diverged.
        """
        _check(main, members)
        scorers = tuple(model.scorer() for model in (main, *members))
        forms = tuple(s.form for s in scorers if isinstance(s, LinearScorer) and _stacks(s))
        stacked = len(forms) == len(scorers)
        columns = len(scorers) * len(main.classes)
        tile = tile_rows(4 * columns) if stacked else _common_tile(scorers)
        alike = tuple(replace(s, tile=tile) if isinstance(s, LinearScorer) else s for s in scorers)
        served = forms if stacked else ()
        return cls(tile, main.features, len(main.classes), alike, served, layer=scorers[0].layer)

    @property
    def gives(self) -> frozenset[Output]:
        """What the main model gives, and what the committee does."""
        return super().gives | {Output.COMMITTEE, Output.DIVERGENCE}

    def kernel(self, wanted: frozenset[Output]) -> Kernel:
        """Make what scores one tile at a time."""
        return StackedKernel(self, wanted) if self.forms else OneByOneKernel(self, wanted)

    def _array(self, rows: int, name: Output) -> F32:
        members = len(self.scorers) - 1
        if name is Output.COMMITTEE:
            return np.empty((members, self.width, rows), np.float32).transpose(2, 0, 1)
        if name is Output.DIVERGENCE:
            return np.empty((members, rows), np.float32).T
        return super()._array(rows, name)


class StackedKernel:
    """One tile of all models at once: product, bias, softmax, with as few passes as can be.

    The product comes out class-major, straight into place: rows of the pool are the columns of the
    second factor, a panel of them at a time, and the first factor has one row per model and class.

    The exponential is taken of the decision values as they are. `LinearKernel` subtracts a row's largest
    first, which costs two passes and matters only far from 0: rows whose sum of exponentials leaves a
    safe range, and those that are not finite, go through every model's own kernel.

    Divergences are made here of the decision values, at less than half of what probabilities would cost.
    """

    def __init__(self, scorer: CommitteeScorer, wanted: frozenset[Output]) -> None:
        self.scorer, self.wanted = scorer, wanted
        models, columns = len(scorer.forms), len(scorer.forms) * scorer.width
        # Stored the other way round: OpenBLAS then takes the second factor without packing it slowly.
        weights = np.hstack([form.weights for form in scorer.forms]).astype(np.float32)
        self.matrix = np.ascontiguousarray(weights).T
        self.bias = np.concatenate([form.bias for form in scorer.forms]).astype(np.float32)[:, None]
        self.panel = _panel_rows(columns * scorer.features)
        self.x = np.empty((self.panel, scorer.features), np.float32)
        # A cache line more than a power of two: classes would compete for the same places in the cache.
        self.flat = np.empty((columns, scorer.tile + _LINE), np.float32)
        self.decisions = self.flat.reshape(models, scorer.width, -1)
        self.diverges = Output.DIVERGENCE in wanted
        # Fewer arrays in work keep more of the tile in cache.
        self.proba = np.empty_like(self.decisions) if self.diverges else self.decisions
        self.total = np.empty((models, scorer.tile), np.float32)
        shape = (scorer.width, scorer.tile)
        self.logits = np.empty(shape, np.float32) if Output.LOGITS in wanted else None
        self.own: OneByOneKernel | None = None

    def __call__(self, x: F32) -> Tile:
        """Score (m, D) C-contiguous rows, m <= tile."""
        rows = max(-(-len(x) // PANEL), 1) * PANEL
        decisions, proba = self.decisions[:, :, :rows], self.proba[:, :, :rows]
        total = self.total[:, :rows]
        logits = None if self.logits is None else self.logits[:, :rows]
        with np.errstate(all="ignore"):
            low = self._decide(x, self.flat[:, :rows])
            if logits is not None:
                np.subtract(decisions[0], decisions[0].max(axis=0), out=logits)
                np.maximum(logits, NEVER, out=logits)
            np.exp(decisions, out=proba)
            np.add.reduce(proba, axis=1, out=total)
            suspects = _suspects(low, total)
            np.multiply(proba, (1 / total)[:, None], out=proba)
            divergence = None
            if self.diverges:
                divergence = from_decisions(proba[1:], decisions[1:], np.log(total[1:]))
        tile = Tile(proba[0], logits, np.ones(rows, np.bool_), proba[1:], divergence)
        if suspects is not None:
            self._mend(x, suspects, tile)
        return tile

    def _decide(self, x: F32, flat: F32) -> Bools | None:
        """Fill the decision values; give which rows have minus infinity among them, if any."""
        for start in range(0, flat.shape[1], self.panel):
            rows = self._panel_of(x[start : start + self.panel])
            np.matmul(self.matrix, rows.T, out=flat[:, start : start + self.panel])
        np.add(flat, self.bias, out=flat)
        # An exponential of 0 would hide it. NaN and infinity show in the sum.
        return None if flat.min() > -np.inf else np.asarray(np.isneginf(flat).any(axis=0))

    def _panel_of(self, part: F32) -> F32:
        if len(part) == self.panel:
            return part
        self.x[: len(part)] = part
        self.x[len(part) :] = 0
        return self.x

    def _mend(self, x: F32, suspects: I64, tile: Tile) -> None:
        self.own = self.own or OneByOneKernel(self.scorer, self.wanted)
        mended = self.own(x[suspects])
        tile.valid[suspects] = mended.valid
        for ours, theirs in zip(_numbers(tile), _numbers(mended), strict=True):
            ours[..., suspects] = theirs


class OneByOneKernel:
    """One tile through every model's own kernel."""

    def __init__(self, scorer: CommitteeScorer, wanted: frozenset[Output]) -> None:
        main, *members = scorer.scorers
        self.main, self.members = main.kernel(wanted), [member.kernel(frozenset()) for member in members]
        self.diverges = Output.DIVERGENCE in wanted
        self.committee = np.zeros((len(members), scorer.width, scorer.tile), np.float32)

    def __call__(self, x: F32) -> Tile:
        """Score (m, D) C-contiguous rows, m <= tile."""
        m = len(x)
        own, committee = self.main(x), self.committee[:, :, :m]
        valid = own.valid[:m].copy()
        for number, member in enumerate(self.members):
            scored = member(x)
            committee[number] = scored.proba[:, :m]
            valid &= scored.valid[:m]
        logits = None if own.logits is None else own.logits[:, :m]
        divergence = self._divergence(m) if self.diverges else None
        tile = Tile(own.proba[:, :m], logits, valid, committee, divergence)
        if not valid.all():
            for array in _numbers(tile):
                array[..., ~valid] = 0
        return tile

    def _divergence(self, rows: int) -> F32:
        # Of a single row sums over the classes would run in an order of their own.
        with np.errstate(all="ignore"):
            return divergences(self.committee[:, :, : max(rows, 2)])[:, :rows]


def _numbers(tile: Tile) -> list[F32]:
    arrays = (tile.proba, tile.logits, tile.committee, tile.divergence)
    return [array for array in arrays if array is not None]


def _suspects(low: Bools | None, total: F32) -> I64 | None:
    """Give the rows whose probabilities cannot be trusted, if any: (k,) positions."""
    if low is None and total.min() > _SAFE[0] and total.max() < _SAFE[1]:
        return None
    safe = ((total > _SAFE[0]) & (total < _SAFE[1])).all(axis=0)
    return np.flatnonzero(~safe if low is None else low | ~safe)


def _panel_rows(weights: int) -> int:
    """Give the rows of one product: as many as OpenBLAS multiplies without packing, which is faster."""
    return next((rows for rows in (512, 256, 128) if rows * weights <= _SMALL), PANEL)


def _stacks(scorer: LinearScorer) -> bool:
    return not scorer.wide and not scorer.form.sigmoid


def _common_tile(scorers: Sequence[Scorer]) -> int:
    """Give a tile that all can take: others than the linear ones have theirs fixed."""
    linear = all(isinstance(scorer, LinearScorer) for scorer in scorers)
    return min(scorer.tile for scorer in scorers) if linear else BLOCK


def _check(main: Model, members: Sequence[Model]) -> None:
    if not members:
        raise ModelError("a committee needs members; there are none")
    for number, member in enumerate(members):
        if (member.classes, member.features) != (main.classes, main.features):
            raise ModelError(
                f"member {number} of the committee has {len(member.classes)} classes and {member.features}"
                f" features, the model {len(main.classes)} and {main.features}; fit them on the same rows"
            )
