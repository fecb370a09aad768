"""The project that a campaign's tasks go to: found, made once, and looked at before every dispatch."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from lamplighter.errors import KeyExists, KeyMissing, LabelerError, LabelerRefused, StoreUnavailable
from lamplighter.labelers.base import Desk
from lamplighter.labelers.label_studio.client import Call, Client, Gone, Unclear
from lamplighter.labelers.label_studio.label_config import Control, control_in
from lamplighter.labelers.label_studio.tasks import Tasks
from lamplighter.store.base import ObjectStore

_MARK = "labelers/label_studio/campaign.json"
_MADE = "labelers/label_studio/projects/"
_PAGE = 100


@dataclass(frozen=True)
class Project:
    """A project whose interface asks for the campaign's classes."""

    id: int
    control: Control
    annotations: int  #: people that see a task, unless the task says otherwise


@dataclass(frozen=True)
class Wanted:
    """What a project is to be like, where it is to be made."""

    title: str
    interface: str
    annotators: int
    instruction: str


def mark_of(desk: Desk) -> str:
    """Give what a campaign's tasks and project carry: two campaigns of one name have different ones."""
    said = json.dumps({"mark": f"{desk.campaign}-{uuid.uuid4().hex[:12]}"}).encode()
    try:
        desk.store.create(_MARK, said)
    except (KeyExists, StoreUnavailable):
        # A write whose answer was lost may have gone through.
        with suppress(KeyMissing):
            said = desk.store.get(_MARK)
            return str(json.loads(said)["mark"])
        raise
    return str(json.loads(said)["mark"])


def checked(client: Client, project: int, desk: Desk, keys: Collection[str]) -> Project:
    """Look at a project as it is now; raises LabelerError unless it asks for the classes."""
    try:
        found = client.read(f"/api/projects/{project}")
    except Gone:
        raise LabelerRefused(
            f"{client.host} has no project {project}, or the token's owner may not see it; give the number "
            "in its address (/projects/7/) as project, or create: true"
        ) from None
    name = f"the labeling interface of project {project} ('{found['title']}')"
    control = control_in(found["label_config"], desk.classes, keys, name)
    return Project(project, control, int(found["maximum_annotations"]))


def found_or_made(client: Client, desk: Desk, mark: str, wanted: Wanted) -> int:
    """Give the campaign's own project; it is made if there is none, or no longer.

    Only one driver may do this at a time.
    """
    for project in _made_before(desk.store):
        if _is_ours(client, mark, project):
            return project
    found = _marked(client, mark)
    project = found if found is not None else _make(client, mark, wanted)
    said = json.dumps({"project": project, "server": client.address}).encode()
    with suppress(KeyExists):
        desk.store.create(f"{_MADE}{project:012d}.json", said)
    return project


def _is_ours(client: Client, mark: str, project: int) -> bool:
    """Say whether a project is the campaign's: on another server its number is somebody else's.

    Its description tells, or its tasks where somebody has written another one.
    """
    with suppress(Gone):
        found = client.read(f"/api/projects/{project}", include="id,description")
        return _sign(mark) in (found.get("description") or "") or Tasks(client, project, mark).count() > 0
    return False


def _made_before(store: ObjectStore) -> Iterator[int]:
    for key in reversed(store.list(_MADE)):
        yield int(key.removeprefix(_MADE).removesuffix(".json"))


def _marked(client: Client, mark: str) -> int | None:
    """Give the oldest project whose description carries the mark."""
    page, found = 1, list[int]()
    while True:
        asked = {"page": page, "page_size": _PAGE, "include": "id,description"}
        listed = client.read("/api/projects/", **asked)
        found += [p["id"] for p in listed["results"] if _sign(mark) in (p.get("description") or "")]
        if not listed["next"]:
            return min(found, default=None)
        page += 1


def _make(client: Client, mark: str, wanted: Wanted) -> int:
    call = Call("POST", "/api/projects/", body=_settings(mark, wanted))
    for _ in range(client.patience.attempts):
        try:
            return int(client.once(call)["id"])
        except Unclear as unclear:
            why = str(unclear)
        until = monotonic() + client.settles_s
        while (found := _marked(client, mark)) is None and monotonic() < until:
            sleep(1.0)
        if found is not None:
            return found
    raise LabelerError(f"the project could not be made: {why}; nothing is lost, run again later")


def _settings(mark: str, wanted: Wanted) -> Mapping[str, Any]:
    return {
        "title": wanted.title,
        "description": f"Made by Lamplighter, which finds it by {_sign(mark)}: leave these words in.",
        "label_config": wanted.interface,
        "sampling": "Sequential sampling",  # by task id: the order in which tasks come is their priority
        "maximum_annotations": wanted.annotators,
        "overlap_cohort_percentage": 100,
        "skip_queue": "IGNORE_SKIPPED",  # a skip is an answer: the row is not asked again
        "show_skip_button": True,
        "show_collab_predictions": True,
        "expert_instruction": wanted.instruction,
        "show_instruction": bool(wanted.instruction),
    }


def _sign(mark: str) -> str:
    return f"[{mark}]"
