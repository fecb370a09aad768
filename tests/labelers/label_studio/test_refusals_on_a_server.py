"""Tokens, projects and interfaces that can not be used are told, with what to do, and nothing is sent."""

from __future__ import annotations

import pytest

from lamplighter.errors import LabelerError
from lamplighter.labelers.label_studio import access
from lamplighter.testing import labelers as contract
from tests.labelers.label_studio.desks import Campaign, made
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio_template import ANNOTATORS

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
_, BOB, CID = ANNOTATORS
ROWS = (1, 2, 3)
BATCH = contract.batch(rows=ROWS)
WITHOUT_EEL = """
<View><Text name="row" value="$text"/>
<Choices name="label" toName="row"><Choice value="cat"/><Choice value="dog"/></Choices></View>
"""
OWN = WITHOUT_EEL.replace("</Choices>", '<Choice value="eel"/></Choices>')


@pytest.fixture
def campaign(label_studio: Server) -> Campaign:
    return made(label_studio, ROWS)


@pytest.fixture
def expired(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every access token seem fresh for ever, and note what it was exchanged for."""
    exchanged: list[str] = []
    original = access.PersonalToken.header

    def header(self: access.PersonalToken) -> str:
        if self.access is None and not exchanged:
            self.access, self.until = "gone.stale.token", float("inf")
        exchanged.append(original(self))
        return exchanged[-1]

    monkeypatch.setattr(access.PersonalToken, "header", header)
    return exchanged


def test_a_personal_access_token_is_exchanged_and_renewed(label_studio: Server, expired: list[str]) -> None:
    campaign = made(label_studio, ROWS, token=label_studio.personal_token(BOB))
    ticket = campaign.dispatch(BATCH)
    assert expired[0] == "Bearer gone.stale.token"
    assert len(set(expired[1:])) == 1
    label_studio.annotate(campaign.task(1), "cat", by=BOB)
    assert [said.annotator for said in campaign.collect(ticket).annotations] == [BOB.email]


def test_a_revoked_personal_token_is_told(label_studio: Server) -> None:
    token = label_studio.personal_token(CID)
    campaign = made(label_studio, ROWS, token=token)
    campaign.dispatch(BATCH)
    label_studio.revoke(token, CID)
    with pytest.raises(LabelerError, match=r"refuses the personal access token.*make a new one") as refused:
        campaign.dispatch(BATCH)
    assert token not in str(refused.value)


def test_a_wrong_token_is_told_and_not_shown(label_studio: Server) -> None:
    campaign = made(label_studio, ROWS, token="0123456789abcdef-wrong")
    with pytest.raises(LabelerError, match=r"401: Invalid token.*check the token under Account") as refused:
        campaign.dispatch(BATCH)
    assert "0123456789abcdef-wrong" not in str(refused.value)


def test_a_project_is_made_once_and_found_again_without_the_store(campaign: Campaign) -> None:
    campaign.dispatch(BATCH)
    project = campaign.project
    campaign.store.objects.pop(f"labelers/label_studio/projects/{project:012d}.json")
    campaign.server.request(f"/api/projects/{project}", {"title": "Renamed"}, "PATCH")
    campaign.dispatch(BATCH)
    assert campaign.project == project
    assert campaign.ids() == list(ROWS)


def test_a_project_of_somebodys_own_is_used_if_it_asks_for_the_classes(label_studio: Server) -> None:
    project = label_studio.new_project("Own", OWN)
    campaign = made(label_studio, ROWS, project=project, columns=["text"])
    ticket = campaign.dispatch(BATCH)
    tasks = label_studio.tasks(project)
    assert [task["data"]["text"] for task in tasks] == ["text of 1", "text of 2", "text of 3"]
    label_studio.annotate(tasks[0]["id"], "eel", by=BOB)
    assert [said.label for said in campaign.collect(ticket).annotations] == ["eel"]


@pytest.mark.parametrize(
    ("settings", "params", "said"),
    [
        ({"label_config": WITHOUT_EEL}, {}, "Choices 'label' lacks \"eel\""),
        ({"label_config": OWN.replace("$text", "$body")}, {}, 'it shows "$body", which tasks do not have'),
        ({"label_config": OWN}, {"columns": ["size"]}, 'it shows "$text", which tasks do not have'),
        ({"label_config": OWN}, {"columns": ["body"]}, "columns names 'body'; pool.display has text, size"),
        ({"label_config": OWN}, {"annotators_per_row": 2}, "shows each task to 1 people"),
    ],
)
def test_a_project_that_does_not_fit_gets_no_task(
    label_studio: Server, settings: dict[str, str], params: dict[str, object], said: str
) -> None:
    project = int(label_studio.request("/api/projects", {"title": "Unfit", **settings})["id"])
    with pytest.raises(LabelerError) as refused:
        made(label_studio, ROWS, project=project, **params).dispatch(BATCH)
    assert said in str(refused.value)
    assert label_studio.tasks(project) == []


def test_a_project_that_is_not_there_is_told(label_studio: Server) -> None:
    with pytest.raises(LabelerError, match=r"has no project 999999.*create: true"):
        made(label_studio, ROWS, project=999999).dispatch(BATCH)


def test_choices_edited_meanwhile_stop_dispatch_and_not_collection(campaign: Campaign) -> None:
    ticket = campaign.dispatch(BATCH)
    config = campaign.server.request(f"/api/projects/{campaign.project}")["label_config"]
    edited = {"label_config": config.replace('"dog"', '"hound"')}
    campaign.server.request(f"/api/projects/{campaign.project}", edited, "PATCH")
    campaign.server.annotate(campaign.task(1), "hound", by=BOB)
    campaign.server.annotate(campaign.task(2), "cat", by=BOB)
    with pytest.raises(LabelerError, match='lacks "dog" and also has "hound", no class'):
        campaign.dispatch(BATCH)
    collected = campaign.collect(ticket)
    assert [said.id for said in collected.annotations] == [2]
    assert ["'hound', which is no class" in problem.what for problem in collected.problems] == [True]


def test_a_deleted_project_is_a_problem_to_collect_and_made_anew_by_dispatch(campaign: Campaign) -> None:
    ticket = campaign.dispatch(BATCH)
    gone = campaign.project
    campaign.server.request(f"/api/projects/{gone}", method="DELETE")
    collected = campaign.collect(ticket)
    assert [f"project {gone}" in problem.where for problem in collected.problems] == [True]
    assert campaign.labeler.refresh(BATCH.rows, [ticket], campaign.desk) == 0
    assert campaign.labeler.withdraw([1], [ticket], campaign.desk) == [1]
    assert campaign.labeler.finished(ticket, campaign.desk) is None
    again = campaign.dispatch(BATCH)
    assert campaign.project != gone
    campaign.server.annotate(campaign.task(3), "cat", by=BOB)
    collected = campaign.collect(ticket, again)
    assert [said.id for said in collected.annotations] == [3]
    assert len(collected.problems) == 1


def test_a_template_that_cannot_be_read_makes_no_project(label_studio: Server) -> None:
    campaign = made(label_studio, ROWS, template="nowhere.xml")
    with pytest.raises(LabelerError, match=r"template 'nowhere\.xml' cannot be read"):
        campaign.dispatch(BATCH)
    assert campaign.store.list("labelers/label_studio/projects/") == []
