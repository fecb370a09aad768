"""A webhook starts a round: the receiver, a real Prefect server, the automations of deployments/."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.announcing import UNENDED, announce
from lamplighter.announcing import EVENT, Labelled, look
from lamplighter.driver import open_driver
from lamplighter.hooks import Pace
from lamplighter.label_quality import FELL, Fall
from lamplighter.quality.record import Alarm
from tests.hooks.people import Campaign, campaign_of_people
from tests.hooks.serving import receiving, wait_until
from tests.servers.prefect import PrefectServer

pytestmark = [pytest.mark.prefect_server, pytest.mark.xdist_group("prefect")]
FALL = Fall(
    "fruit",
    "s3://labels/fruit",
    7,
    Alarm(measure="alpha", value=0.41, bound=0.6, text="alpha is 0.41, below the bound of 0.6"),
)
EVENTS_FILE = "deployments/event-automations.yaml"
#: Repeats an announcement after 6 s, by when an automation has surely made its run; looks by itself as often.
PACE = Pace(quiet=0.1, longest=0.5, every=6.0, retry=0.2)


@pytest.fixture(scope="module")
def deployed(prefect_server: PrefectServer) -> str:
    """The nightly deployment and the automations on the server; gives what applying them said."""
    prefect_server.deploy("labeling-round/nightly")
    for run in unended(prefect_server):  # of other tests: a worker that was stopped leaves some
        end(prefect_server, run)
    return prefect_server.run("deployments/apply_automations.py", EVENTS_FILE)


@pytest.fixture
def campaign(prefect_api: PrefectServer, deployed: str, tmp_path: Path) -> Iterator[Campaign]:
    """A campaign of a name of its own whose first batch is out; its runs are ended afterwards."""
    made = campaign_of_people(tmp_path, name=f"fruit-{uuid.uuid4().hex[:8]}")
    yield made
    for run in runs_of(prefect_api, made):
        end(prefect_api, run)


def events_of(server: PrefectServer, campaign: Campaign) -> list[dict[str, Any]]:
    wanted = {"event": {"name": [EVENT]}, "resource": {"id": [f"lamplighter.campaign.{campaign.name}"]}}
    found: list[dict[str, Any]] = server.request("/events/filter", {"filter": wanted})["events"]
    return found


def runs_of(server: PrefectServer, campaign: Campaign) -> list[dict[str, Any]]:
    found = server.request("/flow_runs/filter", {"flows": {"name": {"any_": ["labeling-round"]}}})
    return [run for run in found if run["parameters"].get("campaign") == campaign.file]


def unended(server: PrefectServer) -> list[dict[str, Any]]:
    flows, runs = {"name": {"any_": ["labeling-round"]}}, {"state": {"type": {"any_": UNENDED}}}
    found: list[dict[str, Any]] = server.request("/flow_runs/filter", {"flows": flows, "flow_runs": runs})
    return found


def end(server: PrefectServer, run: dict[str, Any], state: str = "CANCELLED") -> None:
    server.request(f"/flow_runs/{run['id']}/set_state", {"state": {"type": state}, "force": True})


def test_a_webhook_starts_a_round_once(prefect_api: PrefectServer, campaign: Campaign) -> None:
    with receiving(campaign.file) as receiver:
        receiver.hook()
        receiver.wait_for_looks(2)
        assert events_of(prefect_api, campaign) == []  # labelled are only some rows
        batch = campaign.label()
        receiver.hook()
        wait_until(lambda: len(runs_of(prefect_api, campaign)) == 1, "no run")
        for _ in range(3):  # the run waits for a worker all the while
            receiver.hook()
            receiver.wait_for_looks(receiver.looks() + 1)
    with receiving(campaign.file) as receiver:  # started again, it knows nothing but what it can ask
        receiver.hook()
        receiver.wait_for_looks(2)
    # What comes is written down some seconds later.
    wait_until(lambda: len(events_of(prefect_api, campaign)) > 0, "no event")
    (event,), (run,) = events_of(prefect_api, campaign), runs_of(prefect_api, campaign)
    assert event["payload"] == {
        "campaign": campaign.file,
        "round": 1,
        "batch": batch,
        "rows": 40,
        "announcement": 0,
    }
    assert run["deployment_id"] == prefect_api.request("/deployments/name/labeling-round/nightly")["id"]
    assert run["auto_scheduled"] is False


def test_what_a_running_round_would_swallow_is_announced_after_it(
    prefect_api: PrefectServer, campaign: Campaign
) -> None:
    nightly = prefect_api.request("/deployments/name/labeling-round/nightly")["id"]
    other = prefect_api.request(
        f"/deployments/{nightly}/create_flow_run", {"parameters": {"campaign": "campaigns/other.yaml"}}
    )
    with receiving(campaign.file, PACE) as receiver:
        campaign.label()
        receiver.hook()
        receiver.wait_for_looks(4)
        assert (events_of(prefect_api, campaign), runs_of(prefect_api, campaign)) == ([], [])
        end(prefect_api, other, "COMPLETED")
        wait_until(lambda: len(runs_of(prefect_api, campaign)) == 1, "never announced")
        end(prefect_api, runs_of(prefect_api, campaign)[0])  # cancelled, and no round has begun
        wait_until(lambda: len(runs_of(prefect_api, campaign)) == 2, "not announced again")
        campaign.round()
        for run in runs_of(prefect_api, campaign):
            end(prefect_api, run, "COMPLETED")
        receiver.wait_for_looks(receiver.looks() + 3)
    wait_until(lambda: len(events_of(prefect_api, campaign)) > 1, "no events")
    numbers = sorted(event["payload"]["announcement"] for event in events_of(prefect_api, campaign))
    assert numbers == [0, 1]


def test_applying_again_changes_nothing(prefect_api: PrefectServer, deployed: str) -> None:
    assert "automation 'lamplighter batch labelled': created" in deployed
    assert "no block is named 'lamplighter-notices'" in deployed
    again = prefect_api.run("deployments/apply_automations.py", EVENTS_FILE)
    assert again.count("as it was") == 2, again


def test_receivers_side_by_side_announce_once(prefect_api: PrefectServer, campaign: Campaign) -> None:
    campaign.label()
    found = look(open_driver(campaign.file))
    assert isinstance(found, Labelled)

    async def at_once() -> list[int | None]:
        say = [announce(found, campaign.file, "labeling-round/nightly", timedelta(hours=1)) for _ in range(5)]
        return await asyncio.gather(*say)

    assert asyncio.run(at_once()) == [0] * 5  # none of them knew of the others
    wait_until(lambda: len(events_of(prefect_api, campaign)) > 0, "no event")
    wait_until(lambda: len(runs_of(prefect_api, campaign)) > 0, "no run")
    assert (len(events_of(prefect_api, campaign)), len(runs_of(prefect_api, campaign))) == (1, 1)


def test_people_are_told_when_quality_fell(prefect_api: PrefectServer, deployed: str) -> None:
    with listening() as (url, told):
        block = new_block(prefect_api, url)
        try:
            assert "updated" in prefect_api.run("deployments/apply_automations.py", EVENTS_FILE)
            post(prefect_api, FELL, FALL.payload, FALL.resource)
            wait_until(lambda: len(told) > 0, "nobody was told")
        finally:
            prefect_api.request(f"/block_documents/{block}", method="DELETE")
    said = json.loads(told[0])["text"]
    assert "Label quality of fruit fell" in said
    assert "Round 7: alpha is 0.41, below the bound of 0.6." in said


def post(server: PrefectServer, event: str, payload: dict[str, Any], resource: dict[str, str]) -> None:
    now = datetime.now(UTC).isoformat()
    body = {
        "id": str(uuid.uuid4()),
        "occurred": now,
        "event": event,
        "resource": resource,
        "payload": payload,
    }
    server.request("/events", [body])


def new_block(server: PrefectServer, url: str) -> str:
    """Make the block that the automation looks for: a webhook of one's own."""
    kind = server.request("/block_types/slug/custom-webhook")["id"]
    schema = server.request("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})[
        0
    ]
    data = {"name": "notices", "url": url, "json_data": {"text": "{{subject}}\n{{body}}"}}
    body = {
        "name": "lamplighter-notices",
        "data": data,
        "block_schema_id": schema["id"],
        "block_type_id": kind,
    }
    return str(server.request("/block_documents/", body)["id"])


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """Take whatever is posted to an address on loopback."""
    told: list[bytes] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", told
        finally:
            server.shutdown()
            thread.join()
