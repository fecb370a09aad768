"""Whether parameters from a campaign file have the types that a dataclass declares.

A file's numbers and texts go into the class as they are, and Python checks none of them: half a
neighbour would crash a round at night, and the text 'false' would count as true.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from dataclasses import Field, fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError


def _allowed(fault: Any) -> str:
    return _ALLOWED.get(fault["type"]) or str(fault.get("ctx", {}).get("expected") or fault["msg"])


#: What is allowed, by pydantic's name of the fault.
_ALLOWED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "none_required": "null",
    "missing": "all that it needs",
}


def wrong_types(cls: type, params: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the types of parameters, each in one line; none where they fit.

    A whole number is fine where a number is asked for, and a list where a tuple is; nothing else is
    taken for something that it is not. Fields whose type cannot be checked are left to the class.
    """
    known: dict[str, Field[Any]] = {f.name: f for f in fields(cls)}
    found = []
    for name, value in params.items():
        adapter = _adapters(cls).get(name)
        why = _complaint(adapter, value) if adapter else None
        if why:
            shown = f" is {reprlib.repr(value)}" if known[name].repr else ""  # others may hold a secret
            found.append(f"{name}{shown}; allowed: {why}")
    return found


@cache
def _adapters(cls: type) -> Mapping[str, TypeAdapter[Any]]:
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError):  # of another package, which names what it imports for type checks alone
        return {}
    found = {}
    for f in fields(cls):
        try:
            found[f.name] = TypeAdapter(hints[f.name])
        except (PydanticSchemaGenerationError, PydanticUserError):
            continue
    return found


def _complaint(adapter: TypeAdapter[Any], value: Any) -> str | None:
    try:
        text = json.dumps(value)  # in which there are lists alone, as in YAML
    except (TypeError, ValueError):
        return None  # given by a program, not by a file
    try:
        adapter.validate_json(text, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        return " or ".join(dict.fromkeys(_allowed(fault) for fault in faults))
    return None
