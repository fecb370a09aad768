"""The files under test, parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker" / "compose.yaml"
PREFECT = ROOT / "deployments" / "prefect.yaml"
AUTOMATIONS = ROOT / "deployments" / "automations.yaml"


def parsed(path: Path) -> Any:
    """Read a YAML file, anchors and merge keys resolved."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """Give the Dockerfile's instructions in order: the word, and the rest with continuations joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def copied() -> Iterator[str]:
    """Give every path of the checkout that the Dockerfile copies."""
    defaults = {
        name: value for word, rest in instructions() if word == "ARG" for name, value in [rest.split("=")]
    }
    for word, rest in instructions():
        if word == "COPY" and "--from=" not in rest:
            for source in rest.split()[:-1]:
                yield re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], source)
