"""Crowds for the benchmark of label quality: one published, others simulated with known faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_digits

from lamplighter.arrays import F64, I64, Bools
from lamplighter.config import LearnerConfig
from lamplighter.learner import out_of_fold
from lamplighter.quality.answers import Answers

#: Dawid and Skene 1979, the published data: 45 patients, fitness for anaesthesia from 1 to 4, as assessed
#: three times by the first anaesthetist and once by four others.
PATIENTS = """
1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111
2223212 1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111
2322222 1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432
1111111 1111111 1212111 2322222 1211111 2222222
"""


@dataclass(frozen=True, eq=False)
class Crowd:
    """Votes, in the order of (row, annotator), and what a model says of the rows.

    `truth` is None where nobody knows it, `proba` and `unlabelled` where there are no features. The
    latter are probabilities for rows that nobody voted on.
    """

    name: str
    what: str
    classes: int
    row: I64
    annotator: I64
    label: I64
    truth: I64 | None = None
    proba: F64 | None = None
    unlabelled: F64 | None = None

    def answers(self) -> Answers:
        """Give the votes as label quality reads them."""
        return Answers(
            ids=pa.array(np.arange(self.row.max() + 1)),
            annotators=tuple(f"annotator {j:04d}" for j in range(self.annotator.max() + 1)),
            classes=tuple(f"class {c}" for c in range(self.classes)),
            row=self.row,
            annotator=self.annotator,
            label=self.label,
            lead_time_s=np.full(len(self.row), np.nan),
        )

    @property
    def untied(self) -> Bools:
        """(n,) bool: whether one class has most votes."""
        counts = self.answers().counts
        return np.asarray(np.count_nonzero(counts == counts.max(axis=1, keepdims=True), axis=1) == 1)

    def arrays(self) -> dict[str, Any]:
        """Give what a peer needs."""
        model = {} if self.proba is None else {"proba": self.proba, "unlabelled": self.unlabelled}
        votes = {"row": self.row, "annotator": self.annotator, "label": self.label, "untied": self.untied}
        return {
            **votes,
            "classes": np.array(self.classes),
            **{k: v for k, v in model.items() if v is not None},
        }


def every() -> list[Crowd]:
    """Give the crowds on which ours and the peers' are compared."""
    return [anaesthetists(), even(), uneven(1500), swapped(1500), digits(), chance(1500)]


def small() -> list[Crowd]:
    """Give the crowds whose results by the peers are kept with the tests."""
    return [anaesthetists(), uneven(40), swapped(40), level(40), single(30)]


def anaesthetists() -> Crowd:
    """Give the published patients; the first anaesthetist's three assessments are three annotators."""
    said = np.array([[int(c) - 1 for c in patient] for patient in PATIENTS.split()])
    rows, people = said.shape
    return Crowd(
        "anaesthetists",
        "real: 45 patients, 7 assessments, Dawid and Skene 1979",
        4,
        np.repeat(np.arange(rows), people),
        np.tile(np.arange(people), rows),
        said.ravel(),
    )


def even() -> Crowd:
    """Five annotators who err alike, and all see everything."""
    truth = np.random.default_rng(1).integers(0, 3, 1000)
    return _with_model(
        "even", "5 annotators, 75% right, 5 votes a row", truth, one_coin([0.75] * 5, 3), votes=(5, 5)
    )


