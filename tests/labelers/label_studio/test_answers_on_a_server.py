"""What people do on a real server is what is collected: answers, edits, skips and deletions, each once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lamplighter.labelers.base import Cursor, Status, Ticket
from lamplighter.testing import labelers as contract
from tests.labelers.label_studio.desks import Book, Campaign, made
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio_template import ADMIN, ANNOTATORS

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
ANN, BOB, CID = ANNOTATORS
ROWS = tuple(range(100, 106))


@pytest.fixture
def campaign(label_studio: Server) -> Campaign:
    return made(label_studio, ROWS, annotators_per_row=3)


@pytest.fixture
def ticket(campaign: Campaign) -> Ticket:
    return campaign.dispatch(contract.batch(rows=ROWS))


@pytest.fixture
def book(campaign: Campaign, ticket: Ticket) -> Book:
    return Book(campaign, ticket)


def test_an_answer_says_who_gave_it_when_and_how_long_it_took(campaign: Campaign, ticket: Ticket) -> None:
    before = datetime.now(UTC)
    number = campaign.server.annotate(campaign.task(102), "dog", by=ANN, lead_time=3.25)
    campaign.server.skip(campaign.task(103), by=ADMIN)
    answer, skip = campaign.collect(ticket).annotations
    assert (answer.id, answer.label, answer.status) == (102, "dog", Status.LABELLED)
    assert (answer.annotator, answer.labeler, answer.lead_time_s) == (ANN.email, "label_studio", 3.25)
    assert answer.source == f"projects/{campaign.project}/tasks/{campaign.task(102)}/annotations/{number}"
    assert answer.created_at is not None
    assert before - timedelta(seconds=2) < answer.created_at < datetime.now(UTC) + timedelta(seconds=2)
    assert (skip.id, skip.label, skip.status) == (103, None, Status.ABSTAINED)
    assert skip.annotator == ADMIN.email


def test_a_skip_counts_as_one_whatever_was_filled_in(campaign: Campaign, ticket: Ticket) -> None:
    task = campaign.task(101)
    result = [{"from_name": "label", "to_name": "row", "type": "choices", "value": {"choices": ["cat"]}}]
    said = {"result": result, "was_cancelled": True}
    campaign.server.request(f"/api/tasks/{task}/annotations/", said, by=ANN)
    (skip,) = campaign.collect(ticket).annotations
    assert (skip.label, skip.status) == (None, Status.ABSTAINED)


def test_edits_deletions_and_changes_of_mind_arrive_once_each(campaign: Campaign, book: Book) -> None:
    server, task = campaign.server, campaign.task(104)
    number = server.annotate(task, "cat", by=ANN)
    server.annotate(task, "dog", by=BOB)
    assert len(book.collect()) == 2
    assert book.collect() == []
    server.change(number, "eel", by=ANN)
    (edit,) = book.collect()
    assert (edit.label, edit.annotator) == ("eel", ANN.email)
    assert book.votes == {(104, ANN.email): "eel", (104, BOB.email): "dog"}
    server.delete(number, by=ANN)
    (back,) = book.collect()
    assert (back.status, back.annotator, back.label) == (Status.WITHDRAWN, ANN.email, None)
    assert book.votes == {(104, BOB.email): "dog"}
    assert book.collect() == []
    server.annotate(task, "cat", by=CID)
    assert [said.annotator for said in book.collect()] == [CID.email]
    server.annotate(task, "eel", by=ANN)
    book.collect()
    assert book.votes == {(104, ANN.email): "eel", (104, BOB.email): "dog", (104, CID.email): "cat"}


def test_an_edit_that_an_administrator_makes_stays_the_annotators(campaign: Campaign, book: Book) -> None:
    number = campaign.server.annotate(campaign.task(100), "cat", by=ANN)
    book.collect()
    campaign.server.change(number, "dog", by=ADMIN)
    book.collect()
    assert book.votes == {(100, ANN.email): "dog"}


def test_of_two_answers_the_newest_counts_and_the_older_again_once_that_is_deleted(
    campaign: Campaign, book: Book
) -> None:
    server, task = campaign.server, campaign.task(100)
    server.annotate(task, "cat", by=ANN)
    newer = server.annotate(task, "dog", by=ANN)
    book.collect()
    assert book.votes == {(100, ANN.email): "dog"}
    server.delete(newer, by=ANN)
    book.collect()
    assert book.votes == {(100, ANN.email): "cat"}
    assert book.collect() == []


def test_imported_annotations_count_only_once_somebody_edits_them(campaign: Campaign, book: Book) -> None:
    server, first = campaign.server, campaign.tasks()[0]
    result = [{"from_name": "label", "to_name": "row", "type": "choices", "value": {"choices": ["cat"]}}]
    imported = {"data": first["data"], "annotations": [{"result": result, "completed_by": 1}]}
    server.request(f"/api/projects/{campaign.project}/import", [imported])
    assert book.collect() == []
    server.change(campaign.tasks()[-1]["annotations"][0]["id"], "eel", by=BOB)
    assert [said.label for said in book.collect()] == ["eel"]


def test_drafts_do_not_count(campaign: Campaign, ticket: Ticket) -> None:
    result = [{"from_name": "label", "to_name": "row", "type": "choices", "value": {"choices": ["cat"]}}]
    campaign.server.request(f"/api/tasks/{campaign.task(100)}/drafts", {"result": result}, by=ANN)
    assert campaign.collect(ticket).annotations == []


def test_an_answer_that_is_no_class_is_reported_and_the_others_collected(
    campaign: Campaign, ticket: Ticket
) -> None:
    campaign.server.annotate(campaign.task(100), "feline", by=ANN)
    campaign.server.annotate(campaign.task(101), "cat", by=ANN)
    collected = campaign.collect(ticket)
    assert [said.id for said in collected.annotations] == [101]
    assert [problem.what for problem in collected.problems] == [
        "row 100 was given 'feline', which is no class; the classes are cat, dog, eel"
    ]


def test_only_what_changed_is_read(campaign: Campaign, ticket: Ticket) -> None:
    campaign.server.annotate(campaign.task(100), "cat", by=ANN)
    late = datetime.now(UTC) + timedelta(hours=1)
    assert campaign.collect(ticket, since=Cursor(9, late)).annotations == []
    just_now = datetime.now(UTC) + timedelta(minutes=10)
    assert len(campaign.collect(ticket, since=Cursor(9, just_now)).annotations) == 1


def test_campaigns_and_strangers_in_one_project_do_not_mix(label_studio: Server) -> None:
    one = made(label_studio, ROWS)
    ticket = one.dispatch(contract.batch(rows=ROWS))
    other = made(label_studio, ROWS, project=one.project)
    theirs = other.dispatch(contract.batch(rows=ROWS))
    label_studio.request(f"/api/projects/{one.project}/import", [{"data": {"text": "?", "size": 1}}])
    tasks = [task["id"] for task in one.tasks()]
    assert len(tasks) == 2 * len(ROWS) + 1
    for number, label in ((0, "cat"), (len(ROWS), "dog"), (-1, "eel")):
        label_studio.annotate(tasks[number], label, by=ANN)
    for campaign, sent, label in ((one, ticket, "cat"), (other, theirs, "dog")):
        (said,) = campaign.collect(sent).annotations
        assert (said.id, said.label) == (ROWS[0], label)


def test_a_batch_is_finished_once_all_have_answered_or_skipped(campaign: Campaign, ticket: Ticket) -> None:
    tasks = [task["id"] for task in campaign.tasks()]
    for person in (ANN, BOB):
        for task in tasks:
            campaign.server.annotate(task, "cat", by=person)
    assert campaign.labeler.finished(ticket, campaign.desk) is False
    for task in tasks[1:]:
        campaign.server.skip(task, by=CID)
    assert campaign.labeler.finished(ticket, campaign.desk) is False
    campaign.server.annotate(tasks[0], "cat", by=CID)
    assert campaign.labeler.finished(ticket, campaign.desk) is True


def test_a_task_that_comes_a_second_time_very_late_is_removed(campaign: Campaign, book: Book) -> None:
    first = campaign.tasks()[0]
    path = f"/api/projects/{campaign.project}/import"
    campaign.server.request(path, [{"data": first["data"]}, {"data": {"text": "?", "size": 1}}])
    campaign.server.annotate(first["id"], "cat", by=ANN)
    assert [said.label for said in book.collect()] == ["cat"]
    assert campaign.ids() == list(ROWS)
    assert len(campaign.tasks()) == len(ROWS) + 1
