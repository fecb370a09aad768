"""Labelers by the name they have in a campaign file.

Other packages add theirs through the entry point group "lamplighter.labelers".
"""

from __future__ import annotations

from lamplighter.errors import ConfigError
from lamplighter.labelers.base import Labeler
from lamplighter.labelers.files import Files
from lamplighter.labelers.function import Function
from lamplighter.labelers.http_service import HttpService
from lamplighter.labelers.label_studio import LabelStudio
from lamplighter.labelers.llm import Llm
from lamplighter.labelers.route import Route
from lamplighter.labelers.simulated import Simulated
from lamplighter.registry import Registry

LABELERS: Registry[Labeler] = Registry(
    "labeler",
    {
        "label_studio": LabelStudio,
        "simulated": Simulated,
        "files": Files,
        "function": Function,
        "http": HttpService,
        "llm": Llm,
        "route": Route,
    },
    "lamplighter.labelers",
)


def is_automated(name: str) -> bool:
    """Say whether answers of a labeler are a machine's; one that is no longer installed asked people."""
    try:
        return LABELERS.get(name).automated
    except ConfigError:
        return False
