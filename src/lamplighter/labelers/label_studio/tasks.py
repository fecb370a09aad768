"""The tasks of a campaign in a project: what they hold, and how they are found.

A task's data holds the display columns and three keys of ours. Nothing else ties it to its row: task
ids are used anew after a deletion where the server runs on SQLite.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from lamplighter.labelers.base import BatchRow
from lamplighter.labelers.label_studio.client import Call, Client, Gone
from lamplighter.labelers.label_studio.label_config import Control
from lamplighter.labelers.label_studio.templates import ROW
from lamplighter.labelers.sheets import plain

CAMPAIGN = "lamplighter_campaign"
BATCH = "lamplighter_batch"
KEY = "lamplighter_id"
OURS = frozenset({CAMPAIGN, BATCH, KEY, ROW})

#: Proxies in front of a server often refuse addresses of more than 4 or 8 KiB.
_MOST_QUERY = 2500
_PAGE = 250

Filter: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]


def key_of(row_id: int | str) -> str:
    """Write an id so that 7 and "7" differ."""
    return f"int:{row_id}" if isinstance(row_id, int) else f"str:{row_id}"


def id_of(key: object) -> int | str | None:
    """Read what `key_of` wrote; None if it did not."""
    kind, colon, text = key.partition(":") if isinstance(key, str) else ("", "", "")
    if kind == "str" and colon:
        return text
    try:
        return int(text) if kind == "int" and key == f"int:{int(text)}" else None
    except ValueError:
        return None


def data_of(row: BatchRow, control: Control, keys: Mapping[str, str], columns: Sequence[str]) -> Row:
    """Give a row as a task's data; nothing says what it is wanted for.

    A row that goes back may be from before a column was shown, which is then empty.
    """
    shown = {name: row.display.get(name) for name in columns}
    data = {name: _showable(value) for name, value in shown.items()}
    if ROW in control.variables:
        data[ROW] = {name: plain(value) for name, value in shown.items()}
    return {**data, **keys, KEY: key_of(row.id)}


def _showable(value: Any) -> Any:
    """Give a value as the tags of an interface take it; a null would be refused with its whole chunk."""
    value = plain(value)
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return value


# Finding


def where(name: str, operator: str, value: Any, kind: str = "String") -> Filter:
    """Give a filter of tasks."""
    return {"filter": f"filter:tasks:{name}", "operator": operator, "type": kind, "value": value}


UNANSWERED: tuple[Filter, ...] = (
    where("total_annotations", "equal", 0, "Number"),
    where("cancelled_annotations", "equal", 0, "Number"),
)


@dataclass(frozen=True)
class Tasks:
    """The tasks of one campaign in one project.

    Attributes
    ----------
    mark
        What the campaign's tasks carry; another campaign's never do.
    """

    client: Client
    project: int
    mark: str

    def count(self, *filters: Filter) -> int:
        """Count tasks."""
        return int(self._page(filters, {"page_size": 1, "include": "id"})["total"])

    def holds(self, batches: Iterable[str]) -> bool:
        """Say whether the project has a task of any of these batches; False where there is no project."""
        with suppress(Gone):
            return any(self.count(where(f"data.{BATCH}", "in_list", w, "List")) for w in _windows([*batches]))
        return False

    def read(self, include: str, *filters: Filter, everything: bool = False) -> Iterator[Row]:
        """Give tasks in the order of their ids.

        Each page begins after the last id: what changes meanwhile moves no task from one page to
        another. `everything` is for annotations and predictions.
        """
        last = 0
        wanted = {"page_size": _PAGE, "include": include, "fields": "all" if everything else "task_only"}
        while True:
            page = self._page((*filters, where("id", "greater", last, "Number")), wanted)
            yield from page["tasks"]
            if not page["tasks"] or len(page["tasks"]) >= page["total"]:
                return
            last = page["tasks"][-1]["id"]

    def about(
        self, include: str, ids: Iterable[int | str], *filters: Filter, everything: bool = False
    ) -> Iterator[Row]:
        """Give the tasks of some rows."""
        for window in _windows([key_of(row_id) for row_id in ids]):
            chosen = where(f"data.{KEY}", "in_list", window, "List")
            yield from self.read(include, chosen, *filters, everything=everything)

    def _page(self, filters: Iterable[Filter], params: Mapping[str, Any]) -> Any:
        mine = where(f"data.{CAMPAIGN}", "equal", self.mark)
        query = json.dumps({"filters": {"conjunction": "and", "items": [mine, *filters]}}, ensure_ascii=False)
        asked = {"project": self.project, "query": query, "resolve_uri": "false", **params}
        return self.client.read("/api/tasks/", **asked)

    # Changing

    def delete_unanswered(self, ids: Sequence[int]) -> None:
        """Delete tasks, unless somebody has answered: the server looks when it deletes."""
        for first in range(0, len(ids), 1000):
            chosen = {"all": False, "included": list(ids[first : first + 1000])}
            filters = {"conjunction": "and", "items": list(UNANSWERED)}
            self.act("delete_tasks", {"selectedItems": chosen, "filters": filters})

    def act(self, name: str, body: Mapping[str, Any]) -> None:
        """Do an action of the data manager that can be repeated."""
        params = {"id": name, "project": self.project}
        self.client.insist(Call("POST", "/api/dm/actions", params, body))

    def forget(self, prediction: int) -> None:
        """Delete a prediction, unless it is gone."""
        with suppress(Gone):
            self.client.insist(Call("DELETE", f"/api/predictions/{prediction}/"))

    def ask_more(self, task: Row, people: int) -> None:
        """Let so many people see a task; one that was finished is handed out again."""
        answered = task["total_annotations"] + task["cancelled_annotations"]
        body = {"overlap": people, "is_labeled": answered >= people}
        self.client.insist(Call("PATCH", f"/api/tasks/{task['id']}", body=body))


def without_twins(found: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """Part tasks into those that stay, and the ids of unanswered ones that a batch has twice.

    Of several that nobody has answered the one with the lowest id stays; with an answered one, none.
    """
    there = {_of(task) for task in found if is_answered(task)}
    stay: list[Row] = []
    surplus: list[int] = []
    for task in sorted(found, key=lambda task: int(task["id"])):
        if not is_answered(task) and _of(task) in there:
            surplus.append(task["id"])
        else:
            there.add(_of(task))
            stay.append(task)
    return stay, surplus


def _of(task: Row) -> tuple[object, object]:
    return task["data"].get(BATCH), task["data"].get(KEY)


def is_answered(task: Row) -> bool:
    """Say whether somebody has answered or skipped a task."""
    return bool(task["total_annotations"] or task["cancelled_annotations"])


def _windows(keys: Sequence[str]) -> Iterator[list[str]]:
    """Part keys so that each part fits into an address."""
    window: list[str] = []
    size = 0
    for key in keys:
        needed = len(quote(json.dumps(key, ensure_ascii=False))) + 6
        if window and size + needed > _MOST_QUERY:
            yield window
            window, size = [], 0
        window.append(key)
        size += needed
    if window:
        yield window
