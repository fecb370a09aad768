"""Create the automations of a file on the Prefect server, or update those that are there by name.

`prefect automation create --from-file` would make another one of the same name at every call.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.events.schemas.automations import Automation, AutomationCore


async def apply(automations: list[AutomationCore]) -> None:
    """Make the server's automations of these names equal to these; one that was paused stays so."""
    async with get_client() as client:
        for automation in automations:
            done = await apply_one(client, automation)
            print(f"automation {automation.name!r}: {done}")  # noqa: T201


async def apply_one(client: PrefectClient, wanted: AutomationCore) -> str:
    """Create or update one, and say what was done.

    An update makes the server forget the runs that the automation is watching: after a power cut it
    would never notice the run that was cut off. So what is equal is left alone.
    """
    there = await client.read_automations_by_name(wanted.name)
    stale = [old for old in there if not equal(old, wanted)]
    for old in stale:
        await client.update_automation(old.id, wanted.model_copy(update={"enabled": old.enabled}))
    if not there:
        await client.create_automation(wanted)
    return "updated" if stale else "as it was" if there else "created"


def equal(old: Automation, wanted: AutomationCore) -> bool:
    """Say whether the server's automation is the one of the file, paused or not."""
    return old.model_dump(exclude={"id", "enabled"}) == wanted.model_dump(exclude={"enabled"})


def read(path: Path) -> list[AutomationCore]:
    """Read and validate a file of the form that `prefect automation create` takes."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [AutomationCore.model_validate(entry) for entry in document["automations"]]


if __name__ == "__main__":
    asyncio.run(apply(read(Path(sys.argv[1]))))
