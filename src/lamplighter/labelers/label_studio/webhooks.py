"""Have Label Studio call an address whenever somebody answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamplighter.errors import LabelerError
from lamplighter.labelers.label_studio.client import Call, Client, Unclear

_PATH = "/api/webhooks/"


def ensure_webhook(
    client: Client, project: int, url: str, *, headers: Mapping[str, str], actions: Sequence[str]
) -> str:
    """See to it that a project calls `url`; give "created", "updated" or "as it was".

    The calls carry no payload: whoever is called looks for itself, and what people answer stays here.

    Raises
    ------
    LabelerError
        The server cannot be reached, or does not take the address.
    """
    wanted = {
        "url": url,
        "headers": dict(headers),
        "actions": list(actions),
        "send_payload": False,
        "send_for_all_actions": False,
        "is_active": True,
    }
    there = [hook for hook in client.read(_PATH, project=project) if _is_ours(hook, project, url)]
    if not there:
        _write(client, "POST", _PATH, wanted | {"project": project})
        return "created"
    if _equal(there[0], wanted):
        return "as it was"
    _write(client, "PATCH", f"{_PATH}{there[0]['id']}/", wanted)
    return "updated"


def _is_ours(hook: Mapping[str, Any], project: int, url: str) -> bool:
    return bool(hook["project"] == project and hook["url"] == url)


def _equal(hook: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    found = {name: hook.get(name) for name in wanted} | {"actions": sorted(hook.get("actions", ()))}
    return found == {**wanted, "actions": sorted(wanted["actions"])}


def _write(client: Client, method: str, path: str, body: Mapping[str, Any]) -> None:
    try:
        client.once(Call(method, path, body=body))
    except Unclear as unclear:
        raise LabelerError(f"{unclear}; whether the webhook is there is looked up next time") from None
    except LabelerError as error:
        if "reserved" not in str(error):
            raise
        raise LabelerError(
            f"{client.host} calls no private address ({body['url']}); start its server with "
            "SSRF_PROTECTION_ENABLED=false if you trust whoever may add webhooks, or give an address outside"
        ) from error
