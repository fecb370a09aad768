"""Dawid and Skene's EM: by hand, by loops, by its laws, and on crowds whose faults are known."""

from __future__ import annotations

from math import exp, isclose, log, prod

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality_crowds import PATIENTS
from lamplighter.errors import ConfigError
from lamplighter.quality.answers import Answers
from lamplighter.quality.dawid_skene import DawidSkene, dawid_skene
from lamplighter.quality.majority import majority
from tests.quality.crowds import LAW, answers_of, by_row, crowds, of_matrix, one_coin, simulated


def in_loops(answers: Answers, s: float, steps: int) -> tuple[list[list[float]], list[float]]:
    """Follow equations 2.3 to 2.5 of the paper, with s votes more in every cell: no logs, no arrays."""
    rows, n_classes, people = by_row(answers), len(answers.classes), range(len(answers.annotators))
    classes = range(n_classes)
    q = [[list(v.values()).count(t) / len(v) for t in classes] for v in rows]
    objective = []
    for _ in range(steps):
        p = [(s + sum(row[t] for row in q)) / (n_classes * s + len(rows)) for t in classes]
        e = [[[0.0] * n_classes for _ in classes] for _ in people]
        for j in people:
            for t in classes:
                seen = [s + sum(q[i][t] for i, v in enumerate(rows) if v.get(j) == c) for c in classes]
                e[j][t] = [x / sum(seen) for x in seen]
        like = [[p[t] * prod(e[j][t][c] for j, c in v.items()) for t in classes] for v in rows]
        q = [[x / sum(row) for x in row] for row in like]
        cells = [x for of in e for row in of for x in row]
        objective.append(sum(log(sum(row)) for row in like) + s * sum(map(log, [*p, *cells])))
    return q, objective


@LAW
@given(crowds(), st.sampled_from([0.01, 1 / 3, 1.0]), st.integers(1, 6))
def test_equals_the_equations_in_loops(answers: Answers, s: float, steps: int) -> None:
    found = dawid_skene(answers, smoothing=s, steps=steps, tolerance=1e-300)
    taken = len(found.objective)
    belief, objective = in_loops(answers, s, taken)
    np.testing.assert_allclose(found.consensus.proba, belief, atol=1e-9)
    np.testing.assert_allclose(found.objective, objective, atol=1e-8)
    assert taken <= steps


def test_one_step_by_hand() -> None:
    # Rows: x has two votes for 0; y one for each; z one vote for 1. Smoothing 1/2.
    answers = of_matrix([[0, 0, 1], [0, 1, None]], classes=2)
    found = dawid_skene(answers, steps=1)
    # q starts at (1, 0), (1/2, 1/2), (0, 1): sums 3/2 and 3/2, so the prior is even.
    assert found.prior.tolist() == [0.5, 0.5]
    # Annotator 0 said 0 of x and y, 1 of z. True 0: said 0 with 1/2 + 1 + 1/2 = 2, said 1 with 1/2.
    # True 1: said 0 with 1/2 + 0 + 1/2 = 1, said 1 with 1/2 + 1 = 3/2.
    np.testing.assert_allclose(found.confusion[0], [[2 / 2.5, 0.5 / 2.5], [1 / 2.5, 1.5 / 2.5]])
    # Annotator 1 said 0 of x, 1 of y. True 0: 3/2 and 1. True 1: 1/2 and 1.
    np.testing.assert_allclose(found.confusion[1], [[1.5 / 2.5, 1 / 2.5], [0.5 / 1.5, 1 / 1.5]])
    x, y, z = 0.8 * 0.6 / (0.8 * 0.6 + 0.4 / 3), 0.8 * 0.4 / (0.8 * 0.4 + 0.4 * 2 / 3), 0.2 / 0.8
    np.testing.assert_allclose(found.consensus.proba[:, 0], [x, y, z])
    assert found.consensus.label.tolist() == [0, 0, 1]
    np.testing.assert_allclose(found.consensus.confidence, [x, y, 1 - z])
    assert not found.converged


def test_the_published_patients() -> None:
    said = np.array([[int(c) - 1 for c in patient] for patient in PATIENTS.split()])
    # Three assessments of each patient are by the same annotator.
    answers = Answers(
        ids=pa.array(range(45)),
        annotators=("1", "2", "3", "4", "5"),
        classes=("1", "2", "3", "4"),
        row=np.repeat(np.arange(45), 7),
        annotator=np.tile([0, 0, 0, 1, 2, 3, 4], 45),
        label=said.ravel(),
        lead_time_s=np.full(45 * 7, np.nan),
    )
    found = dawid_skene(answers, smoothing=1e-6)  # the paper has none
    np.testing.assert_allclose(found.prior, [0.40, 0.42, 0.11, 0.07], atol=0.005)
    first = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    np.testing.assert_allclose(found.confusion[0], first, atol=0.005)
    np.testing.assert_allclose(found.confusion[4][0], [1, 0, 0, 0], atol=0.005)


