"""What people are asked on a real server: which tasks, in what order, with which guesses, and by how many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lamplighter.labelers.base import Batch, Status
from lamplighter.testing import labelers as contract
from tests.labelers.label_studio.desks import Campaign, asked_again, made, rows_of
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio import Refused
from tests.servers.label_studio_template import ANNOTATORS, Person

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
ANN, BOB, CID = ANNOTATORS
ROWS = (5, 3, 9, 1, 7, -(2**63), 2**63 - 1)
BATCH = contract.batch(rows=ROWS)


@pytest.fixture
def campaign(label_studio: Server) -> Campaign:
    return made(label_studio, ROWS, chunk_rows=3)


def next_for(campaign: Campaign, person: Person) -> int | None:
    """Give the task that a person gets from the queue."""
    try:
        return int(campaign.server.request(f"/api/projects/{campaign.project}/next", by=person)["id"])
    except Refused as refused:
        if refused.status != 404:
            raise
        return None


def test_people_get_rows_in_their_order_of_priority_and_see_nothing_else(campaign: Campaign) -> None:
    campaign.dispatch(BATCH)
    assert campaign.ids() == list(ROWS)
    answered = []
    while (number := next_for(campaign, ANN)) is not None:
        campaign.server.annotate(number, "cat", by=ANN)
        answered.append(number)
    assert answered == [task["id"] for task in campaign.tasks()]
    ours = {"lamplighter_id", "lamplighter_batch", "lamplighter_campaign"}
    for task in campaign.tasks():
        assert set(task["data"]) == {"text", "size", *ours}
        assert task["meta"] == {}
    assert len({task["data"]["lamplighter_campaign"] for task in campaign.tasks()}) == 1


@pytest.mark.parametrize("columns", [(), ("text", "note")])
def test_rows_that_were_picked_when_other_columns_were_shown(
    label_studio: Server, columns: tuple[str, ...]
) -> None:
    """The first row, which goes back, is from before there was a note, and has a size instead."""
    campaign = made(label_studio, ROWS, columns=columns)
    first, *others = BATCH.rows
    now = [replace(row, display={"text": f"text of {row.id}", "note": "new"}) for row in others]
    campaign.dispatch(replace(BATCH, rows=(replace(first, display={"text": "old", "size": 0.5}), *now)))
    data = [task["data"] for task in campaign.tasks()]
    assert [(cells["text"], cells["note"]) for cells in data[:2]] == [("old", ""), ("text of 3", "new")]
    size = ["not sent"] * 2 if columns else [0.5, ""]
    assert [cells.get("size", "not sent") for cells in data[:2]] == size


def guesses(campaign: Campaign) -> list[tuple[str, float]]:
    """Give the one guess that each task shows."""
    shown = [task["predictions"] for task in campaign.tasks()]
    assert [len(found) for found in shown] == [1] * len(shown)
    return [(p["result"][0]["value"]["choices"][0], p["score"]) for (p,) in shown]


def test_tasks_come_with_the_models_guess(campaign: Campaign) -> None:
    campaign.dispatch(BATCH)
    assert guesses(campaign) == [(row.predicted, 0.5) for row in BATCH.rows]
    first = campaign.server.request(f"/api/projects/{campaign.project}/next", by=ANN)
    assert [p["result"][0]["value"]["choices"] for p in first["predictions"]] == [[BATCH.rows[0].predicted]]


def test_guesses_can_be_kept_from_people(label_studio: Server) -> None:
    campaign = made(label_studio, ROWS, show_prediction=False)
    ticket = campaign.dispatch(BATCH)
    assert campaign.labeler.refresh(BATCH.rows, [ticket], campaign.desk) == 0
    assert not any(task["predictions"] for task in campaign.tasks())


def test_lost_guesses_are_sent_again(campaign: Campaign) -> None:
    ticket = campaign.dispatch(BATCH)
    body = {"selectedItems": {"all": False, "included": [campaign.task(3), campaign.task(7)]}}
    path = f"/api/dm/actions?id=delete_tasks_predictions&project={campaign.project}"
    campaign.server.request(path, body)
    assert campaign.dispatch(BATCH) == ticket
    assert len(guesses(campaign)) == len(ROWS)


def test_what_waits_shows_the_newest_guess_alone(campaign: Campaign) -> None:
    ticket = campaign.dispatch(BATCH)
    campaign.server.annotate(campaign.task(5), "cat", by=ANN)
    foreign = {"task": campaign.task(9), "model_version": "theirs", "result": [], "score": 0.1}
    campaign.server.request(f"/api/projects/{campaign.project}/import/predictions", [foreign])
    rows = rows_of(BATCH, predicted="eel", proba=(0.1, 0.2, 0.7)).rows
    for _ in range(2):
        assert campaign.labeler.refresh(rows, [ticket], campaign.desk) == len(ROWS) - 1
        tasks = campaign.tasks()
        ours = [[p for p in t["predictions"] if p["model_version"] == "lamplighter"] for t in tasks]
        said = [(p["result"][0]["value"]["choices"], p["score"]) for (p,) in ours]
        assert said == [([BATCH.rows[0].predicted], 0.5), *[(["eel"], 0.7)] * (len(ROWS) - 1)]
        assert [len(task["predictions"]) for task in tasks] == [1, 1, 2, 1, 1, 1, 1]
    project = campaign.server.request(f"/api/projects/{campaign.project}")
    assert project["model_version"] == "lamplighter"


def test_a_refresh_that_changes_nothing_writes_nothing(campaign: Campaign) -> None:
    ticket = campaign.dispatch(BATCH)
    before = [task["predictions"] for task in campaign.tasks()]
    assert campaign.labeler.refresh(BATCH.rows, [ticket], campaign.desk) == len(ROWS)
    assert [[p["id"] for p in found] for found in before] == [
        [p["id"] for p in task["predictions"]] for task in campaign.tasks()
    ]


def test_rows_that_nobody_has_answered_can_be_taken_back(campaign: Campaign) -> None:
    ticket = campaign.dispatch(BATCH)
    campaign.server.annotate(campaign.task(5), "cat", by=ANN)
    campaign.server.skip(campaign.task(3), by=ANN)
    for _ in range(2):
        gone = campaign.labeler.withdraw([5, 3, 9, 1, 4], [ticket], campaign.desk)
        assert gone == [9, 1, 4]
        assert campaign.ids() == [5, 3, *ROWS[4:]]
    assert {said.status for said in campaign.collect(ticket).annotations} == {
        Status.LABELLED,
        Status.ABSTAINED,
    }
    again = replace(BATCH, id="later", round=5, rows=BATCH.rows[2:4])
    later = campaign.dispatch(again)
    assert campaign.ids() == [5, 3, *ROWS[4:], 9, 1]
    assert campaign.labeler.withdraw([9, 1], [ticket], campaign.desk) == [9, 1]
    assert campaign.labeler.withdraw([9, 1], [ticket, later], campaign.desk) == [9, 1]
    assert campaign.ids() == [5, 3, *ROWS[4:]]


def test_one_more_annotator_sees_the_same_task(campaign: Campaign) -> None:
    first = campaign.dispatch(BATCH)
    for row in ROWS:
        campaign.server.annotate(campaign.task(row), "cat", by=ANN)
    assert next_for(campaign, BOB) is None
    again = Batch("again", 4, BATCH.created_at, BATCH.classes, (asked_again(9, 2), asked_again(1, 3)))
    ticket = campaign.dispatch(again)
    assert campaign.dispatch(again) == ticket
    assert campaign.ids() == list(ROWS)
    assert campaign.labeler.finished(ticket, campaign.desk) is False
    for person in (ANN, BOB, CID):
        seen = []
        while (task := next_for(campaign, person)) is not None:
            seen.append(task)
            campaign.server.annotate(task, "dog", by=person)
        expected = {ANN: [], BOB: [campaign.task(9), campaign.task(1)], CID: [campaign.task(1)]}
        assert seen == expected[person]
    assert campaign.labeler.finished(ticket, campaign.desk) is True
    answers = campaign.collect(first, ticket).annotations
    assert sorted(said.annotator for said in answers if said.id == 1) == [ANN.email, BOB.email, CID.email]


def test_after_a_skip_one_more_annotator_is_asked_and_not_two(campaign: Campaign) -> None:
    campaign.dispatch(rows_of(BATCH, annotators=2))
    for row in ROWS:
        campaign.server.annotate(campaign.task(row), "cat", by=ANN)
        campaign.server.skip(campaign.task(row), by=BOB)
    campaign.dispatch(Batch("again", 4, BATCH.created_at, BATCH.classes, (asked_again(9, 3),)))
    assert [next_for(campaign, person) for person in (ANN, BOB)] == [None, None]
    assert next_for(campaign, CID) == campaign.task(9)
    (task,) = (task for task in campaign.tasks() if task["id"] == campaign.task(9))
    assert (task["overlap"], task["is_labeled"]) == (3, False)
    campaign.server.annotate(campaign.task(9), "dog", by=CID)
    (task,) = (task for task in campaign.tasks() if task["id"] == campaign.task(9))
    assert task["is_labeled"], "a fourth person would be asked"


def test_a_row_without_a_task_is_sent_for_the_people_that_it_lacks(campaign: Campaign) -> None:
    again = Batch("again", 4, BATCH.created_at, BATCH.classes, (asked_again(9, 3),))
    campaign.dispatch(again)
    campaign.dispatch(again)
    assert [(task["overlap"], task["is_labeled"]) for task in campaign.tasks()] == [(1, False)]


def test_rows_can_have_numbers_of_annotators_of_their_own(campaign: Campaign) -> None:
    rows = (replace(BATCH.rows[0], annotators=3), *BATCH.rows[1:3])
    ticket = campaign.dispatch(replace(BATCH, rows=rows))
    campaign.dispatch(replace(BATCH, id="next", rows=BATCH.rows[3:]))
    assert [task["overlap"] for task in campaign.tasks()] == [3, 1, 1, 1, 1, 1, 1]
    for row in ROWS[:3]:
        campaign.server.annotate(campaign.task(row), "cat", by=ANN)
    assert campaign.labeler.finished(ticket, campaign.desk) is False


def test_twins_of_a_task_are_removed_unless_somebody_answered_them(campaign: Campaign) -> None:
    campaign.dispatch(BATCH)
    tasks = campaign.tasks()
    twins = [{"data": tasks[number]["data"]} for number in (0, 0, 2)]
    path = f"/api/projects/{campaign.project}/import?return_task_ids=true"
    numbers = campaign.server.request(path, twins)["task_ids"]
    campaign.server.annotate(numbers[2], "cat", by=ANN)
    campaign.dispatch(BATCH)
    expected = [task["id"] for number, task in enumerate(tasks) if number != 2] + [numbers[2]]
    assert [task["id"] for task in campaign.tasks()] == expected
