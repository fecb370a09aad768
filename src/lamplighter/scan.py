"""Score one shard: the pure map whose results `scan_result` merges.

It reads a shard block by block and scores it tile by tile, while the rows are in cache. It keeps
the exact best m rows, and gathers the members of two hash samples: the holdout, which is never
selected, and the sample on which two models are compared. Memory is a block and a shortlist.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lamplighter import rng, shortlists
from lamplighter.arrays import F32, I64, Bools, RowIds
from lamplighter.errors import ModelError, PoolSchemaError
from lamplighter.idset import IdSet, take_ids
from lamplighter.learner.scoring import Scored, Scorer
from lamplighter.progress import Progress
from lamplighter.scan_lanes import KeptLane, lanes_of
from lamplighter.scan_result import Rows, Sample, ScanResult, join, merge
from lamplighter.scan_samples import HashSamples, places
from lamplighter.strategies.base import Block, Lane, Output, Ranked, Shortlist, Strategy
from lamplighter.threads import one_blas_thread

if TYPE_CHECKING:
    from lamplighter.pool import Pool, PoolBlock, Shard

__all__ = ["Progress", "Rows", "Sample", "ScanJob", "ScanResult", "join", "merge", "scan_here", "scan_shard"]

log = logging.getLogger(__name__)

#: Rows scored at a time where no learner sets the tile.
TILE = 8192

#: What only a learner gives.
LEARNED = frozenset(Output) - {Output.EMBEDDING}


@dataclass(frozen=True, eq=False)
class ScanJob:
    """What is the same for all shards of a scan; picklable, sent to the workers once.

    Attributes
    ----------
    pool
        Reads the shards.
    scorer
        Gives probabilities; None where the strategy needs none, and no sample is wanted.
    strategy
        Scores the rows, prepared for the round.
    lanes
        The lists that make up the shortlist, as the strategy wants them.
    seed, round
        Key the strategy's randomness and the order of equal scores.
    exclude
        Ids already labelled or dispatched, of the pool's own type; None for none.
    holdout_key, holdout_below
        Rows whose hash under the key is smaller are the holdout: gathered, never in the shortlist.
    holdout_drawn
        False while the bound is only an upper one: then its rows are in the shortlist too, beyond the rows
        that its lanes have, where they would be if they are not drawn.
    sample_key, sample_below
        Rows whose hash under the key is smaller are gathered with the class predicted for them.
    carry
        Outputs that the shortlist takes along; None for what the strategy chooses by, and the
        probabilities if there is a scorer.
    """

    pool: Pool
    scorer: Scorer | None
    strategy: Strategy
    lanes: tuple[Lane, ...]
    seed: int
    round: int
    exclude: RowIds | None = None
    holdout_key: int = 0
    holdout_below: int = 0
    holdout_drawn: bool = True
    sample_key: int = 0
    sample_below: int = 0
    carry: frozenset[Output] | None = None

    @cached_property
    def carried(self) -> frozenset[Output]:
        """Outputs that the shortlist takes along."""
        if self.carry is not None:
            return self.carry
        return self.strategy.carries | (frozenset({Output.PROBA}) if self.scorer else frozenset())

    @cached_property
    def wanted(self) -> frozenset[Output]:
        """Outputs that are made for every row."""
        sampled = self.scorer is not None and self.sample_below > 0
        return self.strategy.requires | self.carried | (frozenset({Output.PROBA}) if sampled else frozenset())

    @cached_property
    def excluded(self) -> IdSet | None:
        """The excluded ids, ready to be asked; made once in each process."""
        return IdSet.of(self.exclude) if self.exclude is not None and len(self.exclude) else None


def scan_shard(job: ScanJob, shard: Shard) -> ScanResult:
    """Score one shard.

    Raises
    ------
    PoolError
        The shard's file is gone, changed or broken, or ids are of another type than those excluded.
    ModelError
        The strategy gave NaN, or scores of the wrong shape or type.
    """
    if job.scorer is None and job.wanted & LEARNED:
        names = ", ".join(sorted(o.value for o in job.wanted & LEARNED))
        raise ModelError(f"strategy {_name(job.strategy)} needs {names}, but there is no model to give it")
    scan = _ShardScan(job)
    reads = job.scorer is not None or Output.EMBEDDING in job.wanted
    # Two BLAS threads would give other last bits than one, and take cores that Dask counts on.
    with one_blas_thread(repr(type(job.scorer))):
        for block in job.pool.read(shard, features=reads, reuse=True):
            scan.add(block)
    if scan.left_out:
        path = job.pool.manifest.files[shard.file].path
        log.warning("%s: %d of %d rows left out, not finite", path, scan.left_out, scan.rows)
    return scan.result()


def scan_here(job: ScanJob) -> ScanResult:
    """Scan the whole pool in this process, shard after shard."""
    return merge([scan_shard(job, shard) for shard in job.pool.shards()], job.lanes)


class _ShardScan:
    """The running state of one shard's scan."""

    def __init__(self, job: ScanJob) -> None:
        self.job = job
        self.tie_key = rng.key(job.seed, job.round, "tie")
        id_type = pa.int64() if job.pool.manifest.id_kind == "int64" else pa.large_string()
        self.lanes = lanes_of(job.lanes, id_type)
        self.samples = HashSamples(job, id_type)
        self.aside = [shortlists.empty(id_type)]
        self.rows = self.left_out = 0
        self.started = False
        self.kernel = job.scorer.kernel(job.wanted) if job.scorer else None

    def add(self, block: PoolBlock) -> None:
        """Score a block."""
        _check_ids(self.job.exclude, block.ids)
        digests = rng.row_digest(block.ids)
        self.samples.open(block, digests)
        for start, stop, scored in self._tiles(block):
            ranked = self._rank(block.ids.slice(start, stop - start), scored)
            self.samples.see(start, scored, ranked[0].score)
            for lane, rows in zip(self.lanes, ranked, strict=True):
                self._take_best(lane, start, scored, rows)
            self.started = True
        self.samples.close()
        self.rows += len(block.ids)

    def result(self) -> ScanResult:
        """Give what was found."""
        holdout, sample = self.samples.result()
        return ScanResult(
            shortlist=self._shortlist(),
            aside=shortlists.concatenate(self.aside),
            holdout=holdout,
            sample=sample,
            rows=self.rows,
            left_out=self.left_out,
            scored=self.rows - self.left_out,
        )

    def _tiles(self, block: PoolBlock) -> Iterator[tuple[int, int, Scored]]:
        if self.job.scorer is not None and block.features is not None:
            yield from self.job.scorer.tiles(block.features, self.job.wanted, self.kernel)
            return
        for start in range(0, len(block.ids), TILE):
            stop = min(start + TILE, len(block.ids))
            if block.features is None:
                yield start, stop, Scored({}, np.ones(stop - start, np.bool_))
            else:
                x = block.features[start:stop]
                yield start, stop, Scored({Output.EMBEDDING: x}, _finite(x))

    def _rank(self, ids: RowIds, scored: Scored) -> tuple[Ranked, ...]:
        """Rank a tile for every lane; rows that do not count get minus infinity."""
        job, valid = self.job, scored.valid
        outputs = {name: scored.outputs[name] for name in job.strategy.requires}
        block = Block(ids, outputs, job.seed, job.round)
        if valid.all():
            return _checked(job, job.strategy.rank(block), len(ids))
        with np.errstate(all="ignore"):  # rows that do not count may hold anything
            ranked = job.strategy.rank(block)
        self.left_out += len(valid) - int(np.count_nonzero(valid))
        lowest = np.float32(-np.inf)
        left = tuple(replace(rows, score=np.where(valid, rows.score, lowest)) for rows in ranked)
        return _checked(job, left, len(ids))

    def _take_best(self, lane: KeptLane, start: int, scored: Scored, rows: Ranked) -> None:
        block, digests = self.samples.block, self.samples.digests
        near = lane.candidates(rows)
        if not len(near) and self.started:
            return
        at = near + start  # one piece, even without rows, tells what shape the outputs have
        found, own = rows.score[near], digests[at]
        ties = rng.digest_hash(own, self.tie_key)
        wins = lane.wins(found, ties, near, rows)
        if self.samples.held is not None and self.job.holdout_drawn:
            wins &= ~self.samples.held[at]
        if self.job.excluded is not None:
            wins &= ~self.job.excluded.contains(block.ids, own, at)
        if not wins.all():
            near, at, found, ties = near[wins], at[wins], found[wins], ties[wins]
        outputs = {name: _rows_of(scored.outputs[name], near) for name in self.job.carried}
        # Adding 0 makes -0.0 the 0.0 that it equals.
        found += np.float32(0)
        ids = take_ids(block.ids, digests, at)
        group = np.zeros(len(near), np.int32) if rows.group is None else rows.group[near]
        self._add(lane, Shortlist(ids, found, ties, *places(block, at), outputs, group), at)

    def _add(self, lane: KeptLane, rows: Shortlist, at: I64) -> None:
        """Add rows to a list; but keep aside what may be the holdout's, which must not fill it."""
        held = self.samples.held
        if held is not None and not self.job.holdout_drawn and len(apart := np.flatnonzero(held[at])):
            aside = rows.take(apart)
            self.aside.append(replace(aside, lane=aside.lane + np.int32(lane.first)))
            rows = rows.take(np.flatnonzero(~held[at]))
        lane.best.add(rows)

    def _shortlist(self) -> Shortlist:
        return shortlists.concatenate([lane.shortlist() for lane in self.lanes])


