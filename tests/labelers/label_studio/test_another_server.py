"""When `url` leads to another server: project numbers mean nothing there, and no answer is silently left."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from lamplighter.labelers.base import Cursor, Ticket
from lamplighter.labelers.label_studio.client import Client, session
from lamplighter.labelers.wire import Patience
from lamplighter.steps.collect import newest
from lamplighter.testing import labelers as contract
from tests.labelers.label_studio.desks import Book, Campaign, made, rows_of
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio_template import ANNOTATORS

on_a_server = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
ANN, _, _ = ANNOTATORS
ROWS = (1, 2, 3)
BATCH = contract.batch(rows=ROWS)
OLD = "https://old.example.org/labels"
THEIRS = """
<View><Text name="row" value="$text"/><Choices name="label" toName="row">
<Choice value="cat"/><Choice value="dog"/><Choice value="eel"/></Choices></View>
"""


@pytest.fixture
def campaign(label_studio: Server) -> Campaign:
    return made(label_studio, ROWS)


@pytest.fixture
def theirs(label_studio: Server) -> int:
    """A project of somebody else, with a task; it would take ours."""
    project = label_studio.new_project("Alice's pets", THEIRS)
    label_studio.request(f"/api/projects/{project}/import", [{"text": "Rex"}])
    return project


def sent_elsewhere(ticket: Ticket, **params: Any) -> Ticket:
    """Give the ticket that a dispatch to another server would have left."""
    return replace(ticket, params={**ticket.params, "server": OLD, **params})


def without_server(ticket: Ticket) -> Ticket:
    """Give a ticket as they were before they kept the address."""
    return replace(ticket, params={k: v for k, v in ticket.params.items() if k != "server"})


class TestOnAServer:
    pytestmark = on_a_server

    def test_a_strangers_project_of_the_same_number_is_not_ours(
        self, campaign: Campaign, theirs: int
    ) -> None:
        key = f"labelers/label_studio/projects/{theirs:012d}.json"
        campaign.store.create(key, json.dumps({"project": theirs}).encode())
        ticket = campaign.dispatch(BATCH)
        assert ticket.params["project"] != theirs
        assert [task["data"]["text"] for task in campaign.server.tasks(theirs)] == ["Rex"]
        assert [t["data"]["lamplighter_id"] for t in campaign.server.tasks(ticket.params["project"])] == [
            "int:1",
            "int:2",
            "int:3",
        ]

    def test_the_project_is_known_by_its_tasks_where_its_description_is_new(self, campaign: Campaign) -> None:
        project = campaign.dispatch(BATCH).params["project"]
        campaign.server.request(f"/api/projects/{project}", {"description": "Pets"}, "PATCH")
        assert campaign.dispatch(contract.batch(4, (7, 8))).params["project"] == project

    def test_answers_on_another_server_are_told_and_the_others_collected(
        self, campaign: Campaign, theirs: int
    ) -> None:
        ticket = campaign.dispatch(BATCH)
        lost = replace(sent_elsewhere(ticket, project=theirs), batch="earlier", rows=20)
        gone = replace(sent_elsewhere(ticket, project=999_999), batch="earliest", rows=30)
        same = replace(sent_elsewhere(ticket), batch="before", rows=40)
        campaign.server.annotate(campaign.task(2), "dog", by=ANN)
        found = campaign.collect(lost, gone, same, ticket)
        assert [(said.id, said.label) for said in found.annotations] == [(2, "dog")]
        told = [(problem.where, problem.what.partition(" ")[0]) for problem in found.problems]
        mine = ticket.params["project"]
        assert sorted(told) == sorted(
            [
                (f"project {theirs} of {OLD}", "20"),
                (f"project 999999 of {OLD}", "30"),
                (f"project {mine} of {OLD}", "40"),
            ]
        )
        assert all(f"set url back to {OLD}" in problem.what for problem in found.problems)
        desk, people = campaign.desk, campaign.labeler
        with session(people.url, people.token, people.patience) as client:  # whose webhooks are ours to make
            assert people.projects_here(client, [lost, gone], desk) == set()
            assert people.projects_here(client, [lost, ticket], desk) == {mine}
        assert [campaign.labeler.finished(each, desk) for each in (lost, gone, same)] == [None] * 3
        assert campaign.labeler.refresh(rows_of(BATCH, predicted="eel").rows, [lost, gone], desk) == 0

    def test_an_address_that_only_changed_its_name_is_the_same_server(self, campaign: Campaign) -> None:
        ticket = campaign.dispatch(BATCH)
        assert ticket.params["server"] == campaign.server.url
        campaign.server.annotate(campaign.task(2), "dog", by=ANN)
        for before in (sent_elsewhere(ticket), without_server(ticket)):
            found = campaign.collect(before)
            assert ([said.id for said in found.annotations], found.problems) == ([2], [])
            assert campaign.labeler.finished(before, campaign.desk) is False
        assert campaign.labeler.withdraw([2, 3], [sent_elsewhere(ticket)], campaign.desk) == [3]

    def test_no_answer_is_missed_where_two_servers_have_a_project_of_one_number(
        self, campaign: Campaign
    ) -> None:
        """Answers of the other one are newer than what was answered here meanwhile."""
        ticket = campaign.dispatch(BATCH)
        book = Book(campaign, ticket)
        campaign.server.annotate(campaign.task(1), "dog", by=ANN)
        assert [said.id for said in book.collect()] == [1]
        late = book.table.column("created_at")[0].as_py().replace(year=2999)
        index = book.table.schema.get_field_index("created_at")
        field = book.table.schema.field("created_at")
        book.table = book.table.set_column(index, field, [[late]])
        campaign.server.annotate(campaign.task(2), "cat", by=ANN)
        other = replace(sent_elsewhere(ticket), batch="earlier")
        since = Cursor(9, newest(book.table), book.table)
        assert campaign.collect(ticket, since=since).annotations == []
        assert 2 in [said.id for said in campaign.collect(ticket, other, since=since).annotations]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("HTTPS://Labels.Example.org/LS/?key=s3cret#x", "https://labels.example.org/LS"),
        ("https://ann:s3cret@labels.example.org", "https://labels.example.org"),
    ],
)
def test_the_address_that_is_kept_holds_no_secret(url: str, address: str) -> None:
    with httpx.Client() as http:
        assert Client(http, url, "token", Patience()).address == address
