"""The peers' results on small crowds as JSON, so that parity is tested where no peer is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality_crowds import Crowd

#: Significant digits of the peers' numbers.
_DIGITS = 12


def write(folder: Path, crowd: Crowd, peer: Mapping[str, Any]) -> None:
    """Write one crowd and what the peers made of it."""
    told = {
        "made by": "make bench-quality",
        "peers": [str(v) for v in peer["versions"]],
        "name": crowd.name,
        "what": crowd.what,
        "classes": crowd.classes,
    }
    crowd_arrays = {
        k: getattr(crowd, k) for k in ("row", "annotator", "label", "truth", "proba", "unlabelled")
    }
    parts = {"crowd": crowd_arrays, "peer": {k: v for k, v in peer.items() if k != "versions"}}
    for part, arrays in parts.items():
        told |= {f"{part} {name}": _plain(array) for name, array in arrays.items()}
    lines = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in told.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{crowd.name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def read(path: Path) -> tuple[Crowd, dict[str, Any]]:
    """Read what `write` wrote: the crowd and the peers' arrays."""
    told = json.loads(path.read_text("utf-8"))
    arrays: dict[str, Any] = {
        key: None if value is None else np.array(value) for key, value in told.items() if " " in key
    }
    crowd = {key.removeprefix("crowd "): value for key, value in arrays.items() if key.startswith("crowd ")}
    peer = {key.removeprefix("peer "): value for key, value in arrays.items() if key.startswith("peer ")}
    return Crowd(name=told["name"], what=told["what"], classes=told["classes"], **crowd), peer


def _plain(value: Any) -> Any:
    """Give lists of numbers with few digits; None for None."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return [_plain(v) for v in value] if isinstance(value, list) else _plain(np.asarray(value).tolist())
