"""What came back from one project since the last time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice

from lamplighter.labelers.base import Annotation, Cursor, Desk, Problem, Ticket
from lamplighter.labelers.label_studio.answers import INCLUDE, Reading, newest_time
from lamplighter.labelers.label_studio.client import Client, Gone
from lamplighter.labelers.label_studio.tasks import BATCH, KEY, Filter, Row, Tasks, where, without_twins

#: A change is dated before it can be seen; nothing takes longer to be written than this.
OVERLAP = timedelta(minutes=15)
_PART = 1000


@dataclass(frozen=True)
class Collecting:
    """One project's tasks, and the tickets of the batches that went to it.

    Attributes
    ----------
    mixed
        Whether stored answers may be from another server's project of the same number.
    """

    tasks: Tasks
    tickets: Sequence[Ticket]
    desk: Desk
    mixed: bool = False

    def answers(self, since: Cursor) -> Iterator[Annotation | Problem]:
        """Give what is new; one problem where the project is gone."""
        project, client = self.tasks.project, self.tasks.client
        try:
            client.read(f"/api/projects/{project}", include="id")
        except Gone:
            rows = sum(ticket.rows for ticket in self.tickets)
            yield Problem(
                f"project {project}",
                f"{client.host} has it no longer, or the token's owner may not see it; the answers about "
                f"{rows} rows sent to it that were not collected before are lost unless it is restored",
            )
            return
        yield from self._changed(self._reading(since), self._newest(since))

    def _newest(self, since: Cursor) -> datetime | None:
        """Give the time from which on there may be news; None: all is to be read."""
        if self.mixed:
            return None
        return newest_time(since.known, self.tasks.project) if since.known is not None else since.newest

    def _changed(self, reading: Reading, newest: datetime | None) -> Iterator[Annotation | Problem]:
        started = self.tasks.client.server_time
        seen: dict[int, Row] = {}
        filters = () if newest is None else (_changed_after(newest - OVERLAP),)
        yield from self._said(reading, filters, seen)
        if started and seen:
            # Reading takes a while; what was changed behind our back is read again.
            again = parsedate_to_datetime(started) - timedelta(minutes=1)
            yield from self._said(reading, (_changed_after(again),), seen)
        self._remove_twins(list(seen.values()))

    def _said(
        self, reading: Reading, filters: Sequence[Filter], seen: dict[int, Row]
    ) -> Iterator[Annotation | Problem]:
        """Give what tasks say that have changed since they were seen, a part of them at a time."""
        found = self.tasks.read(INCLUDE, *filters, everything=True)
        new = (t for t in found if t["id"] not in seen or seen[t["id"]]["updated_at"] != t["updated_at"])
        while part := list(islice(new, _PART)):
            seen |= {task["id"]: _facts(task) for task in part}
            yield from reading.read(part)

    def _remove_twins(self, seen: Sequence[Row]) -> None:
        """Delete unanswered twins: what was sent by a driver that was taken for dead can come very late."""
        batches = {ticket.batch for ticket in self.tickets}
        _, surplus = without_twins([task for task in seen if task["data"][BATCH] in batches])
        self.tasks.delete_unanswered(surplus)

    def _reading(self, since: Cursor) -> Reading:
        return Reading(
            project=self.tasks.project,
            batches={ticket.batch for ticket in self.tickets},
            controls={ticket.params["control"] for ticket in self.tickets},
            classes=self.desk.classes,
            integer_ids=self.desk.integer_ids,
            people=_people(self.tasks.client),
            known=since.known,
        )


def _facts(task: Row) -> Row:
    """Give what is remembered of a task that was read."""
    wanted = ("id", "updated_at", "total_annotations", "cancelled_annotations")
    keys = {name: task["data"].get(name) for name in (BATCH, KEY)}
    return {name: task[name] for name in wanted} | {"data": keys}


def by_project(tickets: Sequence[Ticket]) -> dict[int, list[Ticket]]:
    """Sort tickets by the project that their batches went to."""
    found: dict[int, list[Ticket]] = {}
    for ticket in tickets:
        if "project" in ticket.params:
            found.setdefault(ticket.params["project"], []).append(ticket)
    return found


@dataclass(frozen=True)
class Elsewhere:
    """Tickets of batches that went to a project of another server, of which this one has no task."""

    server: str
    project: int
    tickets: Sequence[Ticket]

    def problem(self, client: Client) -> Problem:
        """Say what is not collected, and what to do about it."""
        rows = sum(ticket.rows for ticket in self.tickets)
        return Problem(
            f"project {self.project} of {self.server}",
            f"{rows} rows were sent to it, and {client.host}, where url leads now, has none of their tasks; "
            f"what people answer there is not collected: set url back to {self.server} until they are done, "
            "or bring its projects over with their tasks",
        )


def by_server(
    client: Client, tickets: Sequence[Ticket], desk: Desk, mark: str
) -> tuple[list[Collecting], list[Elsewhere]]:
    """Sort tickets by project, and take those apart that are of another server.

    An address may change its name: where the tasks are, the server is the same. Tickets from before
    tickets kept the address are taken for this server's.
    """
    here: dict[int, list[Ticket]] = {}
    elsewhere: list[Elsewhere] = []
    for (server, project), mine in _by_place(tickets).items():
        if server in ("", client.address) or Tasks(client, project, mark).holds(t.batch for t in mine):
            here.setdefault(project, []).extend(mine)
        else:
            elsewhere.append(Elsewhere(server, project, mine))
    strange = {each.project for each in elsewhere}
    return [
        Collecting(Tasks(client, project, mark), sorted(mine, key=_round), desk, project in strange)
        for project, mine in here.items()
    ], elsewhere


def _by_place(tickets: Sequence[Ticket]) -> dict[tuple[str, int], list[Ticket]]:
    found: dict[tuple[str, int], list[Ticket]] = {}
    for project, mine in by_project(tickets).items():
        for ticket in mine:
            found.setdefault((ticket.params.get("server", ""), project), []).append(ticket)
    return found


def _round(ticket: Ticket) -> int:
    return ticket.round


def of_host(said: Annotation | Problem, client: Client) -> Annotation | Problem:
    """Let a problem say which server it is on."""
    if isinstance(said, Problem):
        return replace(said, where=f"{client.host}, {said.where}", what=client.scrubbed(said.what))
    return said


def _people(client: Client) -> dict[int, str]:
    listed = client.read("/api/users/")
    return {user["id"]: user["email"] or user["username"] for user in listed}


def _changed_after(moment: datetime) -> Filter:
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return where("updated_at", "greater", text, "Datetime")
