"""docs/labelers.md says what the code says: every parameter with its default, and the JSON schemas."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from lamplighter.label_sections import WaitingConfig
from lamplighter.labelers import LABELERS
from lamplighter.labelers.http_service import Request, Response
from tests.packaging.sources import ROOT

TEXT = Path(ROOT / "docs" / "labelers.md").read_text("utf-8")
NAMES = ["files", "function", "http", "label_studio", "llm", "route", "simulated"]


def section(name: str) -> str:
    """Give the part of the page about a labeler."""
    found = re.search(rf"^## `{name}`\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, f"docs/labelers.md has no section about {name}"
    return found[1]


def documented(name: str) -> dict[str, str]:
    """Give the default that the page tells, by parameter."""
    rows = re.findall(r"^\| (`.*?) \| (.*?) ?\| .*\|$", section(name), re.MULTILINE)
    return {key: told for keys, told in rows for key in re.findall(r"`(\w+)`", keys)}


def default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return "needed" if field.default is MISSING else field.default


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_told_with_its_default(name: str) -> None:
    known = {field.name: default(field) for field in fields(LABELERS.get(name)) if field.init}  # type: ignore[arg-type]  # every labeler is a dataclass
    told = documented(name)
    assert list(told) == list(known)
    for key, value in known.items():
        if told[key] != "built in":
            expected = list(value) if isinstance(value, tuple) else value
            assert (yaml.safe_load(told[key]) if told[key] else "") == expected, key


@pytest.mark.parametrize("model", [Request, Response])
def test_the_schemas_are_those_of_the_messages(model: type[Request] | type[Response]) -> None:
    found = re.search(rf"<!-- schema: {model.__name__} -->\n```json\n(.*?)```", TEXT, re.DOTALL)
    assert found
    assert json.loads(found[1]) == model.model_json_schema()


def test_the_examples_of_campaign_files_can_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    examples = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    parts = [example["labeler"] for example in examples if "labeler" in example]
    WaitingConfig.model_validate(next(e["waiting"] for e in examples if "waiting" in e))
    assert [part["name"] for part in parts] == ["label_studio", "function", "http", "llm", "route"]
    for part in parts:
        params = part["params"]
        if part["name"] == "function":
            params = {**params, "path": "tests.labelers.rules:agree"}
        LABELERS.build(part["name"], params)
