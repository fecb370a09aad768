"""`make labelstudio` from end to end: a person labels in the browser, and the next round learns from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
import yaml

from flows import label_studio_demo
from flows.label_studio_demo import TOKEN, Demo, settings, write_campaign, write_token
from flows.local_label_studio import LocalLabelStudio
from lamplighter.config import load
from lamplighter.driver import open_driver
from lamplighter.testing.datasets import DemoPool
from lamplighter.testing.digits import DIGITS
from tests.servers.browser import chromium, page_open
from tests.servers.label_studio import LabelStudio
from tests.servers.label_studio_pages import LabelingPage
from tests.servers.label_studio_template import ADMIN, ANNOTATORS
from tests.servers.prefect import PrefectServer

IN_BROWSER = 3


@pytest.fixture
def demo(
    label_studio: LabelStudio, prefect_api: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Demo]:
    monkeypatch.setenv(TOKEN, "")  # to be as it was, afterwards
    people = LocalLabelStudio(tmp_path, label_studio.url, ADMIN.password, ADMIN.token)
    write_token(tmp_path, ADMIN.token)
    made = Demo(write_campaign(tmp_path, label_studio.url), people, prefect_api.url)
    yield made
    label_studio.request(f"/api/projects/{number(made)}", method="DELETE")


def number(demo: Demo) -> int:
    return int(demo.project().split("/")[-2])


def truth(demo: Demo, task: dict[str, dict[str, str]]) -> str:
    """Give the digit that a task shows."""
    labels = pq.read_table(Path(demo.campaign).parent / "truth" / "labels.parquet")
    row = int(task["data"]["lamplighter_id"].partition(":")[2])
    label: str = labels["label"][row - 1].as_py()
    return label


def label_in_browser(demo: Demo, server: LabelStudio) -> None:
    with page_open() as watched:
        page = LabelingPage(watched.page, server, ANNOTATORS[0])
        page.log_in()
        page.open(number(demo))
        for _ in range(IN_BROWSER):
            assert page.task is not None
            digit = truth(demo, server.request(f"/api/tasks/{page.task}"))
            page.press(digit, digit)
            page.submit()
        assert watched.foreign_requests == watched.script_errors == []


def label_rest(demo: Demo, server: LabelStudio) -> None:
    for task in server.tasks(number(demo)):
        if not task["annotations"]:
            server.annotate(task["id"], truth(demo, task), ANNOTATORS[1])


@pytest.mark.label_studio
@pytest.mark.prefect_server
@pytest.mark.browser
@pytest.mark.xdist_group("label-studio")
@pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (apt-get install chromium)")
def test_what_is_labelled_in_the_browser_is_learned(
    demo: Demo, label_studio: LabelStudio, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.is_due()
    demo.round()
    assert not demo.is_due()
    assert demo.progress() == "0 of 50 tasks are labelled"
    label_in_browser(demo, label_studio)
    assert demo.progress() == f"{IN_BROWSER} of 50 tasks are labelled"
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        label_rest(demo, label_studio)

    demo.wait(nap)
    assert len(naps) == 1
    demo.round()

    record = open_driver(demo.campaign).history().records[-1]
    assert (record.round, record.collect.annotations_total) == (2, 50)
    assert record.evaluate.metric is not None
    assert record.evaluate.metric.value > 0.6  # of ten classes
    said = capsys.readouterr().out
    assert f"{label_studio.url}/projects/{number(demo)}/data" in said
    assert (Path(demo.campaign).parent / "store" / "reports" / "000002.html").exists()
    assert ADMIN.token not in said


def test_the_campaign_file_names_the_token_and_does_not_hold_it(tmp_path: Path) -> None:
    pool = DemoPool(tmp_path / "pool", tmp_path / "truth", DIGITS, 10)
    (tmp_path / "campaign.yaml").write_text(yaml.safe_dump(settings(pool, "http://127.0.0.1:8181")))
    campaign = load(str(tmp_path / "campaign.yaml"))
    assert campaign.labeler.params["token"] == "${LABEL_STUDIO_TOKEN}"
    assert campaign.classes == DIGITS


def test_the_token_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "")
    file = write_token(tmp_path, "abc")
    assert file.read_text() == "export LABEL_STUDIO_TOKEN=abc\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.environ[TOKEN] == "abc"


def test_a_server_that_is_away_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: Iterator[Exception | bool] = iter((httpx.ConnectError("refused"), False, True))

    def is_due(demo: Demo) -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Demo, "is_due", is_due)
    monkeypatch.setattr(Demo, "progress", lambda demo: "0 of 50 tasks are labelled")
    naps: list[float] = []
    people = LocalLabelStudio(tmp_path, "http://127.0.0.1:9", "password", "token")
    Demo("campaign.yaml", people, "").wait(naps.append)
    assert naps == [label_studio_demo.LOOK_S] * 2


def test_a_server_shows_no_secret_of_its_own(tmp_path: Path) -> None:
    assert "4711" not in repr(LocalLabelStudio(tmp_path, "http://127.0.0.1:9", "pw-4711", "tk-4711"))
