"""A labeler that looks the answers up, and errs, abstains and dawdles as much as it is told to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import rng
from lamplighter.arrays import F64, I64
from lamplighter.errors import ConfigError, KeyExists, LabelerError
from lamplighter.labelers.base import (
    Annotation,
    Batch,
    BatchRow,
    Collected,
    Cursor,
    Desk,
    Labeler,
    Status,
    Ticket,
)
from lamplighter.labelers.truth import Truth


@dataclass(frozen=True)
class Simulated(Labeler):
    """Answers from a Parquet file of true labels, for demonstrations, backtests and tests.

    Every draw is keyed by (seed, annotator, row id), so that a row gets the same answers however
    often, in whatever order and in whatever process it is asked about.

    `dispatch` writes the batch's ids to ``simulated/<batch id>.json`` in the campaign's store.

    Attributes
    ----------
    labels
        Parquet file or directory of the true labels; anything that fsspec opens. Only the rows that
        were asked about are kept in memory. A row without a true label is abstained.
    noise
        Share of wrong answers, in [0, 1]; a wrong answer is any other class with equal odds.
    abstain
        Share of abstained answers, in [0, 1].
    annotators
        How many answer each row: "annotator-1" and so on.
    delay_rounds
        With 0 a batch is answered at the next round's collect, with d by d rounds later.
    seed
        Of noise, abstention and lead times.
    lead_time_s
        Mean seconds for an answer, which takes between half and one and a half of it.
    id_column, label_column
        Of the file of true labels.
    """

    labels: str
    noise: float = 0.0
    abstain: float = 0.0
    annotators: int = 1
    delay_rounds: int = 0
    seed: int = 0
    lead_time_s: float = 5.0
    id_column: str = "id"
    label_column: str = "label"

    def __post_init__(self) -> None:
        for name in ("noise", "abstain"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise ConfigError(f"{name} is {share!r}; allowed: a share from 0 to 1")
        for name, least in (("annotators", 1), ("delay_rounds", 0)):
            number = getattr(self, name)
            if not isinstance(number, int) or number < least:
                raise ConfigError(f"{name} is {number!r}; allowed: a whole number from {least} on")
        if not 0 <= self.lead_time_s < np.inf:
            raise ConfigError(f"lead_time_s is {self.lead_time_s!r}; allowed: seconds from 0 on")

    @property
    def answers_per_row(self) -> int:
        """One answer per annotator."""
        return self.annotators

    @property
    def answers_by_itself(self) -> bool:
        """Without people there is nothing to wait for."""
        return True

    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        """Note which rows were asked about; raises LabelerError if that batch had other rows before."""
        key = f"simulated/{batch.id}.json"
        note: dict[str, Any] = {"format": 1, "batch": batch.id, "ids": [row.id for row in batch.rows]}
        if any(row.annotators is not None for row in batch.rows):
            note["annotators"] = [self._who(row) for row in batch.rows]
        data = json.dumps(note, ensure_ascii=False).encode()
        try:
            desk.store.create(key, data)
        except KeyExists as taken:
            if desk.store.get(key) != data:
                raise LabelerError(f"batch '{batch.id}' was sent before, with other rows ({key})") from taken
        return Ticket(batch.id, batch.round, batch.created_at, len(batch.rows), {"key": key})

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        """Answer every batch that is due by now.

        Raises
        ------
        LabelerError
            The file of true labels cannot be used.
        UnknownClass
            A true label is none of the campaign's classes.
        """
        due = [t for t in tickets if since.round > t.round + self.delay_rounds]
        asked = {t.batch: json.loads(desk.store.get(t.params["key"])) for t in due}
        truth = Truth(self.labels, self.id_column, self.label_column)
        known = truth.of([i for note in asked.values() for i in note["ids"]], desk)
        answers = [a for t in due for a in self._answers(t, asked[t.batch], known, desk)]
        return Collected(answers)

    def _who(self, row: BatchRow) -> tuple[int, int]:
        """Give the first and the last annotator of a row: further ones where some have answered before."""
        return row.answered + 1, row.annotators or self.annotators

    def _answers(
        self, ticket: Ticket, note: Mapping[str, Any], known: dict[int | str, int], desk: Desk
    ) -> Iterator[Annotation]:
        """Let each annotator answer the rows that fall to it."""
        who = np.array(note.get("annotators", [(1, self.annotators)] * len(note["ids"]))).reshape(-1, 2)
        for annotator in range(1, int(who[:, 1].max(initial=0)) + 1):
            mine = np.flatnonzero((who[:, 0] <= annotator) & (annotator <= who[:, 1]))
            yield from self._said(ticket, [note["ids"][at] for at in mine], (annotator, known), desk)

    def _said(
        self, ticket: Ticket, ids: Sequence[int | str], by: tuple[int, dict[int | str, int]], desk: Desk
    ) -> Iterator[Annotation]:
        annotator, known = by
        rows = pa.array(ids, pa.int64() if desk.integer_ids else pa.large_string())
        truth = np.array([known.get(i, -1) for i in ids], np.int64)
        label = self._label(rows, truth, annotator, len(desk.classes))
        seconds = self.lead_time_s * (0.5 + self._draw(rows, "lead time", annotator))
        for row_id, answer, lead in zip(ids, label.tolist(), seconds.round(3).tolist(), strict=True):
            yield Annotation(
                id=row_id,
                label=desk.classes[answer] if answer >= 0 else None,
                annotator=f"annotator-{annotator}",
                labeler="simulated",
                created_at=ticket.created_at + timedelta(seconds=lead),
                lead_time_s=lead,
                status=Status.LABELLED if answer >= 0 else Status.ABSTAINED,
                source=str(ticket.params["key"]),
            )

    def _label(self, rows: object, truth: I64, annotator: int, classes: int) -> I64:
        """Give what an annotator says: (n,) positions in the classes, -1 where it abstains."""
        label = truth.copy()
        if classes > 1:
            wrong = self._draw(rows, "noise", annotator) < self.noise
            shift = 1 + (self._draw(rows, "wrong class", annotator) * (classes - 1)).astype(np.int64)
            label[wrong] = (truth + shift)[wrong] % classes
        label[(truth < 0) | (self._draw(rows, "abstain", annotator) < self.abstain)] = -1
        return label

    def _draw(self, rows: object, purpose: str, annotator: int) -> F64:
        return rng.row_uniform(rows, rng.key(self.seed, 0, f"simulated/{purpose}/{annotator}"))
