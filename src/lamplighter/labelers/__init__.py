"""Labelers by the name they have in a campaign file.

Other packages add theirs through the entry point group "lamplighter.labelers".
"""

from __future__ import annotations

from lamplighter.labelers.base import Labeler
from lamplighter.labelers.files import Files
from lamplighter.labelers.simulated import Simulated
from lamplighter.registry import Registry

LABELERS: Registry[Labeler] = Registry(
    "labeler", {"simulated": Simulated, "files": Files}, "lamplighter.labelers"
)
