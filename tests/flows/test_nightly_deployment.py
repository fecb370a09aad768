"""`prefect deploy --all`, a schedule, a worker: a round happens, and a second one never runs beside it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from lamplighter.driver import open_driver
from tests.campaigns import write_campaign, write_pool
from tests.servers.prefect import POOL, ROOT, PrefectServer, worker_running

pytestmark = [pytest.mark.prefect_server, pytest.mark.xdist_group("prefect")]


@pytest.mark.timeout(900)
def test_a_worker_runs_the_scheduled_round(prefect_api: PrefectServer, tmp_path: Path) -> None:
    write_pool(tmp_path, rows=300)
    campaign = write_campaign(tmp_path)
    deployed = prefect_api.deploy("labeling-round/nightly")
    _check_deployment(deployed)
    _schedule_every_minute(prefect_api, deployed, campaign)
    with worker_running(prefect_api, POOL, env={"LAMPLIGHTER_HOME": str(ROOT)}):
        run = _wait_for_scheduled_run(prefect_api, deployed["id"])
    prefect_api.request(f"/deployments/{deployed['id']}", {"paused": True}, method="PATCH")
    assert run["auto_scheduled"] is True
    assert run["parameters"]["campaign"] == campaign
    records = open_driver(campaign).history().records
    assert len(records) >= 1
    assert records[0].dispatch is not None
    assert records[0].dispatch.rows == 100


def _check_deployment(deployed: dict[str, Any]) -> None:
    assert deployed["entrypoint"] == "flows.labeling_round.labeling_round"
    assert deployed["schedules"][0]["schedule"]["cron"] == "0 2 * * *"
    assert deployed["schedules"][0]["schedule"]["timezone"]
    assert deployed["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert deployed["global_concurrency_limit"]["limit"] == 1
    form = deployed["parameter_openapi_schema"]
    assert form["required"] == ["campaign"]
    assert form["properties"]["campaign"]["minLength"] == 1
    assert "Path or URL" in form["properties"]["campaign"]["description"]


def _schedule_every_minute(server: PrefectServer, deployed: dict[str, Any], campaign: str) -> None:
    path = f"/deployments/{deployed['id']}"
    # Another test may have left it paused, and deploying again leaves that as it is.
    server.request(path, {"parameters": {"campaign": campaign}, "paused": False}, method="PATCH")
    nightly = deployed["schedules"][0]["id"]
    server.request(f"{path}/schedules/{nightly}", method="DELETE")
    server.request(
        f"{path}/schedules", [{"schedule": {"cron": "* * * * *", "timezone": "UTC"}, "active": True}]
    )


def _wait_for_scheduled_run(server: PrefectServer, deployment: str) -> dict[str, Any]:
    deadline = time.monotonic() + 600
    query = {"deployments": {"id": {"any_": [deployment]}}, "sort": "START_TIME_ASC"}
    while time.monotonic() < deadline:
        runs: list[dict[str, Any]] = server.request("/flow_runs/filter", query)
        # Other tests start runs of the same deployment by events.
        scheduled = [r for r in runs if r["auto_scheduled"]]
        done = [r for r in scheduled if r["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]
        if done:
            assert done[0]["state_type"] == "COMPLETED", _told(server, done[0])
            return done[0]
        time.sleep(1)
    told = "\n".join(_told(server, run) for run in runs)
    raise AssertionError(f"no run ended; the server's last words: {server.running.log()[-6000:]}\n{told}")


def _told(server: PrefectServer, run: dict[str, Any]) -> str:
    time.sleep(3)  # logs come a moment later
    query = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}
    lines = [line["message"] for line in server.request("/logs/filter", query)]
    return "\n".join([f"{run['name']}: {run['state_type']}: {run['state']['message']}", *lines])


def test_bad_parameters_are_refused_by_the_form(prefect_api: PrefectServer, tmp_path: Path) -> None:
    deployed = prefect_api.deploy("labeling-round/nightly")
    prefect_api.request(f"/deployments/{deployed['id']}", {"paused": True}, method="PATCH")
    with pytest.raises(OSError, match="409"):
        prefect_api.request(
            f"/deployments/{deployed['id']}/create_flow_run", {"parameters": {"campaign": ""}}
        )
