"""Files as Potato reads and writes them.

A batch is a file of ``data_files``, with ``item_properties: {id_key: id, text_key: <a display column>}``; ids
are always text. Answers are what Potato keeps in its ``output_annotation_dir``, copied as it is:

=====================================  ================================================================
<user>/user_state.json                 version 2: all that a user has answered
<user>/annotated_instances.jsonl       version 1: the same, a row a line
exports/jsonl/annotations.jsonl        version 2: a copy of everybody's, which may lag behind; read only
                                       where there is no user_state.json
=====================================  ================================================================

Other files of that folder are no answers. A scheme (a question) called ``label`` counts, or the only one.
Potato says when a row was answered in no file of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lamplighter.labelers.answers import Line
from lamplighter.labelers.base import Batch, Problem
from lamplighter.labelers.objects import Unreadable, decoded, object_of, objects
from lamplighter.labelers.sheets import json_lines, shown_columns

SCHEME = "label"
_STATE, _COPY, _FIRST = "user_state.json", "annotations.jsonl", "annotated_instances.jsonl"
_RESERVED = frozenset({"id", "batch", "predicted", "confidence"})
_UNTICKED = (None, False, "", "false", "False", 0)

#: What was ticked, by scheme.
Ticked = Mapping[str, Sequence[object]]


def sheet(batch: Batch, *, show_prediction: bool = False) -> bytes:
    """Write a batch."""
    return json_lines(
        {
            "id": str(row.id),
            **shown_columns(row, show_prediction=show_prediction, reserved=_RESERVED),
            "batch": batch.id,
        }
        for row in batch.rows
    )


def chosen(keys: Sequence[str]) -> Iterator[str]:
    """Give the files of answers among all that Potato keeps."""
    names = {key: key.rpartition("/")[2] for key in keys}
    read = (_STATE, _FIRST) if _STATE in names.values() else (_FIRST, _COPY)
    return (key for key, name in names.items() if name in read)


def lines(key: str, data: bytes) -> Iterator[Line | Problem]:
    """Give the answers of a file."""
    text = decoded(key, data)
    if isinstance(text, Problem):
        yield text
    elif key.endswith(_STATE):
        yield from _state_lines(key, text)
    else:
        for found in objects(key, text):
            yield found if isinstance(found, Problem) else _line_of_copy(*found)


def _state_lines(key: str, text: str) -> Iterator[Line | Problem]:
    try:
        state = object_of(text)
        user, answered = state.get("user_id"), state.get("instance_id_to_label_to_value")
        if not isinstance(user, str) or not isinstance(answered, dict):
            raise Unreadable("no 'user_id' or no 'instance_id_to_label_to_value'; is it another file?")
    except Unreadable as error:
        yield Problem(key, str(error))
        return
    for row, pairs in answered.items():
        where = f"{key}:{row}"
        try:
            yield _line(where, row, user, _ticked_pairs(pairs))
        except Unreadable as error:
            yield Problem(where, str(error))


def _line_of_copy(where: str, cells: Mapping[str, object]) -> Line | Problem:
    """Read a line of an export, or of version 1, which calls the labels otherwise."""
    try:
        row, user = cells.get("instance_id"), cells.get("user_id")
        schemes = cells.get("labels", cells.get("label_annotations"))
        if row is None or not isinstance(user, str) or not isinstance(schemes, dict):
            raise Unreadable("no 'instance_id', 'user_id' or labels by scheme")
        return _line(where, row, user, {str(name): _ticked(given) for name, given in schemes.items()})
    except Unreadable as error:
        return Problem(where, str(error))


def _ticked_pairs(pairs: object) -> Ticked:
    """Read [[{"schema": ..., "name": ...}, value], ...]."""
    found: dict[str, dict[object, object]] = {}
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], dict)):
            raise Unreadable("an answer that is no pair of a label and its value")
        found.setdefault(str(pair[0].get("schema")), {})[pair[0].get("name")] = pair[1]
    return {scheme: _ticked(given) for scheme, given in found.items()}


def _ticked(given: object) -> Sequence[object]:
    if not isinstance(given, dict):
        raise Unreadable(f"labels are a {type(given).__name__}; a mapping of names to values is needed")
    return [name for name, value in given.items() if value not in _UNTICKED]


def _line(where: str, row: object, user: str, ticked: Ticked) -> Line:
    """Give a line with the label that was ticked; empty where none was."""
    if ticked and SCHEME not in ticked and len(ticked) > 1:
        raise Unreadable(f"schemes {', '.join(sorted(ticked))}; call the one that counts '{SCHEME}'")
    names = ticked.get(SCHEME, next(iter(ticked.values()), ()))
    if len(names) > 1:
        raise Unreadable(
            f"{len(names)} labels for one row; let people choose one alone (annotation_type: radio)"
        )
    return Line(where, {"id": row, "label": names[0] if names else None, "annotator": user})
