"""The Prefect server that the tests share: it answers, its pages stay on this machine, a worker works."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.browser import WatchedPage, chromium
from tests.servers.guard import is_alive
from tests.servers.prefect import PrefectServer, worker_running

pytestmark = [pytest.mark.prefect_server, pytest.mark.xdist_group("prefect")]


def test_it_answers_on_loopback_with_the_pinned_version(prefect_server: PrefectServer) -> None:
    assert prefect_server.url.startswith("http://127.0.0.1:")
    assert prefect_server.request("/admin/version") == "3.8.8"
    # Were it to listen on all addresses, the next loopback address would be taken too.
    with socket.socket() as other:
        other.bind(("127.0.0.2", int(prefect_server.url.rpartition(":")[2])))


def test_a_flow_in_this_process_reports_to_it(prefect_api: PrefectServer) -> None:
    from prefect import flow  # noqa: PLC0415 - takes seconds, and reads the environment

    @flow
    def says_hello() -> int:
        return 7

    assert says_hello() == 7
    runs = prefect_api.request("/flow_runs/filter", {"flows": {"name": {"any_": ["says-hello"]}}})
    assert [run["state_type"] for run in runs] == ["COMPLETED"]


def test_a_worker_polls_and_is_gone_afterwards(prefect_server: PrefectServer) -> None:
    with worker_running(prefect_server, "servers-test") as worker:
        pid = worker.pid
        assert prefect_server.request("/work_pools/servers-test")["type"] == "process"
        assert is_alive(pid)
    assert not is_alive(pid)


def test_its_settings_reach_child_processes(
    prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    script = "import prefect.settings as s; print(s.PREFECT_API_URL.value(), s.PREFECT_HOME.value())"
    shown = subprocess.run(
        [sys.executable, "-c", script],
        env=prefect_server.environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.split() == [prefect_server.api_url, str(prefect_server.home)]


def test_the_home_of_whoever_runs_the_tests_is_left_alone(prefect_server: PrefectServer) -> None:
    assert prefect_server.home != Path.home() / ".prefect"
    assert prefect_server.running.facts["url"] == prefect_server.url
    assert os.environ.get("PREFECT_API_URL") != prefect_server.api_url


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (apt-get install chromium)")
def test_its_pages_open_without_the_internet(
    prefect_server: PrefectServer, browser_page: WatchedPage
) -> None:
    browser_page.page.goto(f"{prefect_server.url}/dashboard", wait_until="networkidle")
    browser_page.page.get_by_text("Flow Runs", exact=False).first.wait_for()
    browser_page.check()
