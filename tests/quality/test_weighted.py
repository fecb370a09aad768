"""Weighted majority: by hand, by loops, and better than majority where annotators differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError
from lamplighter.quality.answers import Answers
from lamplighter.quality.majority import majority
from lamplighter.quality.weighted import wawa, weighted
from tests.quality.crowds import LAW, answers_of, by_row, crowds, of_matrix, one_coin, simulated


def in_loops(answers: Answers, label: list[int]) -> tuple[list[float], list[list[float]]]:
    """Do one step from given labels, as the docstring says it."""
    rows, classes = by_row(answers), range(len(answers.classes))
    agreed = [(j, int(c == label[i])) for i, v in enumerate(rows) if len(v) > 1 for j, c in v.items()]
    overall = sum(a for _, a in agreed) / len(agreed) if agreed else 1.0
    weight = []
    for j in range(len(answers.annotators)):
        mine = [a for k, a in agreed if k == j]
        skill = (4 * overall + sum(mine)) / (4 + len(mine))
        weight.append(max(0.0, (len(classes) * skill - 1) / (len(classes) - 1)))
    proba = []
    for v in rows:
        w = {j: weight[j] for j in v} if sum(weight[j] for j in v) > 0 else dict.fromkeys(v, 1.0)
        proba.append([sum(w[j] for j, c in v.items() if c == t) / sum(w.values()) for t in classes])
    return weight, proba


@LAW
@given(crowds(), st.integers(0, 2))
def test_one_step_equals_the_loops(answers: Answers, seed: int) -> None:
    found = weighted(answers, seed=seed, steps=1)
    weight, proba = in_loops(answers, majority(answers, seed=seed).label.tolist())
    np.testing.assert_allclose(found.weight, weight, atol=1e-12)
    np.testing.assert_allclose(found.consensus.proba, proba, atol=1e-12)


@LAW
@given(crowds(rows=10, annotators=5))
def test_it_stops_where_another_step_changes_no_label(answers: Answers) -> None:
    found, more = weighted(answers, steps=60), weighted(answers, steps=61)
    np.testing.assert_array_equal(found.consensus.label, more.consensus.label)
    np.testing.assert_allclose(found.consensus.proba.sum(axis=1), 1)
    assert ((found.weight >= 0) & (found.weight <= 1)).all()


def test_by_hand() -> None:
    # Three agree on rows 0 to 3 but for annotator 2, who is alone on 2 and 3.
    answers = of_matrix([[0, 1, 0, 1], [0, 1, 0, 1], [0, 1, 1, 0]], classes=2)
    found = weighted(answers)
    overall = 10 / 12
    skill = np.array([(4 + 4 * overall) / 8, (4 + 4 * overall) / 8, (2 + 4 * overall) / 8])
    np.testing.assert_allclose(found.skill, skill)
    np.testing.assert_allclose(found.weight, 2 * skill - 1)
    w = 2 * skill - 1
    np.testing.assert_allclose(found.consensus.confidence, [1, 1, *[2 * w[0] / w.sum()] * 2])
    assert found.consensus.label.tolist() == [0, 1, 0, 1]


def test_two_who_guess_do_not_outvote_one_who_knows() -> None:
    truth = np.random.default_rng(1).integers(0, 3, 1500)
    answers = simulated(truth, one_coin([0.95, 0.9, 0.9, 0.4, 0.4, 1 / 3], 3), votes=3, seed=2)
    right, plain = (c.label == truth for c in (weighted(answers).consensus, majority(answers)))
    assert right.mean() > plain.mean() + 0.05
    skill = weighted(answers).skill
    assert min(skill[:3]) > max(skill[3:]) + 0.2


@LAW
@given(crowds())
def test_wawa_is_one_step_with_plain_shares(answers: Answers) -> None:
    found, label = wawa(answers), majority(answers).label
    rows = by_row(answers)
    for j, skill in enumerate(found.skill):
        mine = [v[j] == label[i] for i, v in enumerate(rows) if j in v]
        assert skill == pytest.approx(sum(mine) / len(mine))
    for i, v in enumerate(rows):
        total = sum(found.skill[j] for j in v) or 1.0
        expected = [sum(found.skill[j] for j, c in v.items() if c == t) / total for t in range(3)]
        if any(expected):
            np.testing.assert_allclose(found.consensus.proba[i], expected)


def test_where_nobody_has_a_weight_votes_count_alike() -> None:
    found = wawa(answers_of({(0, 0): 0, (0, 1): 1, (1, 2): 2, (1, 3): 2}))
    assert found.consensus.proba[1].tolist() == [0, 0, 1]
    assert sorted(found.skill.tolist()) == [0, 1, 1, 1]
    # On two classes an annotator who is mostly contradicted weighs nothing.
    contrary = of_matrix([[0, 1] * 20, [0, 1] * 20, [1, 0] * 20], classes=2).without(["ann 1"])
    assert weighted(contrary, steps=1).consensus.proba.sum(axis=1).tolist() == pytest.approx([1] * 40)


def test_alone_everybody_is_believed() -> None:
    answers = answers_of({(i, i % 4): i % 3 for i in range(24)})
    found = weighted(answers)
    np.testing.assert_array_equal(found.consensus.label, majority(answers).label)
    assert found.weight.tolist() == [1] * 4
    assert len(weighted(answers.without(answers.annotators)).consensus) == 0


def test_no_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="steps is 0; allowed: a whole number of at least 1"):
        weighted(answers_of({(0, 0): 0}), steps=0)
