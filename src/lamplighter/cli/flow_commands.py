"""Commands that run flows. The flows live beside the library, not in it, and need Prefect."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from lamplighter.errors import MissingExtra

#: Without a server of one's own Prefect starts one for the run; a busy machine needs more than its 20 s.
_ENVIRONMENT = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "DO_NOT_TRACK": "1",
}


def run_rounds(module: str, name: str, **parameters: Any) -> list[dict[str, Any]]:
    """Run a flow here and give its round summaries; raises MissingExtra, or what the flow raised."""
    # Whatever a cluster class or a server that starts has to say, it is not the answer.
    with redirect_stdout(sys.stderr):
        result = flow(module, name)(**parameters)
    return result if isinstance(result, list) else [result]


def flow(module: str, name: str) -> Callable[..., Any]:
    """Import a flow; raises MissingExtra that says what is not installed and how to get it."""
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise MissingExtra(_missing(error.name or "")) from error
    except AttributeError as error:
        raise MissingExtra(
            f"the module {module} that Python finds here is not Lamplighter's: another project's folder of "
            "that name comes first; run the command from another folder"
        ) from error
    return found


def _missing(name: str) -> str:
    if name.split(".", maxsplit=1)[0] in ("flows", "tasks"):
        return (
            f"the flows are not installed ('{name}' cannot be imported): the wheel holds the library alone. "
            "Run from a checkout (make demo makes its environment) or in the image (docker/Dockerfile)"
        )
    if name.split(".", maxsplit=1)[0] == "prefect":
        return "Prefect is not installed: pip install 'lamplighter[flows]'"
    return f"'{name}' is not installed; install the environment anew from requirements/runtime.txt"
