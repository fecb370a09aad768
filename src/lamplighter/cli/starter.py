"""The campaign file that `lamplighter init` writes."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from lamplighter.errors import ConfigError


def write_starter(folder: str) -> Path:
    """Write campaign.yaml into a folder, made if needed; raises ConfigError rather than overwrite one."""
    path = Path(folder) / "campaign.yaml"
    if path.exists():
        raise ConfigError(f"{path} is there already; remove it, or give another folder")
    text = files("lamplighter.cli").joinpath("campaign.yaml").read_text("utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}; give another folder") from error
    return path
