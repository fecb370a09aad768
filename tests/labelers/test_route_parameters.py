"""What a route may be given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter.driver import open_driver
from lamplighter.errors import ConfigError, UnknownName
from lamplighter.labelers import LABELERS
from tests.campaigns import write_campaign, write_pool
from tests.labelers.routes import (
    FILES,
    FUNCTION,
    OTHER,
    function,
    route,
)

pytestmark = pytest.mark.usefixtures("trusted")


@pytest.mark.parametrize(
    ("labelers", "said"),
    [
        ([], "two or more"),
        ([function()], "two or more"),
        ("llm", "two or more"),
        ([FILES, FILES], "number 1 is 'files', which is not automated"),
        ([function(), {"name": "route", "params": {}}], "number 2 is a route itself"),
        ([function(), "files"], "number 2 has no name"),
        (
            [function(), {"name": "files", "parms": {}}],
            "number 2: unknown key 'parms'; did you mean 'pa",
        ),
        ([function(), {"name": "files", "params": 3}], "number 2: params must be a mapping"),
        ([function(), {"name": "fils"}], "number 2: unknown labeler 'fils'; did you mean 'files'"),
        (
            [function(), {"name": "files", "params": {"inbx": ""}}],
            "number 2: labeler 'files': unknown para",
        ),
        ([function(batch_rows=0), FILES], "number 1: labeler 'function': batch_rows is 0"),
        ([function(), function(), FILES], f"two answer as '{FUNCTION}'"),
    ],
)
def test_labelers_that_cannot_be_used(labelers: Any, said: str) -> None:
    with pytest.raises(ConfigError, match="labeler 'route': ") as error:
        LABELERS.build("route", {"labelers": labelers})
    assert said in str(error.value)


@pytest.mark.parametrize(
    "params",
    [{"confidence": 1.1}, {"audit": -0.1}, {"tries": 0}, {"agreement": 1}, {"holdout_to_people": "no"}],
    ids=str,
)
def test_parameters_that_cannot_be_used(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"labeler 'route': {next(iter(params))} is"):
        route(**params)


def test_an_unknown_labeler_is_an_unknown_name() -> None:
    with pytest.raises(UnknownName):
        route(function(), {"name": "fils"})


def test_a_route_shows_no_secret() -> None:
    hidden = {"name": "http", "params": {"url": "http://x", "headers": {"Authorization": "Bearer hush-4711"}}}
    assert "hush-4711" not in repr(route(hidden, FILES))


@pytest.mark.parametrize(
    "quality", [{"overlap": {"share": 0.5, "annotators": 2}}, {"relabel": {"share": 0.1}}]
)
def test_a_route_that_ends_with_a_machine_gives_no_second_opinion(
    tmp_path: Path, quality: dict[str, Any]
) -> None:
    write_pool(tmp_path)
    machines = [function(), function(OTHER)]
    labeler = {"name": "route", "params": {"labelers": machines}}
    with pytest.raises(ConfigError, match="labeler 'function' is a machine, which has no second opinion"):
        open_driver(write_campaign(tmp_path, labeler=labeler, quality=quality))
    labeler["params"] = {"labelers": [*machines, FILES]}
    assert (
        open_driver(write_campaign(tmp_path, labeler=labeler, quality=quality)).labeler.answers_per_row == 1
    )
