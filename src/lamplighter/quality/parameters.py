"""What the parameters of label quality may be; a YAML file can hold anything."""

from __future__ import annotations

from math import isfinite
from typing import TypeGuard

from lamplighter.errors import ConfigError


def share(name: str, value: object, *, positive: bool = False) -> None:
    """Raise ConfigError unless `value` is in [0, 1], or in (0, 1] where it must be positive."""
    fits = _is_number(value) and 0 <= value <= 1
    if not fits or (positive and not value):
        raise ConfigError(f"{name} is {value!r}; allowed: {'above 0' if positive else 'from 0'} up to 1")


def positive(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a finite number above 0."""
    if not _is_number(value) or value <= 0:
        raise ConfigError(f"{name} is {value!r}; allowed: a number above 0")


def whole(name: str, value: object, least: int) -> None:
    """Raise ConfigError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}; allowed: a whole number of at least {least}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
