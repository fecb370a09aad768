"""skops files made a function of their content alone.

skops writes memory addresses as object ids and file names, random names for bytes, and the time of
day into the zip. Two equal models then have different digests, and a resumed round another model
than an undisturbed one.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.tree._tree import TREE_LEAF

_SCHEMA = "schema.json"
_DAY_ZERO = (1980, 1, 1, 0, 0, 0)


def canonical(data: bytes) -> dict[str, bytes]:
    """Give the entries of a skops file, without addresses.

    Arrays are named by their content. Objects that occur once lose their id, the others are numbered
    in order of appearance, so that what was shared stays shared. Sets are sorted.
    """
    with zipfile.ZipFile(BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(entries.pop(_SCHEMA))
    contents = {name: _without_padding(name, content) for name, content in entries.items()}
    names = {name: _content_name(name, content) for name, content in contents.items()}
    _sort_sets(schema, names)
    _renumber(schema, names)
    renamed = {names[name]: content for name, content in contents.items()}
    return {**renamed, _SCHEMA: json.dumps(schema, separators=(",", ":")).encode()}


def write_zip(entries: Mapping[str, bytes]) -> bytes:
    """Write entries as a zip that depends on nothing else: sorted, dated 1980."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, _DAY_ZERO)
            entry.create_system = 3  # Unix, on every platform
            entry.compress_type = zipfile.ZIP_DEFLATED  # a forest shrinks tenfold
            archive.writestr(entry, entries[name])
    return buffer.getvalue()


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Walk the nodes of a schema in order; keys of a stored dict are no nodes."""
    if isinstance(tree, dict):
        if isinstance(tree.get("__loader__"), str):
            yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _renumber(schema: dict[str, Any], names: Mapping[str, str]) -> None:
    uses = Counter(node["__id__"] for node in _nodes(schema) if "__id__" in node)
    numbers: dict[int, int] = {}
    for node in _nodes(schema):
        if "file" in node:
            node["file"] = names[node["file"]]
        identity = node.pop("__id__", None)
        # Whether two equal numbers or strings are one object is chance, and means nothing.
        if identity is not None and uses[identity] > 1 and node["__loader__"] != "JsonNode":
            node["__id__"] = numbers.setdefault(identity, len(numbers) + 1)


def _sort_sets(schema: dict[str, Any], names: Mapping[str, str]) -> None:
    for node in list(_nodes(schema)):
        if node["__loader__"] == "SetNode":
            node["content"].sort(key=lambda member: _without_addresses(member, names))


def _without_addresses(node: dict[str, Any], names: Mapping[str, str]) -> str:
    copy = json.loads(json.dumps(node))
    for part in _nodes(copy):
        part.pop("__id__", None)
        if "file" in part:
            part["file"] = names[part["file"]]
    return json.dumps(copy)


def _content_name(name: str, content: bytes) -> str:
    return f"{sha256(content).hexdigest()[:32]}.{name.rpartition('.')[2]}"


def _without_padding(name: str, content: bytes) -> bytes:
    """Zero the bytes of a structured array that nobody wrote: they are stray memory."""
    if not name.endswith(".npy"):
        return content
    array = np.load(BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    buffer = BytesIO()
    np.save(buffer, _rewritten(array), allow_pickle=False)
    return buffer.getvalue()


def _rewritten(array: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    clean = np.zeros(
        array.shape, array.dtype
    )  # zeros_like would copy zeros field by field, around the padding
    for field in array.dtype.names or ():
        clean[field] = array[field]
    if {"left_child", "missing_go_to_left"} <= set(array.dtype.names or ()):
        # scikit-learn leaves this field of a leaf as it found it.
        clean["missing_go_to_left"][array["left_child"] == TREE_LEAF] = 0
    return clean
