"""Name -> class, for what third parties may add: strategies, labelers, stopping rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from lamplighter.errors import ConfigError, UnknownName, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes by the name they have in a campaign file.

    Parameters
    ----------
    kind
        What is registered, for messages: "strategy".
    builtin
        Our own classes. Classes rather than dotted strings, so that type checks and renames see them.
    entry_points_group
        Entry point group in which other packages add theirs. A name of ours cannot be taken over.
    """

    def __init__(self, kind: str, builtin: Mapping[str, type[T]], entry_points_group: str) -> None:
        self.kind = kind
        self.builtin = dict(builtin)
        self.group = entry_points_group

    @cached_property
    def _third_party(self) -> dict[str, Any]:
        return {e.name: e for e in entry_points(group=self.group) if e.name not in self.builtin}

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self.builtin, *self._third_party})

    def get(self, name: str) -> type[T]:
        """Give the class registered as `name`; raises UnknownName."""
        if name in self.builtin:
            return self.builtin[name]
        if name in self._third_party:
            loaded: type[T] = self._third_party[name].load()
            return loaded
        raise UnknownName(unknown(self.kind, name, self.names()))

    def build(self, name: str, params: Mapping[str, Any] | None = None) -> T:
        """Make `name` with `params`; raises UnknownName, or ConfigError for a wrong parameter."""
        cls, params = self.get(name), dict(params or {})
        known = [f.name for f in fields(cls) if f.init]  # type: ignore[arg-type]
        for key in params:
            if key not in known:
                raise UnknownName(f"{self.kind} '{name}': {unknown('parameter', key, known)}")
        try:
            return cls(**params)
        except ConfigError as error:
            raise type(error)(f"{self.kind} '{name}': {error}") from error
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self.kind} '{name}': {error}") from error
