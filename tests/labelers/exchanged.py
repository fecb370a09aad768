"""Files as doccano and Potato write them, made by hand after real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Said = Mapping[Any, str | None]


def jsonl(lines: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def doccano_export(said: Said, first_id: int = 71) -> bytes:
    """Give one member's file: doccano's own ids first, meta data as imported, [] where none is chosen."""
    return jsonl(
        [
            {
                "id": first_id + n,
                "text": f"text of {row}",
                "row_id": str(row),
                "size": n / 2,
                "batch": "campaign-000003-0a1b2c3d",
                "label": [label] if label else [],
                "Comments": [],
            }
            for n, (row, label) in enumerate(said.items())
        ]
    )


def potato_state(user: str, said: Said, scheme: str = "label") -> bytes:
    """Give user_state.json of version 2.12, without the parts that say nothing about answers."""
    pairs = {
        str(row): [[{"schema": scheme, "name": label}, label]] if label else [] for row, label in said.items()
    }
    state = {
        "user_id": user,
        "instance_id_ordering": [str(row) for row in said],
        "current_instance_index": 0,
        "current_phase_and_page": ["annotation", None],
        "completed_phase_and_pages": [],
        "max_assignments": len(said),
        "instance_id_to_behavioral_data": {},
        "instance_id_to_label_to_value": pairs,
        "instance_id_to_span_to_value": {},
        "phase_to_page_to_label_to_value": {},
        "prestudy_passed": None,
    }
    return json.dumps(state, indent=2).encode()


def potato_copy(user: str, said: Said) -> bytes:
    """Give exports/jsonl/annotations.jsonl of version 2.12."""
    return jsonl(
        [
            {
                "instance_id": str(row),
                "user_id": user,
                "labels": {"label": {label: label} if label else {}},
                "spans": {},
                "links": {},
            }
            for row, label in said.items()
        ]
    )


def potato_first(user: str, said: Said, classes: Sequence[str] = ("cat", "dog", "eel")) -> bytes:
    """Give annotated_instances.jsonl of version 1, which says of each class whether it is ticked."""
    return jsonl(
        [
            {
                "user_id": user,
                "instance_id": str(row),
                "displayed_text": f"text of {row}",
                "label_annotations": {"label": {name: name == label for name in classes}},
                "span_annotations": {},
                "behavioral_data": {"time_string": "Time spent: 0d 0h 0m 4s "},
            }
            for row, label in said.items()
        ]
    )


#: Files beside the answers in Potato's folder.
POTATO_REST = {
    "potato.log": b"2026-11-22 23:29:05 [INFO] potato.flask_server: ...\n",
    "pocket/device_visits.json": b'{"ann": {"last_device": "desktop"}}',
    "ann/annotation_history.jsonl": b'{"action_id": "67e60b1f", "instance_id": "100", "label_name": "cat"}\n',
}
