"""Scoring blocks of the pool in tiles of one fixed shape.

The last bits of a matrix product depend on the shapes of its factors. So every product has the same
shape, remainders are padded with rows of zeros, and a row's result is the same in any block, on any
number of workers. (Each worker keeps BLAS to one thread.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from lamplighter.arrays import F32, Bools
from lamplighter.errors import ModelError
from lamplighter.strategies.base import Output

if TYPE_CHECKING:
    from lamplighter.learner.last_layer import LastLayer, LayerKernel

#: What every learner gives.
GIVES = frozenset({Output.PROBA, Output.LOGITS, Output.EMBEDDING})

#: Logit of a class that the model does not know: so low that its probability is exactly 0 in
#: float32, and still finite.
NEVER = -1e30

#: Rows of one matrix product; tiles are multiples of it.
PANEL = 512

#: Bytes that a tile's features and outputs may take. Past a core's second-level cache, but the passes
#: over them run in order: fewer, longer calls pay until about here (docs/benchmarks.md).
_CACHE = 3584 * 1024


@dataclass(frozen=True)
class Scored:
    """Outputs of n rows, and which of them count.

    Attributes
    ----------
    outputs
        What was wanted: name -> (n, ...) float32. Probabilities and logits lie class-major in memory:
        every column is contiguous. Logits are shifted so that the largest of a row is 0.
    valid
        (n,) False where the features are not all finite, or the probabilities are not finite or do not
        sum to 1 within 1e-3; the outputs of such rows are 0 (the embedding stays as it is).
    """

    outputs: dict[Output, F32]
    valid: Bools


class Tile(NamedTuple):
    """What a kernel gives: class-major (C, tile) arrays, overwritten by its next call.

    Where a committee is scored, `proba` and `logits` are the main model's.
    """

    proba: F32
    logits: F32 | None
    valid: Bools
    committee: F32 | None = None  #: (M, C, tile)
    divergence: F32 | None = None  #: (M, tile)


class Kernel(Protocol):
    """Scores one tile. It owns its buffers: one kernel for each scan and thread."""

    def __call__(self, x: F32) -> Tile:
        """Score (m, D) C-contiguous rows, m <= tile; columns from m on are padding."""
        ...


@dataclass(frozen=True, eq=False)
class Scorer(ABC):
    """Gives probabilities for blocks of rows; picklable, immutable, safe in several threads.

    Attributes
    ----------
    tile
        Rows in a tile.
    features
        D, width of the features.
    width
        C, number of the campaign's classes.
    layer
        The way to what enters the model's last layer; None where it has none.
    """

    tile: int
    features: int
    width: int
    layer: LastLayer | None = field(default=None, kw_only=True)

    @property
    def gives(self) -> frozenset[Output]:
        """Outputs that may be wanted."""
        return GIVES | {Output.LAST_LAYER} if self.layer else GIVES

    @abstractmethod
    def kernel(self, wanted: frozenset[Output]) -> Kernel:
        """Make what scores one tile at a time, with all that is wanted beside the probabilities."""

    def tiles(
        self, x: F32, wanted: frozenset[Output], kernel: Kernel | None = None
    ) -> Iterator[tuple[int, int, Scored]]:
        """Score a block tile by tile, while its rows are in cache.

        Parameters
        ----------
        x
            (n, D) float32 features, any n.
        wanted
            Outputs to give.
        kernel
            From `kernel`, made for the same outputs, where many blocks follow each other: its buffers
            stay in cache. None makes a new one.

        Yields
        ------
        start, stop and what is known of the rows from start to stop. The arrays are overwritten by
        the next tile: use them before, or copy.

        Raises
        ------
        ModelError
            Wrong shape or type of the features, or an output that the learner does not give.
        """
        self._check(x, wanted)
        kernel = kernel or self.kernel(wanted)
        layer = self.layer.kernel(self.tile) if self.layer and Output.LAST_LAYER in wanted else None
        for start in range(0, len(x), self.tile):
            rows = x[start : start + self.tile]
            # Another memory layout would take another BLAS routine, with other last bits.
            tile = kernel(np.ascontiguousarray(rows))
            scored = _scored(tile, rows, wanted)
            yield start, start + len(rows), _with_last_layer(scored, rows, layer) if layer else scored

    def outputs(self, x: F32, wanted: frozenset[Output]) -> Scored:
        """Score a whole block: (n, D) float32 features; parameters and errors as for `tiles`."""
        self._check(x, wanted)
        made = wanted - {Output.EMBEDDING}
        arrays = {name: self._array(len(x), name) for name in made}
        valid = np.empty(len(x), np.bool_)
        for start, stop, scored in self.tiles(x, wanted):
            valid[start:stop] = scored.valid
            for name in made:
                arrays[name][start:stop] = scored.outputs[name]
        return Scored(arrays | dict.fromkeys(wanted - made, x), valid)

    def _array(self, rows: int, name: Output) -> F32:
        """Make room for an output of so many rows, class-major."""
        if name is Output.LAST_LAYER and self.layer:
            return np.empty((rows, self.layer.width), np.float32)
        return np.empty((self.width, rows), np.float32).T

    def _check(self, x: F32, wanted: frozenset[Output]) -> None:
        check_width(x, self.features)
        if x.dtype != np.float32:
            raise ModelError(f"features are {x.dtype}; a scorer takes float32")
        missing = sorted(output.value for output in wanted - self.gives)
        if missing:
            gives = ", ".join(sorted(output.value for output in self.gives))
            raise ModelError(f"the strategy wants {', '.join(missing)}; this learner gives {gives}")


def tile_rows(bytes_per_row: int) -> int:
    """Give a tile's rows: a power of two from 1024 to 8192 whose working set stays near the core."""
    rows = 8192
    while rows > 2 * PANEL and rows * bytes_per_row > _CACHE:
        rows //= 2
    return rows


def _scored(tile: Tile, rows: F32, wanted: frozenset[Output]) -> Scored:
    m = len(rows)
    outputs: dict[Output, F32] = {}
    if Output.PROBA in wanted:
        outputs[Output.PROBA] = tile.proba[:, :m].T
    if Output.LOGITS in wanted and tile.logits is not None:
        outputs[Output.LOGITS] = tile.logits[:, :m].T
    if Output.COMMITTEE in wanted and tile.committee is not None:
        outputs[Output.COMMITTEE] = tile.committee[:, :, :m].transpose(2, 0, 1)
    if Output.DIVERGENCE in wanted and tile.divergence is not None:
        outputs[Output.DIVERGENCE] = tile.divergence[:, :m].T
    if Output.EMBEDDING in wanted:
        outputs[Output.EMBEDDING] = rows
    return Scored(outputs, tile.valid[:m])


def _with_last_layer(scored: Scored, rows: F32, layer: LayerKernel) -> Scored:
    """Add what enters the last layer; rows where that is not finite do not count."""
    inside = layer(rows)
    outputs = {**scored.outputs, Output.LAST_LAYER: inside}
    if scored.valid.all() and np.isfinite(inside.max()) and np.isfinite(inside.min()):
        return Scored(outputs, scored.valid)
    valid = scored.valid & np.isfinite(inside).all(axis=1)
    for name, array in outputs.items():
        if name is not Output.EMBEDDING:
            array[~valid] = 0
    return Scored(outputs, valid)


def check_width(x: F32, features: int) -> None:
    """Raise ModelError unless `x` is (n, `features`)."""
    if x.ndim != 2 or x.shape[1] != features:
        raise ModelError(f"features have shape {x.shape}; the model was fitted on (n, {features})")
