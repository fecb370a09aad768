"""A real Label Studio calls the receiver when people answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamplighter.driver import open_driver
from lamplighter.errors import ConfigError, LabelerError
from lamplighter.hook_registration import Callback, check_registers, register
from lamplighter.hooks import ACTIONS, HEADER
from lamplighter.labelers.label_studio.client import session
from lamplighter.labelers.label_studio.webhooks import ensure_webhook
from lamplighter.labelers.wire import Patience
from tests.campaigns import CLASSES, write_campaign, write_pool
from tests.hooks.people import campaign_of_people
from tests.hooks.serving import SECRET, receiving
from tests.servers.label_studio import LabelStudio

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
CHOICES = "".join(f'<Choice value="{name}"/>' for name in CLASSES)
CONFIG = f"""
<View><Text name="text" value="$text"/>
<Choices name="fruit" toName="text">{CHOICES}</Choices></View>
"""
URL = "http://127.0.0.1:9/"


@pytest.fixture
def project(label_studio: LabelStudio) -> Iterator[int]:
    made = label_studio.new_project("Fruit", CONFIG)
    yield made
    label_studio.request(f"/api/projects/{made}", method="DELETE")


def ensure(server: LabelStudio, project: int, url: str = URL, secret: str = SECRET) -> str:
    with session(server.url, server.token, Patience()) as client:
        return ensure_webhook(client, project, url, headers={HEADER: secret}, actions=ACTIONS)


def hooks_of(server: LabelStudio, project: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.request(f"/api/webhooks/?project={project}")
    return found


def test_a_webhook_is_made_once_and_kept_right(label_studio: LabelStudio, project: int) -> None:
    assert [ensure(label_studio, project) for _ in range(3)] == ["created", "as it was", "as it was"]
    assert ensure(label_studio, project, secret="another-secret-of-ours") == "updated"
    (hook,) = hooks_of(label_studio, project)
    assert hook["headers"] == {HEADER: "another-secret-of-ours"}
    assert sorted(hook["actions"]) == sorted(ACTIONS)
    label_studio.request(f"/api/webhooks/{hook['id']}/", {"is_active": False}, "PATCH")
    assert ensure(label_studio, project, secret="another-secret-of-ours") == "updated"
    assert ensure(label_studio, project, url="http://127.0.0.1:10/") == "created"
    assert [hook["is_active"] for hook in hooks_of(label_studio, project)] == [True, True]


def test_answers_edits_and_deletions_are_hints(
    label_studio: LabelStudio, project: int, tmp_path: Path
) -> None:
    task = label_studio.request(
        f"/api/projects/{project}/import?return_task_ids=true", [{"data": {"text": "round"}}]
    )["task_ids"][0]
    with receiving(campaign_of_people(tmp_path).file) as receiver:
        ensure(label_studio, project, receiver.url)
        answer = label_studio.annotate(task, "apple")
        receiver.wait_for_looks(2)
        label_studio.change(answer, "pear")
        receiver.wait_for_looks(3)
        label_studio.delete(answer)
        receiver.wait_for_looks(4)
        label_studio.skip(task)
        receiver.wait_for_looks(5)


def test_the_wrong_secret_is_no_hint(label_studio: LabelStudio, project: int, tmp_path: Path) -> None:
    task = label_studio.request(
        f"/api/projects/{project}/import?return_task_ids=true", [{"data": {"text": "round"}}]
    )["task_ids"][0]
    campaign = campaign_of_people(tmp_path)
    with receiving(campaign.file) as receiver:
        ensure(label_studio, project, receiver.url, secret="that-of-yesterday")
        asked = campaign.questions()
        label_studio.annotate(task, "apple")  # Label Studio has called when this is answered
        receiver.hook()
        receiver.wait_for_looks(2)
        assert campaign.questions() == asked + 1


def campaign_in(server: LabelStudio, project: int, folder: Path, **params: Any) -> str:
    write_pool(folder, rows=100)
    asked = {"url": server.url, "token": "${LABEL_STUDIO_TOKEN}", "project": project} | params
    labeler = {"name": "label_studio", "params": asked}
    return write_campaign(folder, labeler=labeler, batch_size=3, evaluation={"holdout": 2})


def test_the_project_of_a_campaign_is_registered(
    label_studio: LabelStudio, project: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", label_studio.token)
    driver = open_driver(campaign_in(label_studio, project, tmp_path))
    callback = Callback(URL, SECRET.encode())
    assert SECRET not in repr(callback)
    (changed,) = register(driver, callback)
    assert changed.endswith(f"project {project}: created")
    assert SECRET not in changed
    assert register(driver, callback) == []
    assert len(hooks_of(label_studio, project)) == 1


def test_a_project_that_is_not_there_is_said(
    label_studio: LabelStudio, project: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", label_studio.token)
    driver = open_driver(campaign_in(label_studio, project + 1000, tmp_path))
    with pytest.raises(LabelerError, match="webhooks"):
        register(driver, Callback(URL, SECRET.encode()))


@pytest.mark.parametrize("url", ["127.0.0.1:4300", "ftp://host/", "http://", "/hooks"])
def test_what_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no address that can be called"):
        Callback(url, SECRET.encode())


def test_other_labelers_have_no_webhooks_to_make(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="labeler 'people' has no webhooks"):
        check_registers(open_driver(campaign_of_people(tmp_path).file))
