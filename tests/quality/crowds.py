"""Crowds of annotators: made by hypothesis, simulated with known faults, or written out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from lamplighter.arrays import F64, I64
from lamplighter.quality.answers import Answers

#: For laws over small crowds; the machine may be busy.
LAW = settings(deadline=None, max_examples=60)


def answers_of(
    votes: Mapping[tuple[int, int], int],
    classes: int = 3,
    lead: Mapping[tuple[int, int], float] | None = None,
) -> Answers:
    """Give answers from (row, annotator) -> class; rows and annotators without a vote do not exist."""
    pairs = sorted(votes)
    ids, row = np.unique([r for r, _ in pairs], return_inverse=True)
    names, annotator = np.unique([j for _, j in pairs], return_inverse=True)
    return Answers(
        ids=pa.array(ids.astype(np.int64)),
        annotators=tuple(f"ann {j}" for j in names),
        classes=tuple(f"class {c}" for c in range(classes)),
        row=row.astype(np.int64).reshape(-1),
        annotator=annotator.astype(np.int64).reshape(-1),
        label=np.array([votes[pair] for pair in pairs], np.int64),
        lead_time_s=np.array([(lead or {}).get(pair, np.nan) for pair in pairs], np.float64),
    )


def of_matrix(matrix: Sequence[Sequence[int | None]], classes: int) -> Answers:
    """Give answers from one list per annotator, None where it said nothing."""
    said = {(i, j): c for j, line in enumerate(matrix) for i, c in enumerate(line) if c is not None}
    return answers_of(said, classes)


def crowds(classes: int = 3, rows: int = 8, annotators: int = 4) -> st.SearchStrategy[Answers]:
    """Give small crowds, any votes missing."""
    pair = st.tuples(st.integers(0, rows - 1), st.integers(0, annotators - 1))
    return st.dictionaries(pair, st.integers(0, classes - 1), min_size=1).map(
        lambda votes: answers_of(votes, classes)
    )


def simulated(truth: I64, confusion: F64, votes: int, *, seed: int = 0) -> Answers:
    """Let `votes` of A annotators, (A, C, C) confusion matrices, vote on each row."""
    draw = np.random.default_rng(seed)
    a, classes = len(confusion), confusion.shape[1]
    who = np.sort(np.argsort(draw.random((len(truth), a)), axis=1)[:, :votes], axis=1)
    row, annotator = np.repeat(np.arange(len(truth)), votes), who.ravel()
    bounds = confusion.cumsum(axis=2)[annotator, truth[row]]
    label = np.minimum((draw.random(len(row))[:, None] > bounds).sum(axis=1), classes - 1)
    return answers_of(
        dict(zip(zip(row.tolist(), annotator.tolist(), strict=True), label.tolist(), strict=True)), classes
    )


def one_coin(skill: Sequence[float], classes: int) -> F64:
    """Give (A, C, C) confusion matrices of annotators who are right so often, and else err evenly."""
    off = [(1 - s) / (classes - 1) for s in skill]
    return np.array(
        [np.full((classes, classes), o) + np.eye(classes) * (s - o) for s, o in zip(skill, off, strict=True)]
    )


def by_row(answers: Answers) -> list[dict[int, int]]:
    """Give annotator -> class for each row, for oracles in plain Python."""
    found: list[dict[int, int]] = [{} for _ in range(len(answers.ids))]
    for i, j, c in zip(answers.row.tolist(), answers.annotator.tolist(), answers.label.tolist(), strict=True):
        found[i][j] = c
    return found
