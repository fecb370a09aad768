"""A secret that stands in the campaign file itself is refused before a store keeps it, and never shown."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lamplighter.checking import check
from lamplighter.config import load, thaw
from lamplighter.driver import CAMPAIGN_KEY, Driver, open_driver
from lamplighter.errors import ConfigError
from lamplighter.labelers.files import Files
from lamplighter.redaction import SECRET, literal_secrets
from tests.campaigns import make_campaign, write_campaign, write_pool

HIDDEN = "hush-4711-hush"
LABEL_STUDIO = {"url": "http://127.0.0.1:9", "create": True}
HTTP = {"url": "http://127.0.0.1:9/labels"}
REMEDY = r"write \$\{NAME\} in its place"


def routed(name: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"labelers": [{"name": name, "params": params}, {"name": "files"}]}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", HIDDEN)


@pytest.mark.parametrize(
    ("name", "params", "where"),
    [
        ("label_studio", LABEL_STUDIO | {"token": HIDDEN}, "token"),
        ("llm", {"model": "m", "api_key": HIDDEN}, "api_key"),
        ("llm", {"model": "m", "headers": {"X-Api-Key": HIDDEN}}, r"headers\.X-Api-Key"),
        ("http", HTTP | {"headers": {"authorization": f"Bearer {HIDDEN}"}}, r"headers\.authorization"),
        ("http", HTTP | {"headers": {"X-Who": f"bearer {HIDDEN}"}}, r"headers\.X-Who"),
        ("route", routed("llm", {"model": "m", "api_key": HIDDEN}), r"labelers\[0\]\.params\.api_key"),
    ],
)
def test_it_is_refused_before_anything_is_kept(
    tmp_path: Path, name: str, params: dict[str, Any], where: str
) -> None:
    write_pool(tmp_path)
    path = write_campaign(tmp_path, labeler={"name": name, "params": params})
    said = rf"labeler\.params\.{where} holds a secret itself.*{REMEDY}"
    with pytest.raises(ConfigError, match=said) as refused:
        open_driver(path)
    assert HIDDEN not in str(refused.value)
    with pytest.raises(ConfigError, match=said):
        check(Driver(load(path)))
    files = [file for file in tmp_path.rglob("*") if file.is_file() and str(file) != path]
    assert [file for file in files if HIDDEN.encode() in file.read_bytes()] == []


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("label_studio", LABEL_STUDIO | {"token": "${KEY}"}),
        ("llm", {"model": "m", "api_key": ""}),
        ("llm", {"model": "m", "api_key": "${KEY}", "headers": {"X-Title": "pets", "Cookie": "a=${KEY}"}}),
        ("http", HTTP | {"headers": {"Authorization": "Bearer ${KEY}", "Accept-Language": "de"}}),
        ("route", routed("http", HTTP | {"headers": {"Authorization": "Bearer ${KEY}"}})),
        ("files", {}),
    ],
)
def test_references_and_what_is_no_secret_pass(tmp_path: Path, name: str, params: dict[str, Any]) -> None:
    make_campaign(tmp_path)
    driver = open_driver(write_campaign(tmp_path, labeler={"name": name, "params": params}))
    assert HIDDEN.encode() not in driver.store.get(CAMPAIGN_KEY)


def test_a_store_that_holds_one_can_still_be_read(tmp_path: Path) -> None:
    campaign = make_campaign(tmp_path, labeler={"name": "http", "params": HTTP})
    before = json.loads(campaign.frozen())
    before["labeler"]["params"]["headers"] = {"Authorization": HIDDEN}
    store = Driver(campaign).store
    store.create(CAMPAIGN_KEY, json.dumps(before).encode())
    assert thaw(store.get(CAMPAIGN_KEY)).labeler.params["headers"] == {"Authorization": HIDDEN}
    assert open_driver(str(tmp_path / "campaign.yaml")).history().records == ()


@dataclass(frozen=True)
class TheirOwn(Files):
    """A labeler of another package, with a password."""

    password: str = field(default="", repr=False, metadata=SECRET)
    place: str = field(default="", repr=False)


def test_another_package_declares_its_own() -> None:
    given = {"password": HIDDEN, "place": "here"}
    assert literal_secrets(TheirOwn, given) == ["password"]
    assert literal_secrets(TheirOwn, {**given, "password": "${PASSWORD}"}) == []
    assert literal_secrets(TheirOwn, {"password": 4711}) == ["password"]
