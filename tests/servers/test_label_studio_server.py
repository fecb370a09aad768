"""The Label Studio that tests use is the real one: it keeps what people did, through a kill as well."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.guard import is_alive
from tests.servers.label_studio import LabelStudio, Refused, label_studio_running
from tests.servers.label_studio_template import ADMIN, ANNOTATORS, KINDS, sql

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
ANN, BOB, _ = ANNOTATORS
CONFIG = """
<View><Text name="text" value="$text"/>
<Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices></View>
"""


@pytest.fixture(params=["label_studio", "label_studio_postgres"])
def server(request: pytest.FixtureRequest) -> LabelStudio:
    found: LabelStudio = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def project(server: LabelStudio) -> Iterator[int]:
    made = server.new_project("Moods", CONFIG)
    yield made
    server.request(f"/api/projects/{made}", method="DELETE")


def add(server: LabelStudio, project: int, *texts: str) -> list[int]:
    tasks = [{"data": {"text": text}} for text in texts]
    answer = server.request(f"/api/projects/{project}/import?return_task_ids=true", tasks)
    ids: list[int] = answer["task_ids"]
    return ids


def choices(server: LabelStudio, project: int) -> list[list[tuple[str, ...]]]:
    emails = {user["id"]: user["email"] for user in server.request("/api/users/")}
    return [
        [
            (emails[a["completed_by"]], *(choice for r in a["result"] for choice in r["value"]["choices"]))
            for a in sorted(task["annotations"], key=lambda a: int(a["id"]))
        ]
        for task in server.tasks(project)
    ]


def test_it_is_the_version_that_is_locked(server: LabelStudio) -> None:
    locked = Path(__file__).resolve().parents[2] / "requirements" / "labelstudio.in"
    version = server.request("/api/version")["release"]
    assert f"label-studio=={version}" in locked.read_text().splitlines()


def test_people_answer_change_skip_and_delete(server: LabelStudio, project: int) -> None:
    first, second, third = add(server, project, "fine", "awful", "?")
    server.annotate(first, "good", ANN, lead_time=3.25)
    changed = server.annotate(second, "good", BOB)
    server.change(changed, "bad", BOB)
    server.skip(third, ANN)
    server.delete(server.annotate(first, "bad", BOB))
    assert choices(server, project) == [
        [(ANN.email, "good")],
        [(BOB.email, "bad")],
        [(ANN.email,)],
    ]
    (answer,) = server.tasks(project)[0]["annotations"]
    assert (answer["lead_time"], answer["was_cancelled"]) == (3.25, False)
    assert [a["was_cancelled"] for a in server.tasks(project)[2]["annotations"]] == [True]


def test_a_personal_token_gives_access_until_it_is_revoked(server: LabelStudio) -> None:
    earlier = server.personal_token(ANN)
    token = server.personal_token(ANN)
    assert earlier != token
    assert server.request("/api/token/refresh/", {"refresh": token})["access"]
    server.revoke(token, ANN)
    for ended in (earlier, token):
        with pytest.raises(Refused, match="401"):
            server.request("/api/token/refresh/", {"refresh": ended})


@pytest.mark.fault
@pytest.mark.parametrize("database", KINDS)
def test_a_killed_server_comes_back_with_what_it_had(tmp_path: Path, database: str) -> None:
    with label_studio_running(tmp_path, database) as server:
        project = server.new_project("Moods", CONFIG)
        server.annotate(add(server, project, "fine")[0], "good", ANN)
        url, pid, token = server.url, server.running.pid, server.personal_token()
        server.kill()
        assert not is_alive(pid)
        with pytest.raises(OSError, match="refused"):
            server.request("/api/version")
        server.start()
        assert server.url == url
        assert choices(server, project) == [[(ANN.email, "good")]]
        # Its secret is part of its data: what it signed before the kill is still good.
        assert server.request("/api/token/refresh/", {"refresh": token})["access"]


def test_all_processes_of_a_session_share_one_server(label_studio: LabelStudio) -> None:
    with label_studio_running(label_studio.folder) as again:
        assert (again.running.pid, again.url) == (label_studio.running.pid, label_studio.url)
    assert not label_studio.running.ended


def test_on_a_busy_port_it_is_found_where_it_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        busy = stranger.getsockname()[1]
        monkeypatch.setattr("tests.servers.label_studio._free_port", lambda: busy)
        with label_studio_running(tmp_path) as server:
            assert not server.url.endswith(f":{busy}")
            assert server.request("/api/current-user/whoami")["email"] == ADMIN.email


def test_where_it_is_not_installed_tests_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.label_studio.installed_version", lambda: None)
    with (
        pytest.raises(pytest.skip.Exception, match=r"not installed.*run `make \.venv-labelstudio/done`"),
        label_studio_running(tmp_path),
    ):
        pytest.fail("it started")


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_of_another_version_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.label_studio_template.installed_version", lambda: "0.9")
    with pytest.raises(RuntimeError, match=r"was made by Label Studio \d+\.\d+\.\d+, but 0\.9 is installed"):
        sql(kind)


def test_nothing_was_migrated_at_start(server: LabelStudio) -> None:
    assert "Initializing database" not in server.log


def test_the_server_asks_nobody_for_advertisements(server: LabelStudio) -> None:
    with pytest.raises(Refused, match="404"):
        server.request("/heidi-tips/")
