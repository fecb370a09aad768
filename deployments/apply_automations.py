"""Create the automations of files on the Prefect server, or update those that are there by name.

`prefect automation create --from-file` would make another one of the same name at every call, and takes
no names of deployments and blocks.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound


async def apply(entries: list[dict[str, Any]]) -> None:
    """Make the server's automations of these names equal to these; one that was paused stays so."""
    async with get_client() as client:
        for entry in entries:
            automation = AutomationCore.model_validate(await resolved(client, entry))
            done = await apply_one(client, automation)
            print(f"automation {automation.name!r}: {done}")  # noqa: T201 - a command's output


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


async def resolved(client: PrefectClient, entry: dict[str, Any]) -> dict[str, Any]:
    """Put ids for the names of deployments and blocks."""
    return entry | {"actions": [await resolved_action(client, action) for action in entry["actions"]]}


async def resolved_action(client: PrefectClient, action: dict[str, Any]) -> dict[str, Any]:
    """Put ids into one action; one whose block is not there does nothing, and that is said."""
    rest = {key: value for key, value in action.items() if key not in ("deployment", "block")}
    if "deployment" in action:
        return rest | {"deployment_id": await deployment_id(client, action["deployment"])}
    if "block" in action:
        found = await block_id(client, action["block"])
        if found is None:
            print(  # noqa: T201 - a command's output
                f"no block is named '{action['block']}', so nobody is told; create one of a notification "
                "type (page Blocks), then apply this file again"
            )
            return {"type": "do-nothing"}
        return rest | {"block_document_id": found}
    return rest


async def deployment_id(client: PrefectClient, name: str) -> str:
    """Look a deployment up by FLOW/NAME; ends the script with a remedy where it is not there."""
    try:
        return str((await client.read_deployment_by_name(name)).id)
    except ObjectNotFound:
        raise SystemExit(
            f"deployment '{name}' is not there; first: prefect --no-prompt deploy --all --prefect-file "
            "deployments/prefect.yaml"
        ) from None


async def block_id(client: PrefectClient, name: str) -> str | None:
    """Look a block of any type up by its name."""
    wanted = {"block_documents": {"name": {"any_": [name]}}, "limit": 1}
    answer = await client.request("POST", "/block_documents/filter", json=wanted)
    return next((str(block["id"]) for block in answer.json()), None)


def entries_of(path: Path) -> list[dict[str, Any]]:
    """Read a file of the form that `prefect automation create` takes, names not yet looked up."""
    entries: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["automations"]
    return entries


def read(path: Path) -> list[AutomationCore]:
    """Read and validate a file that names neither deployment nor block."""
    return [AutomationCore.model_validate(entry) for entry in entries_of(path)]


if __name__ == "__main__":
    asyncio.run(apply([entry for path in sys.argv[1:] for entry in entries_of(Path(path))]))
