"""Create the automations of a file on the Prefect server, or update those that are there by name.

`prefect automation create --from-file` would make another one of the same name at every call.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import yaml
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore


async def apply(automations: list[AutomationCore]) -> None:
    """Make the server's automations of these names equal to these; one that was paused stays so."""
    async with get_client() as client:
        for automation in automations:
            same_name = await client.read_automations_by_name(automation.name)
            for old in same_name:
                await client.update_automation(old.id, automation.model_copy(update={"enabled": old.enabled}))
            if not same_name:
                await client.create_automation(automation)
            print(f"{'updated' if same_name else 'created'} automation {automation.name!r}")  # noqa: T201


def read(path: Path) -> list[AutomationCore]:
    """Read and validate a file of the form that `prefect automation create` takes."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [AutomationCore.model_validate(entry) for entry in document["automations"]]


if __name__ == "__main__":
    asyncio.run(apply(read(Path(sys.argv[1]))))
