"""Labeling interfaces: for texts, images and tables, or the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx

from lamplighter.errors import LabelerError
from lamplighter.labelers.wire import hushed, named

KINDS = ("text", "image", "table")
ROW = "lamplighter_row"  #: the key of a task's data under which the table template finds all columns
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".svg", ".tif", ".tiff", ".avif")
_PLAIN_NAME = re.compile(r"\w+")
_FEW = 4  #: columns that are shown one below the other; more of them make a table
_MOST_BYTES = 2**20


def interface(template: str | None, classes: Sequence[str], display: Mapping[str, Any], question: str) -> str:
    """Give the XML of a template.

    Parameters
    ----------
    template
        One of `KINDS`, the path or address of an XML file, or None: what suits the columns.
    display
        The columns to be shown, as the first row has them.
    question
        Stands over the choices.

    Raises
    ------
    LabelerError
        The file cannot be read, or a column's name cannot be written in an interface.
    """
    kind = template or _suitable(display)
    if kind not in KINDS:
        return _read(kind)
    view = ElementTree.Element("View")
    shown = _table(view) if kind == "table" else _columns(view, kind, display)
    if question:
        ElementTree.SubElement(view, "Header", value=question)
    choices = ElementTree.SubElement(
        view, "Choices", name="label", toName=shown, choice="single", required="true", showInline="true"
    )
    for name in classes:
        ElementTree.SubElement(choices, "Choice", value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, "unicode")


def is_image(value: Any) -> bool:
    """Say whether a value is the address of a picture, or a picture as an address."""
    if not isinstance(value, str):
        return False
    if value.startswith("data:image/"):
        return True
    try:
        return urlsplit(value).path.lower().endswith(_IMAGES)
    except ValueError:
        return False


def _suitable(display: Mapping[str, Any]) -> str:
    if any(is_image(value) for value in display.values()):
        return "image"
    named_plainly = all(_PLAIN_NAME.fullmatch(name) for name in display)
    return "text" if 0 < len(display) <= _FEW and named_plainly else "table"


def _table(view: ElementTree.Element) -> str:
    ElementTree.SubElement(view, "Table", name="row", value=f"${ROW}")
    return "row"


def _columns(view: ElementTree.Element, kind: str, display: Mapping[str, Any]) -> str:
    """Show columns one below the other; give the name of the first tag, which the choice is about."""
    images = [name for name in display if is_image(display[name])] or list(display)[:1]
    if not display:
        raise LabelerError(f"template '{kind}' has nothing to show; name columns in pool.display")
    for number, name in enumerate(display):
        if not _PLAIN_NAME.fullmatch(name):
            raise LabelerError(
                f"column '{name}' cannot be shown by template '{kind}': its name may have letters, digits "
                "and underscores alone; name other columns in labeler.params.columns, or use template: table"
            )
        if len(display) > 1:
            ElementTree.SubElement(view, "Header", value=name, size="5")
        tag = "Image" if kind == "image" and name in images else "Text"
        ElementTree.SubElement(view, tag, name=f"row{number or ''}", value=f"${name}")
    return "row"


def _read(place: str) -> str:
    try:
        data = _fetched(place) if place.startswith(("http://", "https://")) else Path(place).read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise LabelerError(
            f"template '{place.split('?', 1)[0]}' cannot be read: {_why(error)}; allowed: "
            f"{', '.join(KINDS)}, or the path or address of an XML file"
        ) from None


def _fetched(url: str) -> bytes:
    with hushed(), httpx.Client(timeout=30.0, follow_redirects=True) as line, line.stream("GET", url) as got:
        got.raise_for_status()
        data = bytearray()
        for piece in got.iter_bytes():
            data += piece
            if len(data) > _MOST_BYTES:
                raise OSError(f"it has more than {_MOST_BYTES:,} bytes")
    return bytes(data)


def _why(error: Exception) -> str:
    # What httpx says names the whole address, which may hold a key.
    if isinstance(error, httpx.HTTPStatusError):
        return f"answered {error.response.status_code}"
    return type(error).__name__ if isinstance(error, httpx.HTTPError) else named(error)
