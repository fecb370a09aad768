"""Dawid and Skene's model on a million annotations, in a process of its own: CPU seconds and memory.

python -m benchmarks.quality_million CROWD.npz RESULT.npz
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.quality_crowds import Crowd
from lamplighter import annotations as annotation_table
from lamplighter.quality.answers import Answers
from lamplighter.quality.dawid_skene import dawid_skene


def main() -> None:
    """Measure EM, then what it takes to read the same votes from an annotation table."""
    source, target = sys.argv[1:]
    with np.load(source) as file:
        crowd = Crowd("million", "", int(file["classes"]), file["row"], file["annotator"], file["label"])
    answers = crowd.answers()
    base, start = peak_mb(), time.process_time()
    found = dawid_skene(answers)
    seconds, peak = time.process_time() - start, peak_mb()
    table = _table(answers)
    start = time.process_time()
    read = Answers.read(table, answers.classes)
    reading = time.process_time() - start
    assert np.array_equal(read.label, answers.label)
    np.savez(
        target,
        cpu_s=seconds,
        base_mb=base,
        peak_mb=peak,
        steps=len(found.objective),
        label=found.consensus.label,
        read_s=reading,
    )


def peak_mb() -> float:
    """Give the most memory that this process had, in MB; getrusage also counts its parent's."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def _table(answers: Answers) -> Any:
    """Give the votes as one round of the annotation table."""
    n = len(answers)
    columns = {
        "id": answers.ids.take(pa.array(answers.row)),
        "label": pa.array(answers.classes).take(pa.array(answers.label)),
        "annotator": pa.array(answers.annotators).take(pa.array(answers.annotator)),
        "labeler": pa.repeat("files", n),
        "created_at": pa.array(np.arange(n)).cast(pa.timestamp("us", tz="UTC")),
        "lead_time_s": pa.nulls(n, pa.float64()),
        "status": pa.repeat("labelled", n),
        "source": pa.repeat("answers.csv", n),
        "round": pa.array(np.ones(n, np.int32)),
        "confidence": pa.nulls(n, pa.float64()),
    }
    schema = annotation_table.schema(integer_ids=True)
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


if __name__ == "__main__":
    main()
