"""Large crowds, in a process of their own each: CPU seconds and memory.

python -m benchmarks.quality_large million CROWD.npz RESULT.npz
python -m benchmarks.quality_large assisted CROWD.npz RESULT.npz
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.quality_crowds import Crowd
from lamplighter import annotations as annotation_table
from lamplighter.quality.active_lab import labelled_scores
from lamplighter.quality.agreement import agreement
from lamplighter.quality.annotators import annotator_quality
from lamplighter.quality.answers import Answers
from lamplighter.quality.crowdlab import crowdlab
from lamplighter.quality.dawid_skene import dawid_skene
from lamplighter.quality.majority import majority
from lamplighter.quality.relabel import relabel
from lamplighter.quality.weighted import wawa, weighted


def main() -> None:
    """Do what the command line says."""
    what, source, target = sys.argv[1:]
    with np.load(source) as file:
        names = ("row", "annotator", "label", "proba")
        arrays: dict[str, Any] = {name: file[name] for name in names if name in file.files}
        crowd = Crowd(name=what, what="", classes=int(file["classes"]), **arrays)
    np.savez(target, **(million(crowd) if what == "million" else assisted(crowd)))


def million(crowd: Crowd) -> dict[str, Any]:
    """Measure EM, then what it takes to read the same votes from an annotation table."""
    answers = crowd.answers()
    base, start = peak_mb(), time.process_time()
    found = dawid_skene(answers)
    seconds, peak = time.process_time() - start, peak_mb()
    table = _table(answers)
    start = time.process_time()
    read = Answers.read(table, answers.classes)
    reading = time.process_time() - start
    assert np.array_equal(read.label, answers.label)
    measured = {"cpu_s": seconds, "base_mb": base, "peak_mb": peak, "read_s": reading}
    return {**measured, **costs(answers), "steps": len(found.objective), "label": found.consensus.label}


def costs(answers: Answers) -> dict[str, Any]:
    """Measure everything else that a round may do with its votes."""
    generator = np.random.default_rng(0)
    proba = generator.dirichlet(np.ones(len(answers.classes)), len(answers.ids))
    timed = replace(answers, lead_time_s=generator.lognormal(2, 1, len(answers)))
    scores = labelled_scores(answers, proba)
    everything: dict[str, Callable[[], object]] = {
        "majority": lambda: majority(timed),
        "wawa": lambda: wawa(timed),
        "weighted": lambda: weighted(timed),
        "crowdlab": lambda: crowdlab(timed, proba),
        "ActiveLab": lambda: labelled_scores(timed, proba),
        "relabel, 10,000 rows": lambda: relabel(timed, scores, 10_000, seed=0, round=0),
        "annotator quality": lambda: annotator_quality(timed),
        "Krippendorff's alpha, interval": lambda: agreement(timed, seed=0, round=0),
    }
    seconds = []
    for work in everything.values():
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return {"costs": np.array(seconds), "costs_of": np.array([*everything])}


def assisted(crowd: Crowd) -> dict[str, Any]:
    """Measure CROWDLAB and ActiveLab's scores of the answered rows."""
    assert crowd.proba is not None
    answers = crowd.answers()
    base, start = peak_mb(), time.process_time()
    found = crowdlab(answers, crowd.proba)
    labelled_scores(answers, crowd.proba)
    seconds = time.process_time() - start
    return {"cpu_s": seconds, "base_mb": base, "peak_mb": peak_mb(), "label": found.consensus.label}


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
