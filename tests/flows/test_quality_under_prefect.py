"""Label quality in a real Prefect server: artifacts of the run, and one event when it falls."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamplighter.driver import open_driver
from lamplighter.label_quality import FELL, documents
from lamplighter.standing import Standing
from tests.quality_rounds.crews import crew
from tests.servers.prefect import PrefectServer

pytestmark = [pytest.mark.prefect_server, pytest.mark.xdist_group("prefect")]
LONGEST_S = 60


@pytest.fixture
def campaign_file(tmp_path: Path) -> str:
    """A campaign whose annotators err in one answer of four, which is too often for its bound."""
    labeler = {"labels": "truth.parquet", "noise": 0.25, "annotators": 2}
    crew(
        tmp_path,
        {"gold": {"url": "gold.parquet", "share": 0.5}, "alarm": {"gold": 0.95}},
        {},
        name=tmp_path.name.replace("_", "-"),
        labeler={"name": "simulated", "params": labeler},
    )
    return str(tmp_path / "campaign.yaml")


def eventually(find: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Ask again until something is there: events arrive a moment later."""
    until = time.monotonic() + LONGEST_S
    while not (found := find()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def events(server: PrefectServer, name: str, resource: str) -> list[dict[str, Any]]:
    wanted = {"event": {"name": [name]}, "resource": {"id": [resource]}}
    found: list[dict[str, Any]] = server.request("/events/filter", {"filter": wanted})["events"]
    return found


def last_publish(server: PrefectServer, run: str) -> str:
    query = {"flow_runs": {"name": {"any_": [run]}}, "task_runs": {"name": {"like_": "publish"}}}
    (found,) = eventually(lambda: server.request("/task_runs/filter", query))
    return f"prefect.task-run.{found['id']}"


def test_one_event_when_quality_falls_and_what_the_run_shows(
    prefect_api: PrefectServer, campaign_file: str
) -> None:
    from prefect import flow  # noqa: PLC0415 - Prefect reads its settings on import
    from prefect.utilities.annotations import quote  # noqa: PLC0415 - as below

    from flows.labeling_round import labeling_round  # noqa: PLC0415 - with the server's settings
    from tasks.publish import publish  # noqa: PLC0415 - with the server's settings

    driver = open_driver(campaign_file)
    name = driver.campaign.name
    for _ in range(2):
        labeling_round(campaign_file)
    flow(name="second-try")(lambda: publish(quote(driver), 2, wait_for=[]))()
    labeling_round(campaign_file)

    found = documents(Standing(driver, driver.history()))
    assert [len(found[number].alarms) for number in (2, 3)] == [1, 1]
    # Sent after whatever the last round had to tell, on the same wire.
    last = last_publish(prefect_api, f"{name}-round-00003")
    assert eventually(lambda: events(prefect_api, "prefect.task-run.Completed", last))
    (fell,) = events(prefect_api, FELL, f"lamplighter.campaign.{name}")
    alarm = found[2].alarms[0]
    assert fell["resource"]["prefect.resource.name"] == name
    assert fell["payload"] == {
        "round": 2,
        "measure": "gold",
        "what": "gold answers right",
        "value": round(alarm.value, 4),
        "bound": 0.95,
        "text": alarm.text,
    }
    _check_artifacts(prefect_api, name, alarm.text)


def _check_artifacts(server: PrefectServer, name: str, alarm: str) -> None:
    query = {"artifacts": {"key": {"like_": f"{name}-%"}}}
    by_key = {a["key"]: a for a in server.request("/artifacts/latest/filter", query)}
    shown = by_key[f"{name}-label-quality"]
    assert "Label quality, round 3" in shown["data"]
    assert "data:image/png;base64," in shown["data"]
    assert "below the bound of 0.95" in shown["data"]
    assert alarm.split(" is ", maxsplit=1)[0] in shown["data"]
    assert "gold right" in by_key[f"{name}-annotators"]["data"]
