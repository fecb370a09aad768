"""Parameters of a campaign file have the types that their class declares, or it is said at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from lamplighter.errors import ConfigError
from lamplighter.labelers import LABELERS
from lamplighter.parameter_types import wrong_types
from lamplighter.registry import Registry
from lamplighter.stopping import STOPPING
from lamplighter.strategies import STRATEGIES

if TYPE_CHECKING:
    from io import BytesIO as Unknown


@dataclass(frozen=True)
class Taking:
    """Takes one parameter of each kind."""

    number: float = 1.0
    count: int | None = 1
    switch: bool = False
    names: tuple[str, ...] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    mode: Literal["a", "b"] = "a"
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Elsewhere:
    """Names a type that is there for type checks alone."""

    what: Unknown | None = None


@pytest.mark.parametrize(
    "params",
    [
        {"number": 2},
        {"number": 2.5, "count": None, "switch": True},
        {"names": ["a", "b"], "rows": [{"x": 1}], "told": {"a": "b"}, "mode": "b"},
        {"names": ("a",), "secret": "s"},
        {"number": float("inf")},
    ],
)
def test_what_fits_passes(params: dict[str, Any]) -> None:
    assert wrong_types(Taking, params) == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"count": 2.5}, "count is 2.5; allowed: a whole number"),
        ({"count": "10"}, "count is '10'; allowed: a whole number"),
        ({"count": True}, "count is True; allowed: a whole number"),
        ({"number": "1"}, "number is '1'; allowed: a number"),
        ({"switch": "false"}, "switch is 'false'; allowed: true or false"),
        ({"switch": 1}, "switch is 1; allowed: true or false"),
        ({"names": "ab"}, "names is 'ab'; allowed: a list"),
        ({"names": [1]}, "names is [1]; allowed: a text"),
        ({"rows": {}}, "rows is {}; allowed: a list"),
        ({"told": []}, "told is []; allowed: a mapping"),
        ({"mode": "c"}, "mode is 'c'; allowed: 'a' or 'b'"),
        ({"secret": 4711}, "secret; allowed: a text"),
    ],
)
def test_what_does_not_fit_is_named_with_its_value_unless_it_is_secret(
    params: dict[str, Any], said: str
) -> None:
    assert wrong_types(Taking, params) == [said]


def test_what_cannot_be_checked_is_left_to_the_class() -> None:
    assert wrong_types(Elsewhere, {"what": 3}) == []
    assert wrong_types(Taking, {"count": object()}) == []


@pytest.mark.parametrize(
    ("registry", "name", "params"),
    [
        (STRATEGIES, "mmr", {"oversample": 2.5}),
        (STRATEGIES, "mmr", {"oversample": "10"}),
        (STRATEGIES, "k_center", {"oversample": 1.5}),
        (STRATEGIES, "cluster_margin", {"clusters": 3.7}),
        (STRATEGIES, "typiclust", {"neighbours": 2.5}),
        (STRATEGIES, "facility_location", {"reference": 100.0}),
        (STRATEGIES, "representative", {"sample": 100.0}),
        (STRATEGIES, "vote_entropy", {"soft": "no"}),
        (LABELERS, "files", {"show_prediction": "false"}),
        (STOPPING, "target", {"value": "0.9"}),
    ],
)
def test_a_wrong_type_is_refused_before_a_round_begins(
    registry: Registry[Any], name: str, params: dict[str, Any]
) -> None:
    (key,) = params
    with pytest.raises(ConfigError, match=rf"{name}'.*{key}"):
        registry.build(name, params)
