"""`${NAME}` in a campaign file: resolved late, never stored, blotted out of whatever is shown."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, TypeVar, cast

from lamplighter.errors import ConfigError, LamplighterError

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: Variables that hold credentials of the object store, blotted out even when no file names them.
_ALWAYS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY")
_SHORTEST = 4  # blotting out shorter values would garble ordinary text
MASK = "***"
#: Metadata of a labeler's field that holds a secret: ``token: str = field(repr=False, metadata=SECRET)``.
#: Of a mapping, such as headers, those values count whose name or beginning is that of a credential.
SECRET: Mapping[str, Any] = {"secret": True}
_NAMES_ONE = re.compile("auth|cookie|credential|key|passw|secret|session|token", re.IGNORECASE)
_IS_ONE = re.compile(r"(basic|bearer|digest|token)\s", re.IGNORECASE)

T = TypeVar("T")


def references(value: Any) -> set[str]:
    """Give the names of all environment variables that a (nested) value refers to."""
    if isinstance(value, str):
        return set(_REFERENCE.findall(value))
    if isinstance(value, Mapping):
        return set().union(*(references(v) for v in value.values())) if value else set()
    if isinstance(value, Sequence):
        return set().union(*(references(v) for v in value)) if value else set()
    return set()


def literal_secrets(cls: type, params: Mapping[str, Any]) -> list[str]:
    """Name the parameters that a dataclass declares to be secret and that are given without a reference."""
    found: list[str] = []
    for name in (f.name for f in fields(cls) if f.metadata.get("secret")):
        value = params.get(name)
        if isinstance(value, Mapping):
            found += [f"{name}.{key}" for key, inner in value.items() if _is_credential(str(key), inner)]
        elif value and not references(value):
            found.append(name)
    return found


def _is_credential(name: str, value: Any) -> bool:
    named = _NAMES_ONE.search(name) or _IS_ONE.match(str(value))
    return bool(value and named and not references(value))


def resolve(value: T, where: str = "campaign file") -> T:
    """Replace every `${NAME}` in a (nested) value by the variable; raises ConfigError if unset."""
    return cast(T, _resolved(value, where))


def _resolved(value: Any, where: str) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(lambda m: _variable(m.group(1), where), value)
    if isinstance(value, Mapping):
        return {k: _resolved(v, f"{where}: {k}") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_resolved(v, where) for v in value)
    return value


def _variable(name: str, where: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(
            f"{where}: environment variable {name} is not set; export it, or remove ${{{name}}}"
        )
    return value


class Redactor(logging.Filter):
    """Blots out secret values in text, and as a logging filter in every record.

    Parameters
    ----------
    names
        Environment variables whose values are secret. They are read when text passes, so a value
        that changes is still caught.
    """

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = names | set(_ALWAYS)

    def redact(self, text: str) -> str:
        """Give the text with every secret value replaced by a mask."""
        values = {os.environ.get(name, "") for name in self.names}
        for value in sorted((v for v in values if len(v) >= _SHORTEST), key=len, reverse=True):
            text = text.replace(value, MASK)
        return text

    def redacted(self, value: T) -> T:
        """Give a nested value with every text in it redacted, keys as they are."""
        return cast(T, self._redacted(value))

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {key: self._redacted(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._redacted(inner) for inner in value)
        return value

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the finished message; exceptions are rendered here, so that they are covered too."""
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
            record.exc_info = record.exc_text = None
        record.msg, record.args = self.redact(message), ()
        return True

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let no exception pass whose text, or whose causes' text, shows a secret."""
        try:
            yield
        except Exception as error:
            if self._clean(error):
                raise
            clean = type(error) if isinstance(error, LamplighterError) else LamplighterError
            raise clean(self.redact(str(error))) from None

    def _clean(self, error: BaseException) -> bool:
        seen: BaseException | None = error
        while seen is not None:
            if self.redact(str(seen)) != str(seen) or self.redact(repr(seen)) != repr(seen):
                return False
            seen = seen.__cause__ or seen.__context__
        return True
