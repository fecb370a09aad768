"""Whatever goes wrong between us and a real server, each row is asked about once, and no answer is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamplighter.errors import LabelerError
from lamplighter.labelers.base import Batch, Ticket
from lamplighter.testing import labelers as contract
from tests.labelers.label_studio.crooked import FAULTS, Crooked, Fault
from tests.labelers.label_studio.desks import Campaign, asked_again, made, rows_of
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio_template import ANNOTATORS

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
ANN, _, _ = ANNOTATORS
ROWS = tuple(range(50, 41, -1))
BATCH = contract.batch(rows=ROWS)
IMPORT, GUESSES = "/import?", "/import/predictions"
LOST: tuple[Fault, ...] = ("cut while", "cut after", "502 after", "late")


@pytest.fixture
def crooked(label_studio: Server) -> Iterator[Crooked]:
    with Crooked(label_studio.url) as proxy:
        yield proxy


@pytest.fixture
def campaign(label_studio: Server, crooked: Crooked) -> Campaign:
    return made(label_studio, ROWS, url=crooked.url, chunk_rows=3, timeout_s=2.0, max_wait_s=0.2)


def insist(campaign: Campaign, batch: Batch = BATCH) -> Ticket:
    """Dispatch until it works, as whoever runs the round again does."""
    for _ in range(5):
        try:
            return campaign.dispatch(batch)
        except LabelerError:
            continue
    return campaign.dispatch(batch)


def check_sent(campaign: Campaign, rows: tuple[int, ...] = ROWS) -> None:
    """Each row has one task, in its order of priority, with one prediction."""
    tasks = campaign.tasks()
    assert campaign.ids() == list(rows)
    assert [len(task["predictions"]) for task in tasks] == [1] * len(rows)
    titles = campaign.server.request("/api/projects/?page_size=1000")["results"]
    mark = tasks[0]["data"]["lamplighter_campaign"]
    assert sum(mark in (project["description"] or "") for project in titles) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_an_import_that_goes_wrong(campaign: Campaign, crooked: Crooked, fault: Fault) -> None:
    crooked.play(IMPORT, fault, after=1)
    ticket = insist(campaign)
    assert crooked.played == [fault]
    check_sent(campaign)
    campaign.server.annotate(campaign.task(45), "dog", by=ANN)
    assert [(said.id, said.label) for said in campaign.collect(ticket).annotations] == [(45, "dog")]


@pytest.mark.parametrize("fault", ["cut while", "late"])
def test_every_import_goes_wrong_once(campaign: Campaign, crooked: Crooked, fault: Fault) -> None:
    for after in range(3):
        crooked.play(IMPORT, fault, after=after)
    insist(campaign)
    check_sent(campaign)


@pytest.mark.parametrize("fault", LOST)
def test_making_the_project_goes_wrong(campaign: Campaign, crooked: Crooked, fault: Fault) -> None:
    crooked.play("POST /api/projects/", fault)
    insist(campaign)
    assert crooked.played == [fault]
    check_sent(campaign)


@pytest.mark.parametrize("fault", ["cut after", "500 before", "garbage"])
def test_every_kind_of_look_goes_wrong(campaign: Campaign, crooked: Crooked, fault: Fault) -> None:
    ticket = campaign.dispatch(BATCH)
    campaign.server.annotate(campaign.task(45), "dog", by=ANN)
    for where in ("GET /api/projects/", "GET /api/tasks/", "GET /api/users/"):
        crooked.play(where, fault)
    campaign.dispatch(BATCH)
    assert [said.id for said in campaign.collect(ticket).annotations] == [45]
    assert crooked.played == [fault] * 3
    check_sent(campaign)


@pytest.mark.parametrize("fault", ["cut while", "late"])
def test_showing_new_guesses_goes_wrong(campaign: Campaign, crooked: Crooked, fault: Fault) -> None:
    ticket = campaign.dispatch(BATCH)
    rows = rows_of(BATCH, predicted="eel", proba=(0.1, 0.2, 0.7)).rows
    for where in (GUESSES, "delete_tasks_predictions"):
        crooked.play(where, fault)
    assert campaign.labeler.refresh(rows, [ticket], campaign.desk) == len(ROWS)
    # What came too late is put right by the next refresh.
    assert campaign.labeler.refresh(rows, [ticket], campaign.desk) == len(ROWS)
    check_sent(campaign)
    said = [task["predictions"][0]["result"][0]["value"]["choices"] for task in campaign.tasks()]
    assert said == [["eel"]] * len(ROWS)


@pytest.mark.parametrize("fault", ["cut after", "late"])
def test_asking_one_more_and_taking_back_goes_wrong(
    campaign: Campaign, crooked: Crooked, fault: Fault
) -> None:
    ticket = campaign.dispatch(BATCH)
    campaign.server.annotate(campaign.task(45), "dog", by=ANN)
    crooked.play("PATCH /api/tasks/", fault)
    insist(campaign, Batch("again", 4, BATCH.created_at, BATCH.classes, (asked_again(45, 2),)))
    crooked.play("delete_tasks", fault)
    assert campaign.labeler.withdraw([45, 46], [ticket], campaign.desk) == [46]
    check_sent(campaign, tuple(row for row in ROWS if row != 46))
    assert {task["overlap"] for task in campaign.tasks() if task["id"] == campaign.task(45)} == {2}


def test_a_server_that_is_gone_is_told_and_nothing_is_lost(label_studio: Server) -> None:
    with Crooked(label_studio.url) as proxy:
        campaign = made(label_studio, ROWS, url=proxy.url, attempts=2)
        proxy.play("/api/", "cut before", times=2)
        with pytest.raises(LabelerError, match=r"tried 2 times\); nothing is lost, run again later"):
            campaign.dispatch(BATCH)
        campaign.dispatch(BATCH)
    check_sent(campaign)
    with pytest.raises(LabelerError, match="cannot be reached"):
        campaign.dispatch(BATCH)


def test_drivers_that_both_think_they_are_alone(
    label_studio: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worst case: no claim holds one of them back.
    campaign = made(label_studio, ROWS, chunk_rows=3)
    twin = Campaign(campaign.server, campaign.labeler, store=campaign.store)
    campaign.dispatch(contract.batch(rows=ROWS[:1]))
    together = threading.Barrier(2)
    batch = contract.batch(4, ROWS)

    def dispatch(each: Campaign) -> Ticket:
        together.wait()
        return insist(each, batch)

    monkeypatch.setattr("lamplighter.labelers.label_studio.claims._freed", lambda *_: True)
    monkeypatch.setattr("lamplighter.labelers.label_studio.claims.Claim.check", lambda _: None)
    with ThreadPoolExecutor(2) as drivers:
        one, other = drivers.map(dispatch, (campaign, twin))
    assert one == other
    campaign.collect(one)
    sent = [
        t["data"]["lamplighter_id"] for t in campaign.tasks() if t["data"]["lamplighter_batch"] == batch.id
    ]
    assert sorted(sent) == sorted(f"int:{row}" for row in ROWS)
