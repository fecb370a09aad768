"""Where a campaign stands: what its ledger adds up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from lamplighter import annotations as annotation_table
from lamplighter import rng, tables, votes
from lamplighter.arrays import Bools, RowIds
from lamplighter.asked import Asked, TakenBack
from lamplighter.awaited import Awaited, awaited, people_of, waiting
from lamplighter.driver import Driver
from lamplighter.holdout import WHOLE, hash_bound
from lamplighter.labelers.base import Status, Ticket
from lamplighter.labelled_rows import Labelled, Rows
from lamplighter.learner import Model
from lamplighter.pool import Manifest, Pool
from lamplighter.rounds import (
    AnyStep,
    Artifact,
    CollectDone,
    DispatchDone,
    History,
    ScoreDone,
    SelectDone,
    TrainDone,
)

S = TypeVar("S", bound=AnyStep)
TICKET = TypeAdapter(Ticket)
READERS = 8  #: files read at once, since every get waits for the network


@dataclass(frozen=True)
class Standing:
    """Reads the artifacts of a history, each once."""

    driver: Driver
    history: History
    fresh: Any = None  #: annotations just collected, not yet in a checkpoint
    fresh_features: Any = None  #: features just fetched for them
    taken: Manifest | None = None  #: the manifest just taken, not yet in a checkpoint
    judged: votes.Labels | None = None  #: the consensus just found, not yet in a checkpoint
    began: datetime | None = None  #: when the collect began that is at work, not yet in a checkpoint

    def steps(self, kind: type[S]) -> list[S]:
        """Give the checkpoints of one kind, oldest round first, the open round last."""
        found: list[AnyStep | None] = []
        for record in self.history.records:
            found += [record.collect, record.train, record.score, record.select, record.dispatch]
        found += self.history.open.steps.values()
        return [s for s in found if isinstance(s, kind)]

    def current(self, kind: type[S]) -> S:
        """Give the open round's checkpoint of a step that is known to be done."""
        return next(s for s in self.history.open.steps.values() if isinstance(s, kind))

    @property
    def number(self) -> int:
        """The open round."""
        return self.history.open.round

    # The pool

    @cached_property
    def manifest(self) -> Manifest | None:
        """The newest manifest: just taken, or in the ledger."""
        if self.taken is not None:
            return self.taken
        collected = self.steps(CollectDone)
        return Manifest.from_bytes(self.read(collected[-1].manifest)) if collected else None

    @cached_property
    def pool(self) -> Pool:
        """The pool of the open round, which has collected."""
        if self.manifest is None:
            raise RuntimeError("the pool of a round is known once it has collected")
        return Pool(self.driver.pool_config, self.manifest)

    @cached_property
    def integer_ids(self) -> bool:
        """Whether the pool's ids are integers; so for an empty ledger."""
        return self.manifest is None or self.manifest.id_kind == "int64"

    def pool_file(self, number: int, file: int) -> str:
        """Give the path of a file by its position in the manifest of a round."""
        collected = next(c for c in self.steps(CollectDone) if c.round == number)
        return Manifest.from_bytes(self.read(collected.manifest)).files[file].path

    def read(self, artifact: Artifact) -> bytes:
        """Read a file of the ledger, digest verified."""
        return self.driver.ledger.read(artifact)

    # What was asked

    @cached_property
    def asked(self) -> Asked:
        """All rows ever selected, less those taken back."""
        ids = [tables.ids_of(batch) for batch in self.batches]
        batches = zip((d.round for d in self.steps(SelectDone)), ids, strict=True)
        taken = [d for d in self.steps(DispatchDone) if d.withdrawn]
        tabled = self._tables([d.withdrawn for d in taken if d.withdrawn], tables.from_parquet)
        back = [TakenBack.read(d.round, table) for d, table in zip(taken, tabled, strict=True)]
        return Asked.of([*batches], back, integer=self.integer_ids)

    @cached_property
    def batches(self) -> list[Any]:
        """The batches as tables of id and annotators, which is null where the labeler's own number holds."""
        return self._tables([done.batch for done in self.steps(SelectDone)], people_of)

    @cached_property
    def extras(self) -> list[tuple[int, Any]]:
        """Rounds with their tables of rows that went out among a batch: gold, and again to one more."""
        kept = {d.round: d.extra for d in self.steps(SelectDone) if d.extra}
        return [*zip(kept, self._tables([*kept.values()], tables.from_parquet), strict=True)]

    @cached_property
    def excluded_ids(self) -> RowIds:
        """Ids of all rows that no scan may find: asked, dropped, labelled unasked, or gold."""
        gold = [self.driver.gold.ids] if self.driver.gold else []
        return pa.concat_arrays([self.asked.standing, self.asked.dropped, self.labels.ids, *gold]).unique()

    def _tables(self, artifacts: Sequence[Artifact], parse: Callable[[bytes], Any]) -> list[Any]:
        """Read tables of the ledger, several at once, each once a driver: what is written never changes."""
        known = self.driver.read_before
        missing = [a for a in artifacts if a.digest not in known]
        if missing:
            with ThreadPoolExecutor(READERS) as readers:
                found = list(readers.map(lambda artifact: parse(self.read(artifact)), missing))
            known.update(zip((a.digest for a in missing), found, strict=True))
        return [known[a.digest] for a in artifacts]

    @cached_property
    def tickets(self) -> Mapping[str, Sequence[Ticket]]:
        """The receipts by name of the labeler; the campaign's own is always there."""
        own = self.driver.campaign.labeler.name
        found: dict[str, list[Ticket]] = {own: []}
        for done in self.steps(DispatchDone):
            if done.ticket:
                found.setdefault(done.labeler or own, []).append(TICKET.validate_json(self.read(done.ticket)))
        return found

    # What was answered

    @cached_property
    def annotations(self) -> Any:
        """All annotations of the ledger, as one table."""
        parts = [c.annotations for c in self.steps(CollectDone) if c.annotations]
        read = self._tables(parts, annotation_table.from_parquet)
        read += [self.fresh] if self.fresh is not None else []
        return pa.concat_tables(read) if read else annotation_table.empty(self.integer_ids)

    @cached_property
    def labels(self) -> votes.Labels:
        """The label that counts of every answered row, also of rows that the pool does not have."""
        if self.judged is not None:
            return self.judged
        done = self.steps(CollectDone)
        if self.fresh is None and done and done[-1].consensus:
            table = tables.from_parquet(self.read(done[-1].consensus))
            return votes.read_labels(table, self.driver.campaign.classes)
        campaign = self.driver.campaign
        return votes.consensus(self.annotations, campaign.classes, seed=campaign.seed)

    @cached_property
    def answered_ids(self) -> RowIds:
        """Ids of the rows with an answer: not taken back, and more than a machine's suggestion."""
        given = votes.newest_with(self.annotations, Status.LABELLED, Status.ABSTAINED)
        return tables.ids_of(given).unique()

    @cached_property
    def _sources(self) -> list[tuple[RowIds, Artifact | None]]:
        """Files of features: the ids in each, in its order, and where it lies; None for the fresh ones."""
        done = self.steps(SelectDone)
        kept = [c.features for c in self.steps(CollectDone) if c.features]
        unasked = self._tables(kept, lambda data: tables.from_parquet(data).select(["id"]))
        fresh = [self.fresh_features] if self.fresh_features is not None else []
        files = [*(d.features for d in done), *kept, *(None for _ in fresh)]
        found = map(tables.ids_of, [*self.batches, *unasked, *fresh])
        return [*zip(found, files, strict=True)]

    @cached_property
    def known_ids(self) -> RowIds:
        """Ids of all rows whose features are kept: ever selected, or labelled unasked."""
        return tables.concat_ids([ids for ids, _ in self._sources], self.integer_ids)

    def with_features(self, labelled: Labelled) -> Rows:
        """Fetch the features of labelled rows, file after file, none whose rows are not wanted."""
        dim = self.manifest.dim if self.manifest else 0
        x, first = np.empty((len(labelled), dim), np.float32), 0
        for ids, artifact in self._sources:
            last = first + len(ids)
            mine = np.flatnonzero((labelled.place >= first) & (labelled.place < last))
            if len(mine):
                table = tables.from_parquet(self.read(artifact)) if artifact else self.fresh_features
                x[mine] = tables.matrix(table.column("features"))[labelled.place[mine] - first]
            first = last
        return Rows(labelled.ids, x, labelled.label, labelled.confidence)

    # What they make together

    @cached_property
    def holdout_key(self) -> int:
        """The key under which rows are hashed into the holdout; the same in every round."""
        return rng.key(self.driver.campaign.seed, 0, "holdout")

    @cached_property
    def holdout_below(self) -> int | None:
        """Rows with a smaller hash are the holdout, for ever; None before it was drawn."""
        drawn = [s.holdout_below for s in self.steps(SelectDone) if s.holdout_below is not None]
        return drawn[0] if drawn else None

    def in_holdout(self, ids: RowIds) -> Bools:
        """Say for each id whether it belongs to the holdout: (n,) bool."""
        return self._hashed_below(ids, self.holdout_below or 0)

    def _hashed_below(self, ids: RowIds, bound: int) -> Bools:
        return rng.row_hash(ids, self.holdout_key) < np.uint64(min(bound, WHOLE - 1))

    def may_be_holdout(self, ids: RowIds) -> Bools:
        """Say for each id whether it is of the holdout, or may be once it is drawn: (n,) bool."""
        return self._hashed_below(ids, self.holdout_reach)

    @cached_property
    def holdout_reach(self) -> int:
        """The hash below which a row is of the holdout, or may be once it is drawn."""
        if self.holdout_below is not None:
            return self.holdout_below
        size = self.driver.campaign.evaluation.holdout
        return 0 if size is None or self.manifest is None else hash_bound(size, self.manifest.rows)

    @cached_property
    def labelled(self) -> Labelled:
        """Every labelled row of the pool, holdout included."""
        place = tables.positions(self.labels.ids, self.known_ids)
        found = Labelled(self.labels.ids, self.labels.label, place, self.labels.confidence)
        return found.part(place >= 0)

    @cached_property
    def training_labels(self) -> Labelled:
        """The labelled rows outside the holdout, also outside what may become of it.

        Labels from elsewhere are there before the holdout is drawn; a model that warm starts would
        pass on what it learned from them.
        """
        return self.labelled.part(~self.may_be_holdout(self.labelled.ids))

    @cached_property
    def holdout_labels(self) -> Labelled:
        """The labelled rows of the holdout."""
        return self.labelled.part(self.in_holdout(self.labelled.ids))

    @cached_property
    def training(self) -> Rows:
        """What a model may learn from."""
        return self.with_features(self.training_labels)

    @cached_property
    def holdout(self) -> Rows:
        """What a model is measured on."""
        return self.with_features(self.holdout_labels)

    @cached_property
    def awaited(self) -> Awaited:
        """The answers that were asked for and have not come."""
        return awaited(self)

    @property
    def outstanding(self) -> int:
        """Rows that the campaign waits for: of which an answer is awaited, and not for too long."""
        return waiting(self).rows

    # Models

    def model(self, done: TrainDone | None) -> Model | None:
        """Load the model of a train step, if it made one."""
        return Model.from_bytes(self.read(done.model)) if done and done.model else None

    def committee(self, done: TrainDone) -> tuple[Model, ...]:
        """Load the members of a train step's committee, if it made one."""
        return tuple(Model.from_bytes(self.read(member)) for member in done.committee)

    @cached_property
    def previous_model(self) -> Model | None:
        """The newest model of an earlier round."""
        return self.model(next((r.train for r in reversed(self.history.records) if r.train.model), None))

    @cached_property
    def previous_score(self) -> ScoreDone | None:
        """The newest scan of an earlier round."""
        return next((r.score for r in reversed(self.history.records) if r.score), None)
