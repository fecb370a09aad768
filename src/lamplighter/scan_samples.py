"""The two hash samples that a scan gathers: the holdout, and the rows on which models are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamplighter import rng
from lamplighter.arrays import F32, I32, I64, U64, Bools
from lamplighter.idset import take_ids
from lamplighter.scan_result import Rows, Sample, join_rows, join_samples
from lamplighter.strategies.base import Output

if TYPE_CHECKING:
    from lamplighter.learner.scoring import Scored
    from lamplighter.pool import PoolBlock
    from lamplighter.scan import ScanJob


class HashSamples:
    """Gathers the members of both samples in one shard, block by block, tile by tile.

    One hash per row and sample, made only for a sample that is wanted. Membership is a matter of the
    hash alone: rows of the holdout are gathered whether or not their features are finite.
    """

    def __init__(self, job: ScanJob, id_type: object) -> None:
        self.job = job
        self.with_sample = job.sample_below > 0 and job.scorer is not None
        self.holdout = [Rows.none(id_type)]
        self.sample = [Sample.none(id_type)]

    def open(self, block: PoolBlock, digests: U64) -> None:
        """Begin a block: hash its rows, gather its members of the holdout."""
        self.block, self.digests = block, digests
        self.held: Bools | None = None
        if self.job.holdout_below > 0:
            hashes = rng.digest_hash(digests, self.job.holdout_key)
            self.held = hashes < _bound(self.job.holdout_below)
            self._gather(np.flatnonzero(self.held), hashes)
        if self.with_sample:
            hashes = rng.digest_hash(digests, self.job.sample_key)
            self.at = np.flatnonzero(hashes < _bound(self.job.sample_below))
            self.hash = hashes[self.at]
            self.seen: list[tuple[F32, F32, Bools]] = []

    def see(self, start: int, scored: Scored, score: F32) -> None:
        """Note what is predicted for the sampled rows of a tile of the block."""
        if self.with_sample:
            first, last = self.at.searchsorted((start, start + len(score)))
            near = self.at[first:last] - start
            proba = scored.outputs[Output.PROBA].T.take(near, axis=1)
            self.seen.append((proba, score[near], scored.valid[near]))

    def close(self) -> None:
        """End the block; sampled rows that do not count have no prediction."""
        if not self.with_sample or not len(self.at):
            return
        proba, score, valid = (np.concatenate(parts, axis=-1) for parts in zip(*self.seen, strict=True))
        ids = take_ids(self.block.ids, self.digests, self.at)
        sample = Sample(ids, proba.argmax(axis=0).astype(np.int32), score, self.hash)
        self.sample.append(sample if valid.all() else sample.take(np.flatnonzero(valid)))

    def result(self) -> tuple[Rows, Sample]:
        """Give the shard's members of the holdout and of the sample."""
        return join_rows(self.holdout), join_samples(self.sample)

    def _gather(self, at: I64, hashes: U64) -> None:
        if len(at):
            ids = take_ids(self.block.ids, self.digests, at)
            self.holdout.append(Rows(ids, *places(self.block, at), hashes[at]))


def places(block: PoolBlock, at: I64) -> tuple[I32, I32, I64]:
    """Give file, row group and row of the rows of a block."""
    file = np.full(len(at), block.file, np.int32)
    return file, np.full(len(at), block.row_group, np.int32), block.first_row + at.astype(np.int64)


def _bound(below: int) -> np.uint64:
    return np.uint64(min(below, 2**64 - 1))
