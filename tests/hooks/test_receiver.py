"""The receiver over HTTP: whom it refuses, what it takes in, and that it stays up."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.hooks import listening
from lamplighter.cli.entry import run
from lamplighter.errors import ConfigError
from lamplighter.hooks import HEADER, LARGEST, SECRET, Pace
from tests.campaigns import write_campaign, write_pool
from tests.hooks.people import campaign_of_people
from tests.hooks.serving import SECRET as KNOWN
from tests.hooks.serving import receiving, wait_until


@pytest.mark.parametrize("given", [None, "", "wrong", KNOWN + "x", KNOWN[:-1], KNOWN.upper()])
def test_strangers_are_refused(tmp_path: Path, given: str | None, caplog: pytest.LogCaptureFixture) -> None:
    campaign = campaign_of_people(tmp_path)
    with receiving(campaign.file) as receiver:
        asked = campaign.questions()
        answers = [receiver.hook(secret=given) for _ in range(12)]
        receiver.hook()  # a look that a stranger caused would have begun before this one's
        receiver.wait_for_looks(2)
        assert campaign.questions() == asked + 1
    assert {answer.status_code for answer in answers} == {401}
    assert HEADER in answers[0].text
    refusals = [r.getMessage() for r in caplog.records if "refused" in r.getMessage()]
    assert len(refusals) == 2  # the 1st and the 10th
    assert KNOWN not in caplog.text


def test_what_is_no_webhook_is_refused(tmp_path: Path) -> None:
    with receiving(campaign_of_people(tmp_path).file) as receiver:
        assert receiver.hook(body=b"not JSON").status_code == 400
        assert receiver.hook(body=b"[]").status_code == 400
        assert receiver.hook(body=b"x" * (LARGEST + 1)).status_code == 413
        assert receiver.hook(secret="wrong", body=b"x" * (LARGEST + 1)).status_code == 401
        assert receiver.health().status_code == 200
        assert receiver.looks() == 1


def test_a_body_in_pieces_without_a_length_has_the_same_limit(tmp_path: Path) -> None:
    with receiving(campaign_of_people(tmp_path).file) as receiver:
        place = urlsplit(receiver.url)
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as line:
            head = f"POST / HTTP/1.1\r\nHost: x\r\n{HEADER}: {KNOWN}\r\nTransfer-Encoding: chunked\r\n\r\n"
            piece = b"x" * 2**20
            line.sendall(head.encode())
            for _ in range(LARGEST // len(piece) + 1):
                line.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            assert line.recv(100).startswith(b"HTTP/1.1 413")
        assert receiver.health().status_code == 200


def test_other_events_are_taken_and_lead_to_nothing(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path)
    with receiving(campaign.file) as receiver:
        asked = campaign.questions()
        for action in ("PROJECT_UPDATED", "TASKS_CREATED", "LABEL_LINK_CREATED", "WHAT_COMES_NEXT"):
            assert receiver.hook(action).status_code == 204
        receiver.hook("ANNOTATIONS_DELETED")
        receiver.wait_for_looks(2)
        assert campaign.questions() == asked + 1


def test_a_burst_is_one_question(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path)
    pace = Pace(quiet=1.0, longest=60, every=3600, retry=0.2)
    with receiving(campaign.file, pace) as receiver:
        asked = campaign.questions()
        with ThreadPoolExecutor(20) as people:
            answers = list(people.map(lambda _: receiver.hook().status_code, range(100)))
        assert answers == [204] * 100
        receiver.wait_for_looks(2)
        assert campaign.questions() == asked + 1


def test_a_labeler_that_is_down_is_asked_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    campaign = campaign_of_people(tmp_path)
    (tmp_path / "down").touch()
    with receiving(campaign.file) as receiver:
        wait_until(lambda: campaign.questions() >= 3, "not asked again")
        assert receiver.health().json()["unsettled"] >= 1
        (tmp_path / "down").unlink()
        wait_until(lambda: receiver.health().json()["unsettled"] == 0, "never settled")
    assert "could not look, and will again: LabelerError: the labeler is down" in caplog.text


def test_a_prefect_that_is_down_is_told_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    campaign = campaign_of_people(tmp_path)
    campaign.label()
    nobody = {PREFECT_API_URL: "http://127.0.0.1:9/api"}
    with temporary_settings(nobody), receiving(campaign.file) as receiver:
        receiver.wait_for_looks(2)
        assert receiver.hook().status_code == 204
        assert receiver.health().json()["unsettled"] >= 1
    assert "could not look, and will again" in caplog.text
    assert "http://127.0.0.1:9/api" in caplog.text


def test_it_looks_without_any_webhook(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path)
    with receiving(campaign.file, Pace(quiet=0.1, longest=0.5, every=0.2, retry=0.2)) as receiver:
        receiver.wait_for_looks(4)
    assert campaign.questions() >= 4


def test_an_error_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PLACE", "hidden-place-1234")
    campaign = campaign_of_people(tmp_path)
    labeler = {"name": "people", "params": {"folder": f"{tmp_path}/${{PLACE}}"}}  # is not there
    write_campaign(tmp_path, labeler=labeler, evaluation={"holdout": 20})
    with caplog.at_level(logging.INFO), receiving(campaign.file):
        wait_until(lambda: "could not look" in caplog.text, "nothing went wrong")
    assert "hidden-place" not in caplog.text


def test_a_port_that_is_taken_is_said() -> None:
    with listening("127.0.0.1", 0) as door:
        port = door.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1 port {port}: Address already in use; .*--port"):
            listening("127.0.0.1", port)


@pytest.fixture
def refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[str, pytest.CaptureFixture[str]]:
    """A campaign file that could be served, without the environment for it."""
    monkeypatch.delenv(SECRET, raising=False)
    write_pool(tmp_path, rows=50)
    labeler = {"name": "people", "params": {"folder": str(tmp_path)}}
    return write_campaign(tmp_path, labeler=labeler), capsys


def test_the_command_wants_a_secret_and_a_server(
    refusal: tuple[str, pytest.CaptureFixture[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, capsys = refusal
    assert run(["hooks", file]) == 2
    assert f"{SECRET} is not set" in capsys.readouterr().err
    monkeypatch.setenv("ANOTHER_ONE", KNOWN)
    assert run(["hooks", file, "--secret-env", "ANOTHER_ONE"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no Prefect server is named" in said
    assert KNOWN not in said


def test_the_command_wants_a_labeler_that_can_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SECRET, KNOWN)
    write_pool(tmp_path, rows=50)
    assert run(["hooks", write_campaign(tmp_path)]) == 2
    assert "labeler 'simulated' cannot tell" in " ".join(capsys.readouterr().err.split())
