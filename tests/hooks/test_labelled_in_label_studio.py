"""A person answers the last row in a real Label Studio, and a round starts in a real Prefect."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from lamplighter.announcing import EVENT
from lamplighter.driver import open_driver
from lamplighter.hooks import SECRET
from lamplighter.steps import run_round
from tests.campaigns import write_campaign, write_pool
from tests.hooks.serving import SECRET as KNOWN
from tests.hooks.serving import wait_until
from tests.hooks.test_label_studio_webhooks import CONFIG
from tests.servers.label_studio import LabelStudio
from tests.servers.prefect import ROOT, PrefectServer

pytestmark = [
    pytest.mark.label_studio,
    pytest.mark.prefect_server,
    pytest.mark.xdist_group("prefect"),
]


@pytest.fixture
def project(label_studio: LabelStudio) -> Iterator[int]:
    made = label_studio.new_project("Fruit", CONFIG)
    yield made
    label_studio.request(f"/api/projects/{made}", method="DELETE")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def command(server: PrefectServer, file: str, said: Path) -> Iterator[str]:
    """Run the receiver as a user does; ends it as a user does."""
    url = f"http://127.0.0.1:{(port := free_port())}/"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lamplighter.cli", "hooks", file, "--port", str(port), "--register", url],
            env=server.environ | {SECRET: KNOWN},
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
        try:
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
    assert code == 0, said.read_text()


def looks(url: str) -> int:
    with suppress(httpx.TransportError):
        return int(httpx.get(f"{url}health", timeout=30).json()["looks"])
    return 0


def events_of(server: PrefectServer, name: str) -> list[dict[str, Any]]:
    wanted = {"event": {"name": [EVENT]}, "resource": {"id": [f"lamplighter.campaign.{name}"]}}
    found: list[dict[str, Any]] = server.request("/events/filter", {"filter": wanted})["events"]
    return found


@pytest.fixture
def campaign(
    label_studio: LabelStudio, project: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """Name and file of a campaign whose first batch waits in the project."""
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", label_studio.token)
    write_pool(tmp_path, rows=100)
    params = {"url": label_studio.url, "token": "${LABEL_STUDIO_TOKEN}", "project": project}
    labeler = {"name": "label_studio", "params": params}
    name = f"fruit-{uuid.uuid4().hex[:8]}"
    file = write_campaign(tmp_path, name=name, labeler=labeler, batch_size=3, evaluation={"holdout": 2})
    run_round(open_driver(file))
    return name, file


@pytest.mark.timeout(900)
def test_the_last_answer_is_announced(
    prefect_api: PrefectServer,
    label_studio: LabelStudio,
    *,
    project: int,
    campaign: tuple[str, str],
    tmp_path: Path,
) -> None:
    name, file = campaign
    *others, last = [task["id"] for task in label_studio.tasks(project)]
    with command(prefect_api, file, tmp_path / "said") as url:
        wait_until(lambda: looks(url) >= 1, "does not come up")
        for task in others:
            label_studio.annotate(task, "apple")
        wait_until(lambda: looks(url) >= 2, "Label Studio does not call")
        before = looks(url)
        label_studio.skip(last)  # whoever cannot tell has answered too
        wait_until(lambda: looks(url) > before, "Label Studio does not call")
        wait_until(lambda: len(events_of(prefect_api, name)) == 1, "no event")
    (event,) = events_of(prefect_api, name)
    assert (event["payload"]["rows"], event["payload"]["campaign"]) == (5, file)
    said = (tmp_path / "said").read_text()
    assert f"project {project}: created" in said
    assert "is not fully labelled" in said
    assert "of 5 rows is labelled: announced" in said
    assert KNOWN not in said
    assert os.environ["LABEL_STUDIO_TOKEN"] not in said
