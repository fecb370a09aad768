"""The deployment and the automations, as files. A real server takes them in tests/flows."""

from __future__ import annotations

import asyncio
import importlib.util
import runpy
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture

from lamplighter.config import load
from tests.docker.files import AUTOMATIONS, COMPOSE, PREFECT, ROOT, parsed

DEPLOYMENTS = parsed(PREFECT)["deployments"]
NIGHTLY = DEPLOYMENTS[0]
HEARTBEAT_S = int(
    parsed(COMPOSE)["services"]["prefect-worker"]["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
)


SCRIPT = runpy.run_path(str(ROOT / "deployments" / "apply_automations.py"))


@dataclass
class Server:
    """As much of a Prefect client as the script uses, over automations in memory."""

    there: list[Automation] = field(default_factory=list)
    updated: list[AutomationCore] = field(default_factory=list)

    async def read_automations_by_name(self, name: str) -> list[Automation]:
        return [each for each in self.there if each.name == name]

    async def create_automation(self, wanted: AutomationCore) -> None:
        self.there.append(Automation(id=uuid.uuid4(), **wanted.model_dump()))

    async def update_automation(self, automation_id: uuid.UUID, wanted: AutomationCore) -> None:
        (old,) = [each for each in self.there if each.id == automation_id]
        self.there[self.there.index(old)] = Automation(id=old.id, **wanted.model_dump())
        self.updated.append(wanted)


def apply_to(server: Server, wanted: AutomationCore) -> str:
    return str(asyncio.run(SCRIPT["apply_one"](server, wanted)))


def automations() -> dict[str, AutomationCore]:
    return {automation.name: automation for automation in SCRIPT["read"](AUTOMATIONS)}


def trigger(name: str) -> EventTrigger:
    found = automations()[name].trigger
    assert isinstance(found, EventTrigger)
    return found


def test_nightly_is_deployed_by_module_not_by_file() -> None:
    module, _, flow = NIGHTLY["entrypoint"].rpartition(".")
    assert (NIGHTLY["name"], module, flow) == ("nightly", "flows.labeling_round", "labeling_round")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin == str(ROOT / "flows" / "labeling_round.py")


def test_nightly_parameters_are_those_of_the_flow() -> None:
    flow = getattr(importlib.import_module("flows.labeling_round"), "labeling_round")  # noqa: B009 - as a worker does
    assert flow.name == "labeling-round"
    assert flow.validate_parameters(NIGHTLY["parameters"])["campaign"] == "campaigns/nightly.yaml"
    assert NIGHTLY["enforce_parameter_schema"] is True


def test_nightly_runs_every_night_of_a_named_time_zone() -> None:
    (entry,) = NIGHTLY["schedules"]
    assert ZoneInfo(entry["timezone"]).key == entry["timezone"]
    assert CronSchedule(cron=entry["cron"], timezone=entry["timezone"]).cron == "0 2 * * *"
    # Named, so that deploying again changes this schedule and does not add another.
    assert entry["slug"] == "nightly"


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda entry: entry["name"])
def test_no_two_runs_at_once(deployment: dict[str, object]) -> None:
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


def test_the_worker_of_the_stack_serves_the_pool() -> None:
    command = parsed(COMPOSE)["services"]["prefect-worker"]["command"]
    assert command[command.index("--pool") + 1] == NIGHTLY["work_pool"]["name"]
    assert NIGHTLY["work_pool"]["job_variables"]["env"]["OMP_NUM_THREADS"] == "1"


def test_the_stack_shows_the_worker_the_campaign_of_the_deployment() -> None:
    (mount,) = parsed(COMPOSE)["services"]["prefect-worker"]["volumes"]
    target = mount.removesuffix(":ro").rsplit(":", 1)[1]
    assert f"{target}/nightly.yaml" == f"/app/{NIGHTLY['parameters']['campaign']}"


def test_automations_watch_the_runs_of_the_deployment() -> None:
    for automation in automations().values():
        assert isinstance(automation.trigger, EventTrigger)
        assert automation.trigger.posture is Posture.Proactive
        assert automation.model_dump()["trigger"]["match_related"] == {
            "prefect.resource.role": "tag",
            "prefect.resource.id": f"prefect.tag.{NIGHTLY['tags'][0]}",
        }
        assert [action.model_dump()["state"] for action in automation.actions] == ["CRASHED"]


def test_a_run_is_a_zombie_after_three_missed_heartbeats() -> None:
    watch = trigger("lamplighter zombie runs")
    assert watch.within == timedelta(seconds=3 * HEARTBEAT_S)
    # Running too, for a run that dies before its first beat.
    assert watch.after == {"prefect.flow-run.Running", "prefect.flow-run.heartbeat"}
    # A beat, or any end of the run, calls it off.
    ends = {f"prefect.flow-run.{state}" for state in ["Completed", "Failed", "Cancelled", "Crashed"]}
    assert watch.expect == {"prefect.flow-run.heartbeat", *ends}


def test_a_run_that_never_starts_is_noticed_too() -> None:
    watch = trigger("lamplighter runs stuck in Pending")
    assert watch.after == {"prefect.flow-run.Pending"}
    assert "prefect.flow-run.Running" in watch.expect
    assert not watch.after & watch.expect


@pytest.mark.parametrize("name", automations())
def test_applying_an_equal_automation_does_not_touch_it(name: str) -> None:
    # An update makes the server forget the dead run that it was about to notice.
    server, wanted = Server(), automations()[name]
    assert [apply_to(server, wanted) for _ in range(3)] == ["created", "as it was", "as it was"]
    assert (len(server.there), server.updated) == (1, [])


@pytest.mark.parametrize("name", automations())
def test_a_changed_automation_is_updated_and_a_paused_one_stays_paused(name: str) -> None:
    server, wanted = Server(), automations()[name]
    apply_to(server, wanted.model_copy(update={"description": "as it was yesterday", "enabled": False}))
    assert apply_to(server, wanted) == "updated"
    assert [(each.description, each.enabled) for each in server.there] == [(wanted.description, False)]


def test_example_campaign_of_the_stack() -> None:
    campaign = load(str(ROOT / "deployments" / "example-campaign.yaml"))
    bucket = parsed(COMPOSE)["services"]["deploy"]["environment"]["LAMPLIGHTER_BUCKET"]
    assert bucket == "${LAMPLIGHTER_BUCKET:-lamplighter}"
    for url in [campaign.pool.url, campaign.store]:
        assert url.startswith("s3://lamplighter/")
    assert campaign.cluster is not None
    assert campaign.cluster.address == "tcp://dask-scheduler:8786"
