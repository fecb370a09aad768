"""A batch's way into a project: in chunks, in order of priority, each row exactly once.

The server takes an import as a whole or not at all, but may be at it long after the connection is
gone, and a repeated one makes the same tasks again. So nothing is ever sent again without a look at
what is there. At the end everything is counted; where the counts are not as they should be, tasks that
lack are sent and those too many removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from lamplighter.errors import LabelerError
from lamplighter.labelers.label_studio.claims import Claim
from lamplighter.labelers.label_studio.client import Call, Unclear
from lamplighter.labelers.label_studio.tasks import BATCH, KEY, Row, Tasks, where, without_twins

_TRIES = 5
FACTS = "id,data,overlap,total_annotations,cancelled_annotations"


@dataclass(frozen=True)
class Sending:
    """One batch on its way."""

    tasks: Tasks
    claim: Claim
    batch: str
    chunk_rows: int

    def send(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Bring tasks into the project that are not there yet; raises LabelerError if that fails.

        Parameters
        ----------
        entries
            Tasks as they are imported, best first; `data` holds their keys.
        """
        if self.claim.inherited:
            self._settle()
        for _ in range(_TRIES):
            self._send_missing(entries)
            if self._is_complete(entries):
                return
        raise LabelerError(
            f"batch '{self.batch}' is not as it was sent, after {_TRIES} tries: project {self.tasks.project} "
            f"has {self._count()} tasks of its {len(entries)}; does somebody else change them? Run again"
        )

    def _send_missing(self, entries: Sequence[Mapping[str, Any]]) -> None:
        expected = 0
        waiting = list(entries)
        while waiting:
            if self._count() != expected:
                waiting = self._absent(waiting)
                expected = self._count()
            chunk, waiting = waiting[: self.chunk_rows], waiting[self.chunk_rows :]
            if chunk:
                self._import(chunk, expected)
            expected += len(chunk)

    def _import(self, chunk: Sequence[Mapping[str, Any]], before: int) -> None:
        for _ in range(_TRIES):
            self.claim.check()
            params = {"return_task_ids": "true"}
            call = Call("POST", f"/api/projects/{self.tasks.project}/import", params, chunk)
            try:
                self.tasks.client.once(call)
                return
            except Unclear as unclear:
                why = str(unclear)
            chunk = self._lacking(chunk, before)
            if not chunk:
                return
        raise LabelerError(
            f"{len(chunk)} tasks of batch '{self.batch}' could not be sent: {why}; nothing is lost, run again"
        )

    def _lacking(self, chunk: Sequence[Mapping[str, Any]], before: int) -> list[Mapping[str, Any]]:
        """Give what has not arrived, once it should have."""
        until = monotonic() + self.tasks.client.settles_s
        while self._count() < before + len(chunk) and monotonic() < until:
            sleep(0.5)
        return self._absent(chunk)

    def _settle(self) -> None:
        """Wait until the batch no longer grows: the last driver died, its import may be under way."""
        seen, since = self._count(), monotonic()
        while monotonic() - since < self.tasks.client.settles_s:
            sleep(0.5)
            now = self._count()
            seen, since = now, since if now == seen else monotonic()

    def _absent(self, entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        present = {task["data"][KEY] for task in self.found("id,data")}
        return [entry for entry in entries if entry["data"][KEY] not in present]

    def _is_complete(self, entries: Sequence[Mapping[str, Any]]) -> bool:
        """Say whether each task is there once; removes those too many."""
        if self._count() == len(entries):
            return True
        stay, surplus = without_twins(list(self.found(FACTS)))
        self.claim.check()
        self.tasks.delete_unanswered(surplus)
        return {task["data"][KEY] for task in stay} >= {entry["data"][KEY] for entry in entries}

    def found(self, include: str) -> Iterable[Row]:
        """Give the batch's tasks."""
        return self.tasks.read(include, where(f"data.{BATCH}", "equal", self.batch))

    def _count(self) -> int:
        return self.tasks.count(where(f"data.{BATCH}", "equal", self.batch))
