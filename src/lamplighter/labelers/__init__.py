"""Labelers by the name they have in a campaign file.

Other packages add theirs through the entry point group "lamplighter.labelers".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter.arrays import Bools
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


def by_machine(annotations: Any) -> Bools:
    """Say of each row of an annotation table whether a machine gave the answer: (n,) bool."""
    names = annotations.column("labeler").unique().to_pylist()
    machines = pa.array([name for name in names if is_automated(name)], pa.string())
    return np.asarray(pc.is_in(annotations.column("labeler"), value_set=machines))
