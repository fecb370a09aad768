"""The flows against a real Prefect server: the chain, its names, logs and artifacts."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from lamplighter.config import load
from lamplighter.driver import open_driver
from lamplighter.errors import LamplighterError
from tests.campaigns import write_campaign, write_pool
from tests.servers.prefect import PrefectServer
from tests.steps.test_whole_rounds import spoil

pytestmark = [pytest.mark.prefect_server, pytest.mark.xdist_group("prefect")]
CHAIN = ["collect", "train", "evaluate", "score", "select", "dispatch", "commit", "publish"]
SECRET = "tok-9f8e7d6c5b"
ENDED = ("COMPLETED", "FAILED", "CRASHED")


@pytest.fixture
def campaign_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TRUTH_FOLDER", str(tmp_path))
    monkeypatch.setenv("SECRET_TOKEN", SECRET)
    write_pool(tmp_path, rows=400)
    labeler = {"name": "simulated", "params": {"labels": "${TRUTH_FOLDER}/truth.parquet"}}
    return write_campaign(tmp_path, labeler=labeler, budget={"rounds": 2})


def flow_run(server: PrefectServer, name: str) -> dict[str, Any]:
    found = server.request("/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})
    assert len(found) == 1, found
    run: dict[str, Any] = found[0]
    return run


def task_runs(server: PrefectServer, run_id: str) -> list[dict[str, Any]]:
    """Give a run's task runs once all have ended, which the server hears a moment after the flow has."""
    query = {"flow_runs": {"id": {"any_": [run_id]}}}

    def found() -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], server.request("/task_runs/filter", query))

    eventually(lambda: all(t["start_time"] and t["state_type"] in ENDED for t in found()))
    return sorted(found(), key=lambda t: t["start_time"])


def test_a_round_reads_as_the_chain_it_is(prefect_api: PrefectServer, campaign_file: str) -> None:
    from flows.labeling_round import Summary, labeling_round  # noqa: PLC0415 - reads settings on import

    name = Path(campaign_file).parent.name.replace("_", "-")
    told = load(campaign_file).model_copy(update={"name": name})
    Path(campaign_file).write_text(told.model_dump_json())

    first, second, third, fourth = (cast(Summary, labeling_round(campaign_file)) for _ in range(4))

    assert (first["round"], second["round"]) == (1, 2)
    assert second["metric"] > 0.5
    assert "budget" in third["stopped"]
    assert (third["ran"], fourth["ran"]) == (True, False)
    _check_graph(prefect_api, flow_run(prefect_api, f"{name}-round-00002"))
    _check_logs(prefect_api, flow_run(prefect_api, f"{name}-round-00002"))
    _check_artifacts(prefect_api, name)
    stopped = flow_run(prefect_api, f"{name}-round-00004")
    assert stopped["state"]["message"].startswith("Nothing to do: budget:")


def _check_graph(server: PrefectServer, run: dict[str, Any]) -> None:
    assert run["state_type"] == "COMPLETED"
    assert {"round:2"} < set(run["tags"])
    tasks = task_runs(server, run["id"])
    names = [t["name"].rsplit("-", 1)[0] for t in tasks]
    assert names == CHAIN
    for before, after in pairwise(tasks):
        parents = [p["id"] for inputs in after["task_inputs"].values() for p in inputs]
        assert set(parents) == {before["id"]}, f"{after['name']} should wait for {before['name']} alone"


def messages_of(server: PrefectServer, run: dict[str, Any], awaited: str, times: int = 1) -> list[str]:
    """Give what was logged in a run, once a line is there so many times: some comes a moment later."""
    query = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}

    def found() -> list[str]:
        return [line["message"] for line in server.request("/logs/filter", query)]

    eventually(lambda: sum(awaited in message for message in found()) >= times)
    return found()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds, at most a minute: whether it does is for the test to say."""
    until = time.monotonic() + 60
    while not holds() and time.monotonic() < until:
        time.sleep(0.2)


def _check_logs(server: PrefectServer, run: dict[str, Any]) -> None:
    messages = messages_of(server, run, ", round 2: commit done")
    assert any(message.endswith(", round 2: score done") for message in messages)
    assert not any(SECRET in message for message in messages)


def _check_artifacts(server: PrefectServer, name: str) -> None:
    found = server.request("/artifacts/latest/filter", {"artifacts": {"key": {"like_": f"{name}%"}}})
    by_key = {a["key"]: a for a in found}
    assert set(by_key) == {f"{name}-learning-curve", f"{name}-batch", f"{name}-report"}
    assert "data:image/png;base64," in by_key[f"{name}-learning-curve"]["data"]
    assert "rank" in by_key[f"{name}-batch"]["data"]


def test_a_campaign_runs_to_its_stop_beside_its_control(
    prefect_api: PrefectServer, campaign_file: str
) -> None:
    from flows.campaign import campaign  # noqa: PLC0415 - Prefect reads its settings on import

    folder = Path(campaign_file).parent
    control = write_campaign(
        folder, "control.yaml", name="fruit-random", strategy="random", store="control", budget={"rounds": 2}
    )
    rounds = campaign(campaign_file, control=control)
    assert [r["round"] for r in rounds] == [1, 2, 3]
    assert rounds[-1]["stopped"].startswith("budget")
    mine, others = (open_driver(c).history().records for c in (campaign_file, control))
    assert len(mine) == 3
    assert len(others) == 2
    # The same holdout, so that the two curves measure the same thing.
    assert mine[0].select is not None
    assert others[0].select is not None
    assert mine[0].select.holdout_below == others[0].select.holdout_below


def test_what_workers_log_reaches_the_run(prefect_api: PrefectServer, tmp_path: Path) -> None:
    from flows.labeling_round import labeling_round  # noqa: PLC0415 - Prefect reads its settings on import

    write_pool(tmp_path, rows=300)
    spoil(tmp_path / "pool" / "part-1000-0.parquet", rows=7)
    name = f"workers-{tmp_path.name.replace('_', '-')}"
    labeling_round(write_campaign(tmp_path, name=name, cluster={"workers": 1}))
    run = flow_run(prefect_api, f"{name}-round-00001")
    line = "7 of 150 rows left out"
    assert any(line in message for message in messages_of(prefect_api, run, line))


def test_a_labeler_that_waits_for_people_cannot_run_in_a_row(
    prefect_api: PrefectServer, tmp_path: Path
) -> None:
    from flows.campaign import campaign  # noqa: PLC0415 - Prefect reads its settings on import

    write_pool(tmp_path, rows=200)
    waiting = write_campaign(tmp_path, labeler={"name": "files"})
    with pytest.raises(ValueError, match="waits for people"):
        campaign(waiting)


def test_an_error_shows_no_secret(
    prefect_api: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.labeling_round import labeling_round  # noqa: PLC0415 - Prefect reads its settings on import

    monkeypatch.setenv("SECRET_FOLDER", SECRET)
    write_pool(tmp_path, rows=200)
    name = f"secret-{tmp_path.name.replace('_', '-')}"
    labeler = {"name": "simulated", "params": {"labels": "/nowhere/${SECRET_FOLDER}/truth.parquet"}}
    failing = write_campaign(tmp_path, name=name, labeler=labeler)
    labeling_round(failing)
    with pytest.raises(LamplighterError) as failure:
        labeling_round(failing)
    assert "***" in str(failure.value)
    assert SECRET not in str(failure.value)
    failed = flow_run(prefect_api, f"{name}-round-00002")
    assert failed["state_type"] == "FAILED"
    assert SECRET not in str(failed)
    assert not any(SECRET in str(task) for task in task_runs(prefect_api, failed["id"]))
