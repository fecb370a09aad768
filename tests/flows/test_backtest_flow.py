"""The backtest against a real Prefect server: its name, progress, artifacts, and a run that goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import UnknownName
from tests.campaigns import write_campaign, write_pool
from tests.flows.test_rounds_under_prefect import flow_run, messages_of, task_runs
from tests.servers.prefect import PrefectServer

pytestmark = [pytest.mark.prefect_server, pytest.mark.xdist_group("prefect")]


@pytest.fixture
def campaign(tmp_path: Path) -> str:
    write_pool(tmp_path, rows=300)
    return write_campaign(tmp_path, name=f"Back_{tmp_path.name.replace('_', '-')}")


def artifacts(server: PrefectServer, run: dict[str, Any]) -> dict[str, Any]:
    """Give the data of a run's artifacts by what follows the campaign's name in their key."""
    query = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    found = server.request("/artifacts/filter", query)
    return {(a["key"] or a["type"]).rpartition("-backtest")[2]: a["data"] for a in found}


def test_a_backtest_and_what_a_run_shows_of_it(prefect_api: PrefectServer, campaign: str) -> None:
    from flows.backtest import backtest  # noqa: PLC0415 - Prefect reads its settings on import

    labels = str(Path(campaign).parent / "truth.parquet")
    told = backtest(campaign, labels, strategies=["margin"], seeds=2, rounds=3)
    name = load(campaign).name
    assert (told["campaign"], told["runs"]["wanted"], told["runs"]["new"]) == (name, 4, 4)
    assert told["use"] in ("margin", "random")

    run = flow_run(prefect_api, f"{name}-backtest")
    assert run["state_type"] == "COMPLETED"
    assert f"campaign:{name}" in run["tags"]
    assert [task["state_type"] for task in task_runs(prefect_api, run["id"])] == ["COMPLETED"]
    shown = artifacts(prefect_api, run)
    assert set(shown) == {"progress", "", "-strategies", "-report"}
    assert shown["progress"] == 100
    assert told["recommendation"].split(":")[0] in shown[""]
    assert "data:image/png;base64," in shown[""]
    assert [row["strategy"] for row in json.loads(shown["-strategies"])] in (
        ["margin", "random"],
        ["random", "margin"],
    )
    assert Path(told["report"]).as_uri() in shown["-report"]
    assert "margin" in Path(told["points"]).read_text("utf-8")
    messages = messages_of(prefect_api, run, "with seed", 4)
    assert sum("with seed" in message for message in messages) == 4
    # The campaign has not begun.
    assert not Driver(load(campaign)).store.list("campaign.json")


def test_a_second_run_makes_what_is_missing_alone(prefect_api: PrefectServer, campaign: str) -> None:
    from flows.backtest import backtest  # noqa: PLC0415 - Prefect reads its settings on import

    labels = str(Path(campaign).parent / "truth.parquet")
    asked: dict[str, Any] = {"strategies": ["margin"], "rounds": 2}
    assert backtest(campaign, labels, seeds=1, **asked)["runs"]["new"] == 2
    assert backtest(campaign, labels, seeds=2, **asked)["runs"]["new"] == 2
    assert backtest(campaign, labels, seeds=2, **asked)["runs"]["new"] == 0


def test_what_is_wrong_fails_the_run_at_once(prefect_api: PrefectServer, campaign: str) -> None:
    from flows.backtest import backtest  # noqa: PLC0415 - Prefect reads its settings on import

    labels = str(Path(campaign).parent / "truth.parquet")
    with pytest.raises(UnknownName, match="did you mean 'margin'"):
        backtest(campaign, labels, strategies=["margn"])
    run = flow_run(prefect_api, f"{load(campaign).name}-backtest")
    assert run["state_type"] == "FAILED"
    # Nobody waits for retries of what cannot succeed.
    assert [task["run_count"] for task in task_runs(prefect_api, run["id"])] == [1]


def test_the_form_of_the_deployment(prefect_api: PrefectServer) -> None:
    deployed = prefect_api.deploy("backtest/manual")
    assert deployed["schedules"] == []
    form = deployed["parameter_openapi_schema"]
    assert form["required"] == ["campaign", "labels"]
    assert form["properties"]["seeds"]["minimum"] == 1
    assert all(field["description"] for field in form["properties"].values())
    for wrong in ({}, {"labels": "x.parquet", "seeds": 0}, {"labels": "x.parquet", "test_share": 1}):
        with pytest.raises(OSError, match="409"):
            prefect_api.request(f"/deployments/{deployed['id']}/create_flow_run", {"parameters": wrong})