def uneven(rows: int) -> Crowd:
    """Annotators from good to guessing, one to four votes a row, uneven classes."""
    generator = np.random.default_rng(2)
    truth = generator.choice(3, rows, p=[0.6, 0.3, 0.1])
    people = max(8, rows // 40)
    skill = np.linspace(0.95, 0.4, people)
    what = f"{people} annotators, 95% to 40% right, 1 to 4 votes a row, classes 60/30/10%"
    return _with_model("uneven", what, truth, one_coin(skill.tolist(), 3), votes=(1, 4))


def swapped(rows: int) -> Crowd:
    """Confusions that a single number per annotator cannot tell: swapped classes, a favourite class."""
    truth = np.random.default_rng(3).integers(0, 4, rows)
    swap = np.array(
        [[0.1, 0.8, 0.05, 0.05], [0.8, 0.1, 0.05, 0.05], [0.05, 0.05, 0.85, 0.05], [0.1, 0.1, 0.1, 0.7]]
    )
    lazy = np.full((4, 4), 0.1) + np.outer(np.ones(4), [0.6, 0, 0, 0])
    confusion = np.concatenate([one_coin([0.8, 0.7, 0.65, 0.6], 4), [swap, lazy]])
    return _with_model(
        "swapped", "6 annotators, one swaps two classes, one has a favourite", truth, confusion, votes=(4, 4)
    )


def level(rows: int) -> Crowd:
    """Classes so even that most votes are for another class than most labels."""
    truth = np.arange(rows) % 3
    what = "6 annotators, 70% right, 2 to 3 votes a row, even classes"
    return _with_model("level", what, truth, one_coin([0.7] * 6, 3), votes=(2, 3))


def chance(rows: int) -> Crowd:
    """A crowd that is hardly better than chance, beside a good model."""
    truth = np.random.default_rng(4).integers(0, 2, rows)
    return _with_model(
        "chance", "10 annotators, 55% right of 2 classes", truth, one_coin([0.55] * 10, 2), votes=(3, 3)
    )


def single(rows: int) -> Crowd:
    """One vote a row: nothing tells one annotator from another."""
    truth = np.random.default_rng(5).integers(0, 3, rows)
    return _with_model("single", "5 annotators, 1 vote a row", truth, one_coin([0.8] * 5, 3), votes=(1, 1))


def digits() -> Crowd:
    """Real images and a real model's out-of-fold probabilities; simulated annotators."""
    images = load_digits()
    truth = images.target.astype(np.int64)
    votes = _votes(truth, one_coin(np.linspace(0.9, 0.5, 20).tolist(), 10), (1, 3), 6)
    learner = LearnerConfig(name="sklearn.linear_model.LogisticRegression", params={"max_iter": 500})
    first = np.unique(votes[0], return_index=True)[1]  # fitted on one vote a row, as a campaign might
    labels = votes[2][first].astype(np.int32)
    names = tuple(str(c) for c in range(10))
    proba = out_of_fold(learner, images.data.astype(np.float32), labels, names, seed=0, round=1)
    what = "1,797 real images of digits, logistic regression out of fold; 20 annotators, 90% to 50% right"
    return Crowd("digits", what, 10, *votes, truth, proba, proba[:100])


def million() -> Crowd:
    """Give 1,000,000 votes of 1,000 annotators on 333,334 rows, ten classes."""
    generator = np.random.default_rng(7)
    truth = generator.integers(0, 10, 333_334)
    skill = np.clip(generator.normal(0.7, 0.15, 1000), 0.15, 0.99)
    row, annotator, label = _votes(truth, one_coin(skill.tolist(), 10), (3, 3), 8)
    return Crowd("million", "", 10, row[:1_000_000], annotator[:1_000_000], label[:1_000_000], truth)


def assisted() -> Crowd:
    """Give 60,000 votes of 200 annotators on 20,000 rows, ten classes, and a model."""
    truth = np.random.default_rng(10).integers(0, 10, 20_000)
    skill = np.linspace(0.95, 0.5, 200).tolist()
    return _with_model("assisted", "", truth, one_coin(skill, 10), votes=(3, 3))


def one_coin(skill: list[float], classes: int) -> F64:
    """Give (A, C, C) confusion matrices of annotators who are right so often, and else err evenly."""
    right, off = np.array(skill)[:, None, None], (1 - np.array(skill)[:, None, None]) / (classes - 1)
    return np.asarray(np.where(np.eye(classes, dtype=bool), right, off))


def _with_model(name: str, what: str, truth: I64, confusion: F64, *, votes: tuple[int, int]) -> Crowd:
    """Let a crowd vote, and a model that is too sure of itself look at features 1.5 apart."""
    generator, classes = np.random.default_rng(len(truth)), confusion.shape[1]
    proba = _beliefs(truth, classes, generator)
    unlabelled = _beliefs(generator.integers(0, classes, 50), classes, generator)
    return Crowd(name, what, classes, *_votes(truth, confusion, votes, 9), truth, proba, unlabelled)


def _beliefs(truth: I64, classes: int, generator: np.random.Generator) -> F64:
    features = 1.5 * np.eye(classes)[truth] + generator.normal(size=(len(truth), classes))
    odds = np.exp(2.5 * features)  # 1.5 would be the exact posterior
    # In millionths, so that a file of them says the same; the largest takes what is left.
    parts = np.maximum(1, np.floor(1e6 * odds / odds.sum(axis=1, keepdims=True)))
    parts[np.arange(len(truth)), parts.argmax(axis=1)] += 1e6 - parts.sum(axis=1)
    return np.asarray(parts / 1e6, np.float64)


def _votes(truth: I64, confusion: F64, votes: tuple[int, int], seed: int) -> tuple[I64, I64, I64]:
    """Let some annotators vote on each row, between the least and the most votes."""
    generator, people, classes = np.random.default_rng(seed), *confusion.shape[:2]
    least, most = votes
    # Disjoint stretches of annotators, turned at random: nobody is asked twice about a row.
    stretch = people // most
    first = generator.integers(0, people, (len(truth), 1))
    who = (first + stretch * np.arange(most) + generator.integers(0, stretch, (len(truth), most))) % people
    asked = np.arange(most) < generator.integers(least, most + 1, (len(truth), 1))
    who = np.sort(np.where(asked, who, people), axis=1)
    row, place = np.nonzero(who < people)
    annotator = who[row, place]
    bounds = confusion.cumsum(axis=2)[annotator, truth[row]]
    label = np.minimum((generator.random(len(row))[:, None] > bounds).sum(axis=1), classes - 1)
    return row.astype(np.int64), annotator.astype(np.int64), label.astype(np.int64)
