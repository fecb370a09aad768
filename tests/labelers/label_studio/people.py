"""People who label while things go wrong, and who remember what they said."""

from __future__ import annotations

import http.client
import random
import threading
import urllib.error
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from lamplighter.labelers.label_studio.tasks import id_of
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio import Refused
from tests.servers.label_studio_template import ANNOTATORS, Person

SKIPPED = "(skipped)"
#: A row and an annotator's e-mail address.
Key: TypeAlias = tuple[int, str]
_WENT_WRONG = (urllib.error.URLError, OSError, http.client.HTTPException)


class People(threading.Thread):
    """Answers, skips, edits and deletes at random, past whatever is under test.

    Attributes
    ----------
    said
        What each annotator thinks of each row in the end.
    unsaid
        What was said and deleted, and not said again.
    left
        Whose answers in a project that is gone may still stand, once later ones are deleted.
    touched
        Rows that anybody may have done something about.
    acts
        How often anybody did anything.
    most
        How often at most: the server has other things to do too.
    """

    def __init__(
        self, server: Server, project: Callable[[], int | None], draw: random.Random, classes: Sequence[str]
    ) -> None:
        super().__init__(daemon=True)
        self.server, self.project, self.draw = server, project, draw
        self.classes = list(classes)
        self.said: dict[Key, str] = {}
        self.unsaid: set[Key] = set()
        self.left: set[Key] = set()
        self._ever: set[Key] = set()
        self.acts, self.most = 0, 12
        self.touched: set[int] = set()
        self._answers: dict[Key, tuple[int, int]] = {}  # project and annotation
        self._unclear: set[Key] = set()
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Label until told to stop."""
        while not self._ended.wait(self.draw.uniform(0.05, 0.4)):
            if self.acts < self.most:
                with suppress(Refused, *_WENT_WRONG):
                    self.act()

    def act(self) -> None:
        """Do something about one or two tasks."""
        project = self.project()
        if project is None:
            return
        path = f"/api/tasks/?project={project}&page_size=1000&include=id,data"
        listed = self.server.request(path)["tasks"]
        for task in self.draw.sample(listed, min(2, len(listed))):
            with self._lock:
                self._act(project, task, self.draw.choice(ANNOTATORS[:2]))

    def stop(self) -> None:
        """Stop, and learn what became of acts that nobody answered for."""
        self._ended.set()
        self.join()
        project = self.project()
        seen = seen_on(self.server, project) if self._unclear and project is not None else {}
        for key in self._unclear:
            self.said.pop(key, None)
            self.said |= {key: seen[key]} if key in seen else {}
            self.unsaid.discard(key)

    def answer(self) -> None:
        """See to it that there is something to be collected."""
        for _ in range(20):
            if not self.said:
                self.act()

    def forget(self, project: int) -> None:
        """Expect nothing of a project that is gone; there is time for another."""
        with self._lock:
            self.most += 8
            for key, (where, _) in [*self._answers.items()]:
                if where == project:
                    del self._answers[key]
                    self.said.pop(key, None)
            self.left |= self._ever
            self._unclear.clear()
            self.unsaid.clear()

    def _act(self, project: int, task: dict[str, Any], person: Person) -> None:
        row = id_of(task["data"].get("lamplighter_id"))
        if not isinstance(row, int):
            return
        key = (row, person.email)
        self.touched.add(row)
        self._ever.add(key)
        try:
            self._do(key, project, task["id"], person)
            self.acts += 1
        except Refused as refused:
            if refused.status >= 500:
                self._unclear.add(key)
        except _WENT_WRONG:
            self._unclear.add(key)

    def _do(self, key: Key, project: int, task: int, person: Person) -> None:
        label, dice = self.draw.choice(self.classes), self.draw.random()
        before = self._answers.get(key)
        if before is None or before[0] != project:
            skips = dice < 0.15
            body = {"result": [] if skips else _result(label), "was_cancelled": skips, "lead_time": 2.5}
            made = self.server.request(f"/api/tasks/{task}/annotations/", body, by=person)
            self._answers[key] = (project, int(made["id"]))
            self.said[key] = SKIPPED if skips else label
            self.unsaid.discard(key)
        elif dice < 0.3:
            self.server.delete(before[1], by=person)
            del self._answers[key]
            self.said.pop(key, None)
            self.unsaid.add(key)
        elif self.said.get(key) not in {None, SKIPPED}:
            path = f"/api/annotations/{before[1]}"
            self.server.request(path, {"result": _result(label)}, "PATCH", by=person)
            self.said[key] = label


def _result(label: str) -> list[dict[str, Any]]:
    """Give a choice as the built-in interfaces submit it."""
    return [{"from_name": "label", "to_name": "row", "type": "choices", "value": {"choices": [label]}}]


def seen_on(server: Server, project: int) -> dict[Key, str]:
    """Give what each annotator thinks of each row, by what the server has."""
    names = {user["id"]: user["email"] for user in server.request("/api/users/")}
    answers = [
        (said["updated_at"], id_of(task["data"].get("lamplighter_id")), said)
        for task in server.tasks(project)
        for said in task["annotations"]
    ]
    return {
        (row, names[said["completed_by"]]): _choice(said)
        for _, row, said in sorted(answers, key=lambda each: str(each[0]))
        if isinstance(row, int)
    }


def _choice(said: dict[str, Any]) -> str:
    if said["was_cancelled"]:
        return SKIPPED
    return str(said["result"][0]["value"]["choices"][0])
