"""The model's guesses, shown to annotators as predictions.

All carry one model version. A project shows the predictions of one version alone, so with a version a
round the tasks of earlier rounds would show none. What a guess says tells whether it is the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from lamplighter.errors import LabelerError
from lamplighter.labelers.base import BatchRow
from lamplighter.labelers.label_studio.client import Call, Unclear
from lamplighter.labelers.label_studio.label_config import Control
from lamplighter.labelers.label_studio.tasks import KEY, Filter, Row, Tasks, id_of, key_of, where

MODEL_VERSION = "lamplighter"
WITHOUT_GUESS = where("predictions_model_versions", "not_contains", [MODEL_VERSION], "List")
_INCLUDE = "id,data,predictions"
#: After an import of predictions the server counts those of the whole project: few large ones are faster.
_IMPORTED = 2500
_REMOVED = 500
_TRIES = 5


def guess_of(row: BatchRow, control: Control) -> dict[str, Any] | None:
    """Give a row's prediction as Label Studio takes it; None if the model has none."""
    if row.predicted is None:
        return None
    result = {"from_name": control.name, "to_name": control.shown, "type": "choices"}
    said: dict[str, Any] = {"result": [result | {"value": {"choices": [row.predicted]}}]}
    if row.proba:
        said["score"] = round(max(row.proba), 6)
    return {"model_version": MODEL_VERSION, **said}


@dataclass(frozen=True)
class Guesses:
    """What annotators are to be shown of some rows, by the key of the row."""

    tasks: Tasks
    wanted: Mapping[str, Mapping[str, Any]]

    @staticmethod
    def of(tasks: Tasks, rows: Iterable[BatchRow], control: Control) -> Guesses:
        """Give the guesses about rows."""
        said = {key_of(row.id): guess_of(row, control) for row in rows}
        return Guesses(tasks, {key: guess for key, guess in said.items() if guess is not None})

    def show(self, *filters: Filter) -> int:
        """Let the tasks that pass the filters show these guesses and no older ones; give how many do.

        Raises
        ------
        LabelerError
            After several tries some still show others.
        """
        for _ in range(_TRIES):
            shown, wrong = 0, list[Row]()
            for task in self.tasks.read(_INCLUDE, *filters, everything=True):
                if task["data"][KEY] in self.wanted:
                    shown += 1
                    wrong += [] if self._is_shown(task) else [task]
            if not wrong:
                return shown
            for first in range(0, len(wrong), _IMPORTED):
                self._replace(wrong[first : first + _IMPORTED])
        raise LabelerError(
            f"{len(wrong)} tasks of project {self.tasks.project} do not show their predictions, after "
            f"{_TRIES} tries; nothing is lost, run again later"
        )

    def _is_shown(self, task: Row) -> bool:
        found = _mine(task)
        return len(found) == 1 and _says(found[0]) == _says(self.wanted[task["data"][KEY]])

    def _replace(self, chunk: Sequence[Row]) -> None:
        self._remove(chunk)
        said = [{"task": task["id"], **self.wanted[task["data"][KEY]]} for task in chunk]
        call = Call("POST", f"/api/projects/{self.tasks.project}/import/predictions", body=said)
        try:
            self.tasks.client.once(call)
        except Unclear:
            self._wait_for(chunk)

    def _wait_for(self, chunk: Sequence[Row]) -> None:
        """Wait for an import that may be under way; sent again too early it would show twice."""
        until = monotonic() + self.tasks.client.settles_s
        ids, rows = {task["id"] for task in chunk}, [id_of(task["data"][KEY]) for task in chunk]
        while monotonic() < until:
            known = [row for row in rows if row is not None]
            there = self.tasks.about(_INCLUDE, known, everything=True)
            if all(self._is_shown(task) for task in there if task["id"] in ids):
                return
            sleep(0.5)

    def _remove(self, chunk: Sequence[Row]) -> None:
        """Remove our old predictions; all of a task at once where it has none of somebody else's."""
        whole = [task["id"] for task in chunk if _mine(task) and len(_mine(task)) == len(task["predictions"])]
        for first in range(0, len(whole), _REMOVED):
            chosen = {"all": False, "included": whole[first : first + _REMOVED]}
            self.tasks.act("delete_tasks_predictions", {"selectedItems": chosen})
        for prediction in _one_by_one(chunk):
            self.tasks.forget(prediction)


def choose(tasks: Tasks) -> None:
    """Let a project, which has some, show our predictions."""
    path = f"/api/projects/{tasks.project}/"
    if tasks.client.read(path, include="model_version")["model_version"] != MODEL_VERSION:
        tasks.client.insist(Call("PATCH", path, body={"model_version": MODEL_VERSION}))


def _one_by_one(chunk: Iterable[Row]) -> Iterator[int]:
    for task in chunk:
        mine = _mine(task)
        if len(mine) < len(task["predictions"]):
            yield from (prediction["id"] for prediction in mine)


def _mine(task: Row) -> list[Mapping[str, Any]]:
    return [p for p in task["predictions"] if p["model_version"] == MODEL_VERSION]


def _says(prediction: Mapping[str, Any]) -> tuple[object, ...]:
    said = [(r.get("from_name"), r.get("value", {}).get("choices")) for r in prediction["result"]]
    return (said, prediction.get("score"))