def _rows_of(values: F32, rows: I64) -> F32:
    if values.ndim == 2 and values.strides[0] == values.itemsize:  # class-major: along each class
        return np.ascontiguousarray(np.take(values.T, rows, axis=1).T)
    return values[rows]


def _finite(x: F32) -> Bools:
    finite: Bools = np.logical_and.reduce(np.isfinite(x), axis=1)
    return finite


def _check_ids(exclude: RowIds | None, ids: RowIds) -> None:
    # Ids of another type would never match, and labelled rows would be asked again.
    if exclude is not None and len(exclude) and exclude.type != ids.type:
        raise PoolSchemaError(
            f"the pool's ids are {ids.type}, the ids of earlier rounds {exclude.type}; the id column must "
            "keep its type: convert it back, or start a new campaign"
        )


def _checked(job: ScanJob, ranked: tuple[Ranked, ...], rows: int) -> tuple[Ranked, ...]:
    name = _name(job.strategy)
    if len(ranked) != len(job.lanes):
        raise ModelError(f"strategy {name} ranked rows for {len(ranked)} lanes; it has {len(job.lanes)}")
    for lane, found in zip(job.lanes, ranked, strict=True):
        _check_score(name, found.score, rows)
        group = found.group
        if group is None or not rows:
            continue
        within = group.shape == (rows,) and 0 <= group.min() <= group.max() < lane.groups
        if not within or group.dtype != np.int32:
            raise ModelError(
                f"strategy {name} gave groups of shape {group.shape} and type {group.dtype}; it must give"
                f" ({rows},) int32 from 0 to {lane.groups - 1}"
            )
    return ranked


def _check_score(name: str, score: F32, rows: int) -> None:
    if score.shape != (rows,) or score.dtype != np.float32:
        raise ModelError(
            f"strategy {name} gave scores of shape {score.shape} and type {score.dtype} for "
            f"{rows} rows; it must give ({rows},) float32"
        )
    if rows and np.isnan(score.max()):
        raise ModelError(
            f"strategy {name} gave NaN for {int(np.isnan(score).sum())} of {rows} rows "
            "whose inputs are finite; a score is a number, or -inf for a row that must not be picked"
        )


def _name(strategy: Strategy) -> str:
    return type(strategy).__name__
