"""What a labeler's parameters may be; a YAML file can hold anything."""

from __future__ import annotations

from math import isfinite
from urllib.parse import urlsplit

from lamplighter.errors import ConfigError


def whole(name: str, value: object, least: int) -> None:
    """Raise ConfigError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}; allowed: a whole number from {least} on")


def positive(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0 or not isfinite(value):
        raise ConfigError(f"{name} is {value!r}; allowed: a number above 0")


def switch(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}; allowed: true or false")


def text(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name} is {value!r}; allowed: a text that is not empty")


def address(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is an http(s) address; never shows it, since it may hold a secret."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{name} is no address; allowed: http://host/path or https://host/path")
    if parts.username or parts.password:
        raise ConfigError(f"{name} holds a user or a password; give them in headers, as ${{NAME}}")


def texts(name: str, value: object) -> None:
    """Raise ConfigError unless `value` maps texts to texts; never shows them."""
    if not isinstance(value, dict) or not all(isinstance(t, str) for pair in value.items() for t in pair):
        raise ConfigError(f"{name} must map names to texts, such as Authorization: Bearer ${{TOKEN}}")


def mapping(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a mapping."""
    if not isinstance(value, dict):
        raise ConfigError(f"{name} is a {type(value).__name__}; allowed: a mapping")


def between(name: str, value: object, most: float) -> None:
    """Raise ConfigError unless `value` is a number from 0 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ConfigError(f"{name} is {value!r}; allowed: a number from 0 to {most:g}")
