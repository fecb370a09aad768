"""A real Label Studio calls the receiver when people answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
from lamplighter.steps import run_round
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


def test_a_project_that_the_first_dispatch_makes_is_found_then(
    label_studio: LabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", label_studio.token)
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    write_pool(tmp_path, rows=100)
    people = {"url": label_studio.url, "token": "${LABEL_STUDIO_TOKEN}", "create": True}
    stages = [
        {"name": "function", "params": {"path": "tests.labelers.rules:guess_fruit"}},
        {"name": "label_studio", "params": people},
    ]
    labeler = {"name": "route", "params": {"labelers": stages}}
    driver = open_driver(write_campaign(tmp_path, labeler=labeler, batch_size=3, evaluation={"holdout": 2}))
    check_registers(driver)
    callback = Callback(URL, SECRET.encode())
    assert register(driver, callback) == []
    run_round(driver)  # the holdout goes to people
    (changed,) = register(driver, callback)
    project = int(changed.split("project ")[1].split(":")[0])
    assert len(hooks_of(label_studio, project)) == 1
    label_studio.request(f"/api/projects/{project}", method="DELETE")


def test_a_project_that_is_not_there_is_said(
    label_studio: LabelStudio, project: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", label_studio.token)
    driver = open_driver(campaign_in(label_studio, project + 1000, tmp_path))
    with pytest.raises(LabelerError, match="webhooks"):
        register(driver, Callback(URL, SECRET.encode()))


class Careful(BaseHTTPRequestHandler):
    """A Label Studio as it is installed: it calls no private address."""

    def do_GET(self) -> None:
        self.say(200, [])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.say(403, {"detail": "URL resolves to a reserved network address (block: 127.0.0.0/8)"})

    def say(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_server_that_calls_no_private_address_is_explained() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Careful) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with (
                session(f"http://127.0.0.1:{server.server_port}", "token-1234", Patience()) as client,
                pytest.raises(LabelerError, match="SSRF_PROTECTION_ENABLED=false"),
            ):
                ensure_webhook(client, 1, URL, headers={HEADER: SECRET}, actions=ACTIONS)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("url", ["127.0.0.1:4300", "ftp://host/", "http://", "/hooks"])
def test_what_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no address that can be called"):
        Callback(url, SECRET.encode())


def test_other_labelers_have_no_webhooks_to_make(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="labeler 'people' has no webhooks"):
        check_registers(open_driver(campaign_of_people(tmp_path).file))
