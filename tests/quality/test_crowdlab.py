"""CROWDLAB and ActiveLab: the papers' formulas in loops, by hand, and on simulated crowds with a model."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.arrays import F64
from lamplighter.errors import ModelError
from lamplighter.quality.active_lab import labelled_scores, unlabelled_scores
from lamplighter.quality.answers import Answers
from lamplighter.quality.crowdlab import LEAST, Trust, crowdlab
from lamplighter.quality.majority import majority
from tests.quality.crowds import LAW, answers_of, by_row, crowds, of_matrix, one_coin, simulated


def beliefs(answers: Answers, seed: int) -> F64:
    """Give a model's probabilities, no two classes alike."""
    drawn: F64 = np.random.default_rng(seed).dirichlet(np.ones(len(answers.classes)), len(answers.ids))
    return drawn


def weights_in_loops(answers: Answers, p: list[list[float]]) -> tuple[list[float], float, float]:
    """Follow the paper for crowds that share at least one row."""
    rows, people = by_row(answers), range(len(answers.annotators))
    classes = range(len(answers.classes))
    said = [list(v.values()) for v in rows]
    winner = [max(classes, key=lambda c: (said[i].count(c), p[i][c])) for i in range(len(rows))]
    plus = [i for i, v in enumerate(rows) if len(v) > 1]
    right = sum(said[i].count(winner[i]) / len(rows[i]) for i in plus) / len(plus)
    flat = [c for v in said for c in v]
    largest = max(classes, key=lambda c: (flat.count(c), -c))
    off = max(LEAST, 1 - sum(winner[i] == largest for i in plus) / len(plus))
    model = 1 - sum(winner[i] == p[i].index(max(p[i])) for i in plus) / len(plus)
    found: list[float | None] = []
    for j in people:
        pairs = [v[j] == c for v in rows if j in v for k, c in v.items() if k != j]
        found.append(max(LEAST, 1 - (1 - sum(pairs) / len(pairs)) / off) if pairs else None)
    known = [w for w in found if w is not None]
    w = [sum(known) / len(known) if x is None else x for x in found]
    return w, max(LEAST, 1 - model / off) * sqrt(len(answers) / len(rows)), right


def mix_in_loops(answers: Answers, p: list[list[float]], trust: Trust) -> list[list[float]]:
    classes = range(len(answers.classes))
    other, found = (1 - trust.right) / (len(classes) - 1), []
    for i, v in enumerate(by_row(answers)):
        total = trust.model + sum(trust.annotator[j] for j in v)
        votes = {j: [trust.right if c == k else other for k in classes] for j, c in v.items()}
        found.append(
            [
                (trust.model * p[i][k] + sum(trust.annotator[j] * votes[j][k] for j in v)) / total
                for k in classes
            ]
        )
    return found


@LAW
@given(crowds(), st.integers(0, 9))
def test_equals_the_paper_in_loops(answers: Answers, seed: int) -> None:
    p = beliefs(answers, seed)
    found = crowdlab(answers, p, seed=seed)
    if answers.shared.any():
        weight, model, right = weights_in_loops(answers, p.tolist())
        np.testing.assert_allclose(found.trust.annotator, weight, atol=1e-9)
        assert found.trust.model == pytest.approx(model)
        assert found.trust.right == pytest.approx(right)
    np.testing.assert_allclose(
        found.consensus.proba, mix_in_loops(answers, p.tolist(), found.trust), atol=1e-9
    )
    np.testing.assert_allclose(found.consensus.proba.sum(axis=1), 1)


def test_by_hand() -> None:
    # Rows 0 to 3 are shared; on row 3 annotators tie and the model prefers 1. Row 4 has one vote.
    answers = of_matrix([[0, 0, 1, 1, 0], [0, 0, 1, 0, None]], classes=2)
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5]])
    found = crowdlab(answers, p)
    # Majority 0 0 1 1. Votes: five for 0 of nine, so a_0 = 2/4; the model has 3 of 4.
    assert found.trust.right == pytest.approx((1 + 1 + 1 + 0.5) / 4)
    np.testing.assert_allclose(found.trust.annotator, 1 - (1 - 3 / 4) / (1 / 2))
    assert found.trust.model == pytest.approx((1 - (1 / 4) / (1 / 2)) * sqrt(9 / 5))
    w, model = 0.5, 0.5 * sqrt(9 / 5)
    first = (model * 0.9 + 2 * w * 0.875) / (model + 2 * w)
    tied = (model * 0.7 + w * 0.875 + w * 0.125) / (model + 2 * w)
    alone = (model * 0.5 + w * 0.875) / (model + w)
    assert found.consensus.label.tolist() == [0, 0, 1, 1, 0]
    np.testing.assert_allclose(found.consensus.confidence[[0, 3, 4]], [first, tied, alone])
    scores = labelled_scores(answers, p)
    assert scores[0] == pytest.approx((model * 0.9 + 2 * w * 0.875 + w / 2) / (model + 3 * w))
    assert scores[4] == pytest.approx((model * 0.5 + w * 0.875 + w / 2) / (model + 2 * w))
    new = unlabelled_scores(np.array([[0.2, 0.8]]), found.trust)
    assert new == pytest.approx([(model * 0.8 + w / 2) / (model + w)])


