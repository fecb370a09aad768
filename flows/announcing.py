"""Announce a labelled batch to Prefect: one event, from which an automation starts the next round."""

# No `from __future__ import annotations` here, as in all flow modules.
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient, get_client

from lamplighter.announcing import EVENT, Labelled, due_again
from lamplighter.errors import LamplighterError

UNENDED = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"]


class RoundAtWork(Exception):
    """A run of the deployment waits or is at work: another one would be cancelled, and the event lost."""


async def announce(found: Labelled, file: str, deployment: str, gap: timedelta) -> int | None:
    """Post the event unless that was done; give its number, None where no repetition is due.

    Raises
    ------
    RoundAtWork
        The batch has to be announced later: a run that is at work may have collected before it was labelled.
    LamplighterError
        The server cannot be reached, or refuses.
    """
    async with get_client() as client:
        try:
            if await round_at_work(client, deployment):
                raise RoundAtWork
            earlier = await announced(client, found)
            if not due_again(earlier, datetime.now(UTC), gap):
                return None
            await client.request("POST", "/events", json=[event_of(found, file, len(earlier))])
        except httpx.HTTPError as error:
            raise LamplighterError(
                f"batch {found.batch} is labelled, and Prefect at {client.api_url} could not be told: {error}"
            ) from error
        return len(earlier)


def event_of(found: Labelled, file: str, number: int) -> dict[str, Any]:
    """Give the event as the server takes it. It drops a second one of the same id."""
    return {
        "id": str(found.event_id(number)),
        "occurred": datetime.now(UTC).isoformat(),
        "event": EVENT,
        "resource": {"prefect.resource.id": found.resource, "prefect.resource.name": found.campaign},
        "related": [],
        "payload": found.payload(file, number),
    }


async def announced(client: PrefectClient, found: Labelled) -> list[datetime]:
    """Give when this batch was announced, as the server remembers it: also before a restart of ours."""
    wanted = {"event": {"name": [EVENT]}, "resource": {"id": [found.resource]}}
    answer = await client.request("POST", "/events/filter", json={"filter": wanted, "limit": 50})
    events = answer.json()["events"]
    return [datetime.fromisoformat(e["occurred"]) for e in events if e["payload"].get("batch") == found.batch]


async def round_at_work(client: PrefectClient, deployment: str) -> bool:
    """Say whether a run of `FLOW/DEPLOYMENT` is at work, or waits although its time has come."""
    flow, _, name = deployment.partition("/")
    wanted = {
        "flows": {"name": {"any_": [flow]}},
        "deployments": {"name": {"any_": [name]}},
        "flow_runs": {
            "state": {"type": {"any_": UNENDED}},
            # Runs of the nights to come are there already.
            "expected_start_time": {"before_": datetime.now(UTC).isoformat()},
        },
        "limit": 1,
    }
    answer = await client.request("POST", "/flow_runs/filter", json=wanted)
    return bool(answer.json())
