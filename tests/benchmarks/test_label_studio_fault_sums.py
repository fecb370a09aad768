"""The benchmark of faults adds up what its trials found."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.label_studio_faults import COLUMNS, Line, read, struck, table

KILL, CUT = "server killed during an import", "connection cut after the request was sent"


def test_trials_are_summed_by_database_and_fault(tmp_path: Path) -> None:
    lines: list[Line] = [
        {"database": "sqlite", "fault": KILL, "rows": 38, "tasks": 38, "told": 2, "imports_died": 1},
        {"database": "sqlite", "fault": KILL, "rows": 38, "tasks": 37, "lost": 1, "imports_died": 0},
        {"database": "sqlite", "fault": CUT, "rows": 1100, "tasks": 1100, "answers_doubled": 3},
        {"database": "postgresql", "fault": CUT, "broke": "OSError()"},
    ]
    path = tmp_path / "trials.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read(path) == lines
    assert read(tmp_path / "none.jsonl") == []
    heads, _, *rows = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in table(lines).split("\n")
    ]
    assert heads == ["database", "fault", "times", *COLUMNS.values(), "broke off"]
    assert rows == [
        ["sqlite", KILL, "2", "76", "75", "1", *"0000", *"0020"],
        ["sqlite", CUT, "1", "1,100", "1,100", *"000000", "3", *"00"],
        ["postgresql", CUT, "1", *"0000000000", "1"],
    ]
    assert struck(lines).startswith("Of 2 trials")
    assert struck(lines).endswith("in 1.")