@LAW
@given(crowds(), st.integers(0, 9))
def test_a_score_is_the_confidence_after_one_more_answer_by_chance(answers: Answers, seed: int) -> None:
    p = beliefs(answers, seed)
    found, scores = crowdlab(answers, p, seed=seed), labelled_scores(answers, p, seed=seed)
    trust, confidence = found.trust, found.consensus.confidence
    total = np.array([trust.model + sum(trust.annotator[j] for j in v) for v in by_row(answers)])
    np.testing.assert_allclose(scores, (confidence * total + trust.mean / 3) / (total + trust.mean))
    assert ((scores >= 1 / 3 - 1e-9) & (scores <= confidence + 1e-9)).all()


def test_an_unlabelled_row_is_a_labelled_one_without_votes() -> None:
    trust = Trust(np.array([0.5, 1.0]), 0.8, 0.9)
    sure, unsure = unlabelled_scores(np.array([[0.98, 0.01, 0.01], [0.4, 0.3, 0.3]]), trust)
    assert sure == pytest.approx((0.8 * 0.98 + 0.75 / 3) / 1.55)
    assert unsure < sure
    assert unlabelled_scores(np.empty((0, 3)), trust).shape == (0,)


def test_a_model_and_a_poor_crowd_know_more_together() -> None:
    draw = np.random.default_rng(8)
    truth = draw.integers(0, 3, 1500)
    answers = simulated(truth, one_coin([0.9, 0.65, 0.6, 0.6], 3), votes=3, seed=9)
    # Features 1.6 apart with unit noise: this is the exact posterior, so the model knows what it knows.
    odds = np.exp(1.6 * (1.6 * np.eye(3)[truth] + draw.normal(size=(1500, 3))))
    model = odds / odds.sum(axis=1, keepdims=True)
    joined = crowdlab(answers, model)
    right = (joined.consensus.label == truth).mean()
    assert right > (majority(answers).label == truth).mean() + 0.03
    assert right > (model.argmax(axis=1) == truth).mean() + 0.03
    assert joined.trust.annotator[0] > max(joined.trust.annotator[1:])
    # A model that guesses has little weight.
    blind = crowdlab(answers, draw.dirichlet(np.ones(3), 1500))
    assert blind.trust.model < 0.2 * joined.trust.model


def test_where_the_model_has_no_opinion_the_votes_decide_alone() -> None:
    answers = of_matrix([[0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 0]], classes=2)
    p = np.array([[0.9, 0.1], [np.nan, np.nan], [0.1, 0.9], [0.6, 0.4]])
    found = crowdlab(answers, p)
    w, right = found.trust.annotator, found.trust.right
    assert found.trust.model == pytest.approx(sqrt(3))  # right wherever it has an opinion
    expected = ((w[0] + w[1]) * right + w[2] * (1 - right)) / w.sum()
    assert found.consensus.confidence[1] == pytest.approx(expected)
    without = crowdlab(answers, np.full((4, 2), np.nan))
    np.testing.assert_array_equal(without.consensus.label, majority(answers).label)
    assert np.isfinite(labelled_scores(answers, np.full((4, 2), np.nan))).all()


def test_where_nobody_shares_a_row_all_are_trusted_alike() -> None:
    answers = answers_of({(i, i % 2): i % 3 for i in range(6)})
    p = np.full((6, 3), 0.1) + 0.7 * np.eye(3)[[0, 1, 2, 0, 1, 1]]
    found = crowdlab(answers, p)
    assert (found.trust.annotator.tolist(), found.trust.model) == ([1, 1], 1)
    assert found.trust.right == pytest.approx(5 / 6)
    assert found.consensus.confidence[0] == pytest.approx((0.8 + 5 / 6) / 2)
    # A model that is wrong throughout does not turn the votes against their classes.
    assert crowdlab(answers, p[:, [1, 2, 0]]).trust.right == pytest.approx(1 / 3)
    assert crowdlab(answers, np.full((6, 3), np.nan)).trust.right == 1


def test_one_class_throughout_and_nobody() -> None:
    everybody = of_matrix([[0, 0], [0, 0]], classes=2)
    found = crowdlab(everybody, np.array([[0.5, 0.5], [0.1, 0.9]]))
    assert found.consensus.label.tolist() == [0, 0]
    assert found.trust.annotator.tolist() == [1, 1]
    nobody = answers_of({})
    assert len(crowdlab(nobody, np.empty((0, 3))).consensus) == 0
    assert labelled_scores(nobody, np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize(
    "row", [[0.5, 0.4], [1.2, -0.2], [np.nan, 1.0], [np.inf, 0.0], [-np.inf, np.inf], [0.0, 0.0]]
)
def test_what_is_no_distribution_is_refused(row: list[float]) -> None:
    answers = of_matrix([[0, 1], [0, 1]], classes=2)
    with pytest.raises(ModelError, match="probabilities of row 1 are"):
        crowdlab(answers, np.array([[0.5, 0.5], row]))
    with pytest.raises(ModelError, match="probabilities of row 0 are"):
        unlabelled_scores(np.array([row]), Trust(np.ones(1), 1.0, 1.0))


def test_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match=r"probabilities of shape \(1, 3\); allowed: \(2, 2\)"):
        crowdlab(of_matrix([[0, 1]], classes=2), np.ones((1, 3)) / 3)
