"""What people said about tasks, as annotations.

Only what people did counts: answers, edits, skips and deletions. Drafts are not asked for. An imported
annotation has never been saved by anybody (`updated_by` is empty) and is left alone until somebody edits
it, whose answer it then is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow.compute as pc

from lamplighter import tables
from lamplighter.labelers.base import Annotation, Problem, Status
from lamplighter.labelers.label_studio.tasks import BATCH, KEY, Row, id_of

NAME = "label_studio"
#: Fields of a task and of its annotations: the server takes one list for both.
INCLUDE = (
    "id,data,updated_at,total_annotations,cancelled_annotations,"
    "annotations,result,completed_by,was_cancelled,lead_time,updated_by"
)


@dataclass(frozen=True)
class Stored:
    """The newest answer of an annotator about a task that is stored."""

    label: str | None
    status: Status
    created_at: datetime | None
    source: str


@dataclass(frozen=True)
class Reading:
    """How the tasks of one project are read.

    Attributes
    ----------
    batches
        Ids of the batches whose answers are wanted.
    controls
        Names of the control that asks for the class; of several tickets there may be several.
    people
        Their names by id.
    known
        All answers stored, as a table, or None.
    """

    project: int
    batches: Set[str]
    controls: Set[str]
    classes: Sequence[str]
    integer_ids: bool
    people: Mapping[int, str]
    known: Any = None

    def read(self, found: Sequence[Row]) -> Iterator[Annotation | Problem]:
        """Give what the tasks say that is not stored as the newest already, in the order of the tasks."""
        tasks = [(task, row) for task in found if (row := self._row(task)) is not None]
        stored = self._stored([row for _, row in tasks])
        for task, row in tasks:
            yield from self._read(task, row, stored.get((self._source(task), row), {}))

    def _row(self, task: Row) -> int | str | None:
        row = id_of(task["data"].get(KEY))
        fits = isinstance(row, int) == self.integer_ids and task["data"].get(BATCH) in self.batches
        return row if fits else None

    def _read(
        self, task: Row, row: int | str, stored: Mapping[str, Stored]
    ) -> Iterator[Annotation | Problem]:
        by_people = [a for a in task["annotations"] if a["updated_by"] is not None]
        newest: dict[str, Mapping[str, Any]] = {}
        for said in sorted(by_people, key=lambda a: (a["updated_at"], a["id"])):
            newest[self._annotator(said)] = said
        for annotator, said in newest.items():
            answer = self._answer(task, row, said)
            yield from self._news(task, answer, stored.get(annotator))
        for annotator, before in stored.items():
            if annotator not in newest and before.status is not Status.WITHDRAWN:
                yield self._taken_back(task, row, annotator, before)

    def _news(
        self, task: Row, answer: Annotation | Problem, before: Stored | None
    ) -> Iterator[Annotation | Problem]:
        if isinstance(answer, Problem) or before is None:
            yield answer
        elif (answer.label, answer.status) != (before.label, before.status):
            # An older answer stands again once a newer one was deleted; the deletion dates it.
            late = before.created_at and answer.created_at and answer.created_at <= before.created_at
            yield replace(answer, created_at=_time(task["updated_at"])) if late else answer

    def _answer(self, task: Row, row: int | str, said: Mapping[str, Any]) -> Annotation | Problem:
        source = f"{self._source(task)}/annotations/{said['id']}"
        label = None if said["was_cancelled"] else self._label(said["result"] or [])
        if label is not None and label not in self.classes:
            known = ", ".join(self.classes)
            return Problem(
                source, f"row {row!r} was given {label!r}, which is no class; the classes are {known}"
            )
        return Annotation(
            id=row,
            label=label,
            annotator=self._annotator(said),
            labeler=NAME,
            created_at=_time(said["updated_at"]),
            lead_time_s=said["lead_time"],
            status=Status.ABSTAINED if label is None else Status.LABELLED,
            source=source,
        )

    def _label(self, result: Sequence[Mapping[str, Any]]) -> str | None:
        """Give the choice; what was submitted without any is like a skip."""
        chosen = [item for item in result if item.get("type") == "choices"]
        ours = [item for item in chosen if item.get("from_name") in self.controls] or chosen
        labels = [label for item in ours for label in item.get("value", {}).get("choices", ())]
        return str(labels[0]) if len(labels) == 1 else " and ".join(map(str, labels)) or None

    def _taken_back(self, task: Row, row: int | str, annotator: str, before: Stored) -> Annotation:
        return Annotation(
            id=row,
            label=None,
            annotator=annotator,
            labeler=NAME,
            created_at=_time(task["updated_at"]),
            status=Status.WITHDRAWN,
            source=before.source,
        )

    def _annotator(self, said: Mapping[str, Any]) -> str:
        user = said["completed_by"]
        if user is None:
            return f"deleted user of annotation {said['id']}"
        return self.people.get(user) or f"user {user}"

    def _source(self, task: Row) -> str:
        return f"projects/{self.project}/tasks/{task['id']}"

    def _stored(self, rows: list[int | str]) -> dict[tuple[str, int | str], dict[str, Stored]]:
        """Give the newest stored answer by task and row, then by annotator."""
        found: dict[tuple[str, int | str], dict[str, Stored]] = {}
        if self.known is None:
            return found
        table = tables.about(self.known, rows)
        table = table.filter(pc.equal(table.column("labeler"), NAME))
        by_time = [("created_at", "ascending"), ("round", "ascending")]
        for row in table.take(pc.sort_indices(table, by_time)).to_pylist():
            task = row["source"].rpartition("/annotations/")[0]
            answer = Stored(row["label"], Status(row["status"]), row["created_at"], row["source"])
            # A task's id may have been another row's before, which was deleted.
            found.setdefault((task, row["id"]), {})[row["annotator"]] = answer
        return found


def newest_time(known: Any, project: int) -> datetime | None:
    """Give the time of the newest stored answer from a project, by the server's clock."""
    if known is None:
        return None
    mine = pc.and_(
        pc.equal(known.column("labeler"), NAME),
        pc.starts_with(known.column("source"), f"projects/{project}/"),
    )
    when: datetime | None = pc.max(known.filter(mine).column("created_at")).as_py()
    return when


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
