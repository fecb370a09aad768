"""Name -> class, for what third parties may add: strategies, labelers, stopping rules."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from lamplighter.errors import ConfigError, UnknownName, unknown
from lamplighter.parameter_types import wrong_types

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
    def _third_party(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=self.group):
            if entry.name not in self.builtin:
                found.setdefault(entry.name, []).append(entry)
        return found

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self.builtin, *self._third_party})

    def get(self, name: str) -> type[T]:
        """Give the class registered as `name`.

        Raises
        ------
        UnknownName
            Nobody registered the name.
        ConfigError
            The package that did cannot be imported or gives something else, or two packages did.
        """
        if name in self.builtin:
            return self.builtin[name]
        entries = self._third_party.get(name)
        if not entries:
            raise UnknownName(unknown(self.kind, name, self.names()))
        if len(entries) > 1:
            packages = " and ".join(sorted(_package(entry) for entry in entries))
            raise ConfigError(f"{self.kind} '{name}' is in {packages}; uninstall all but one of them")
        return self._loaded(entries[0])

    def _loaded(self, entry: EntryPoint) -> type[T]:
        where = f"{self.kind} '{entry.name}' ({entry.value}) of {_package(entry)}"
        try:
            loaded: type[T] = entry.load()
        except Exception as error:
            raise ConfigError(
                f"{where} cannot be imported: {type(error).__name__}: {error}; repair or uninstall it"
            ) from error
        bases = self._bases()
        if not _inherits(loaded, bases):
            names = " and ".join(sorted(base.__name__ for base in bases))
            raise ConfigError(
                f"{where} is no {self.kind}; it must be a frozen dataclass that inherits {names}"
            )
        return loaded

    def _bases(self) -> set[type]:
        """Give what all our own classes inherit."""
        shared = set.intersection(*(set(cls.__mro__[1:]) for cls in self.builtin.values()))
        return shared - {object, ABC}

    def build(self, name: str, params: Mapping[str, Any] | None = None) -> T:
        """Make `name` with `params`; raises UnknownName, or ConfigError for a wrong parameter."""
        cls, params = self.get(name), dict(params or {})
        known = [f.name for f in fields(cls) if f.init]  # type: ignore[arg-type]  # classes that are built are dataclasses
        for key in params:
            if key not in known:
                raise UnknownName(f"{self.kind} '{name}': {unknown('parameter', key, known)}")
        try:
            made = cls(**params)
        except ConfigError as error:
            raise type(error)(f"{self.kind} '{name}': {error}") from error
        except (TypeError, ValueError) as error:
            said = "; ".join([*_missing(cls, params), *wrong_types(cls, params)]) or str(error)
            raise ConfigError(f"{self.kind} '{name}': {said}") from error
        if said := "; ".join(wrong_types(cls, params)):
            raise ConfigError(f"{self.kind} '{name}': {said}")
        return made


def _missing(cls: type, params: Mapping[str, Any]) -> list[str]:
    """Say which parameters a class wants and did not get, as the campaign file calls them."""
    wanted = [f.name for f in fields(cls) if f.init and f.default is MISSING and f.default_factory is MISSING]
    return [f"parameter '{name}' is missing" for name in wanted if name not in params]


def _package(entry: EntryPoint) -> str:
    """Name the distribution that an entry point comes from."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _inherits(loaded: object, bases: set[type]) -> bool:
    return isinstance(loaded, type) and is_dataclass(loaded) and bases <= set(loaded.__mro__)
