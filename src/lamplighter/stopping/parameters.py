"""What a rule's parameters may be; a YAML file can hold anything."""

from __future__ import annotations

from math import isfinite

from lamplighter.errors import ConfigError


def whole(name: str, value: object, least: int) -> None:
    """Raise ConfigError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}; allowed: a whole number of at least {least}")


def number(name: str, value: object, allowed: str) -> float:
    """Give `value` as a float; raises ConfigError, saying what is `allowed`, unless it is finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ConfigError(f"{name} is {value!r}; allowed: {allowed}")
    return float(value)