@LAW
@given(crowds(classes=2, rows=10, annotators=5), st.sampled_from([0.05, 0.5, 2.0]))
def test_the_objective_never_falls_and_all_is_a_distribution(answers: Answers, s: float) -> None:
    found = dawid_skene(answers, smoothing=s, steps=40, tolerance=1e-12)
    assert (np.diff(found.objective) >= -1e-9).all()
    np.testing.assert_allclose(found.consensus.proba.sum(axis=1), 1)
    np.testing.assert_allclose(found.confusion.sum(axis=2), 1)
    assert isclose(found.prior.sum(), 1)
    assert found.confusion.shape == (len(answers.annotators), 2, 2)


CROWD = np.array(
    [
        [[0.95, 0.05, 0.0], [0.05, 0.9, 0.05], [0.0, 0.1, 0.9]],
        [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]],
        [[0.6, 0.3, 0.1], [0.05, 0.9, 0.05], [0.05, 0.35, 0.6]],  # calls much class 1
        [[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]],  # has swapped 0 and 1
        [[1 / 3, 1 / 3, 1 / 3]] * 3,  # does not look
        [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]],
    ]
)


def simulated_crowd() -> tuple[np.ndarray, Answers, DawidSkene]:
    truth = np.random.default_rng(5).choice(3, 6000, p=[0.5, 0.3, 0.2]).astype(np.int64)
    answers = simulated(truth, CROWD, votes=5, seed=6)
    return truth, answers, dawid_skene(answers)


def test_recovers_the_confusion_matrices_of_a_crowd_and_beats_majority() -> None:
    truth, answers, found = simulated_crowd()
    assert found.converged
    # About 1,000 votes on the rarest class of each: a standard error of at most 0.016.
    np.testing.assert_allclose(found.confusion, CROWD, atol=0.06)
    np.testing.assert_allclose(found.prior, [0.5, 0.3, 0.2], atol=0.03)
    right, by_majority = (c.label == truth for c in (found.consensus, majority(answers)))
    assert right.mean() > by_majority.mean() + 0.03
    # The model holds here, so it knows how often it is right.
    assert right.mean() == pytest.approx(found.consensus.confidence.mean(), abs=0.02)


def test_equal_annotators_make_it_the_majority() -> None:
    truth = np.random.default_rng(1).integers(0, 2, 2000)
    answers = simulated(truth, one_coin([0.8] * 5, 2), votes=5, seed=2)
    np.testing.assert_array_equal(dawid_skene(answers).consensus.label, majority(answers).label)


def test_interchangeable_annotators_and_classes_stay_so() -> None:
    # Every pattern of three votes, as often as the same one with classes swapped or annotators permuted.
    patterns = [(a, b, c) for a in range(2) for b in range(2) for c in range(2)]
    often = [p for p in patterns for _ in range(9 if len(set(p)) == 1 else 1)]
    found = dawid_skene(of_matrix([*zip(*often, strict=True)], classes=2))
    np.testing.assert_allclose(found.prior, 0.5)
    np.testing.assert_allclose(found.confusion, np.broadcast_to(found.confusion[0], (3, 2, 2)))
    assert found.consensus.label.tolist() == [int(sum(p) >= 2) for p in often]


def test_a_row_with_very_many_votes_has_a_posterior() -> None:
    answers = answers_of({(i, j): (i + (j % 3 == 0)) % 2 for i in range(4) for j in range(3000)}, classes=2)
    found = dawid_skene(answers)
    assert found.consensus.label.tolist() == [0, 1, 0, 1]
    assert np.isfinite(found.consensus.proba).all()
    assert exp(found.objective[-1] / 10_000) > 0


def test_alone_everybody_is_believed() -> None:
    answers = answers_of({(i, i % 4): i % 3 for i in range(24)})
    found = dawid_skene(answers)
    np.testing.assert_array_equal(found.consensus.label, majority(answers).label)
    assert len(dawid_skene(answers.without(answers.annotators)).consensus) == 0


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"smoothing": 0.0}, "smoothing is 0.0; allowed: a number above 0"),
        ({"smoothing": float("inf")}, "smoothing is inf"),
        ({"steps": 0}, "steps is 0; allowed: a whole number of at least 1"),
        ({"tolerance": -1.0}, "tolerance is -1.0"),
    ],
)
def test_parameters_out_of_range_are_refused(params: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        dawid_skene(answers_of({(0, 0): 1}), **params)  # type: ignore[arg-type]  # bad ones on purpose
