"""What a route may be given."""

from __future__ import annotations

from typing import Any

import pytest

from lamplighter.errors import ConfigError, UnknownName
from lamplighter.labelers import LABELERS
from tests.labelers.routes import (
    FILES,
    FUNCTION,
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
