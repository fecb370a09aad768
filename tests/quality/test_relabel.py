"""Which rows to ask again: against a plain sort, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import rng
from lamplighter.errors import ConfigError, LabelError
from lamplighter.quality.active_lab import labelled_scores
from lamplighter.quality.answers import Answers
from lamplighter.quality.majority import majority
from lamplighter.quality.relabel import disputed, relabel
from tests.quality.crowds import LAW, answers_of, by_row, crowds, of_matrix, one_coin, simulated


@LAW
@given(
    crowds(annotators=5),
    st.integers(0, 10),
    st.sampled_from([0.0, 0.5, 2 / 3, 1.0]),
    st.integers(1, 5),
)
def test_equals_a_plain_sort(answers: Answers, budget: int, enough: float, most: int) -> None:
    scores = np.round(np.random.default_rng(budget).random(len(answers.ids)), 1)  # with ties
    draws = rng.row_hash(answers.ids, rng.key(1, 2, "relabel"))
    rows = []
    for i, v in enumerate(by_row(answers)):
        said = sorted((list(v.values()).count(c) for c in range(3)), reverse=True)
        open_ = said[0] == said[1] or said[0] / len(v) < enough - 1e-9
        if len(v) < most:
            rows.append((not open_, scores[i], int(draws[i]), i))
    found = relabel(answers, scores, budget, seed=1, round=2, enough=enough, most=most)
    assert found.tolist() == [i for *_, i in sorted(rows)][:budget]
    assert found.dtype == np.dtype(np.int64)


def test_disputed_by_hand() -> None:
    answers = of_matrix([[0, 0, 0, 0, 0], [1, 0, 0, None, 1], [None, 1, 0, None, 2]], classes=3)
    assert disputed(answers, 2 / 3).tolist() == [True, False, False, False, True]
    assert disputed(answers, 0.7).tolist() == [True, True, False, False, True]
    assert disputed(answers, 0.0).tolist() == [True, False, False, False, True]


def test_rows_of_equal_scores_are_drawn_by_round() -> None:
    answers = answers_of({(i, j): j for i in range(400) for j in range(2)})
    scores = np.zeros(400)
    first = relabel(answers, scores, 100, seed=1, round=1)
    np.testing.assert_array_equal(first, relabel(answers, scores, 100, seed=1, round=1))
    assert set(first) != set(relabel(answers, scores, 100, seed=1, round=2))
    assert 30 < np.count_nonzero(first < 200) < 70  # no place is favoured
    # The rest of the rows, and their order, do not matter.
    part = answers.of_rows(np.arange(400) % 2 == 0)
    among = [i for i in relabel(answers, scores, 400, seed=1, round=1).tolist() if i % 2 == 0]
    assert (relabel(part, scores[:200], 200, seed=1, round=1) * 2).tolist() == among


def test_a_budget_finds_more_errors_than_chance() -> None:
    draw = np.random.default_rng(2)
    truth = draw.integers(0, 3, 2000)
    answers = simulated(truth, one_coin([0.95, 0.8, 0.7, 0.6], 3), votes=2, seed=3)
    guess = np.where(draw.random(2000) < 0.8, truth, draw.integers(0, 3, 2000))
    p = 0.1 + 0.7 * np.eye(3)[guess]
    wrong = majority(answers).label != truth
    for scores in (labelled_scores(answers, p), majority(answers).confidence):
        picked = relabel(answers, scores, 300, seed=1, round=1)
        assert len(set(picked.tolist())) == 300
        assert wrong[picked].mean() > wrong.mean() + 0.15


def test_all_that_may_be_asked_where_the_budget_is_larger() -> None:
    answers = of_matrix([[0, 1, 0], [0, 0, None]], classes=2)
    assert sorted(relabel(answers, np.ones(3), 99, seed=0, round=0).tolist()) == [0, 1, 2]
    assert relabel(answers, np.ones(3), 99, seed=0, round=0, most=2).tolist() == [2]
    assert relabel(answers, np.ones(3), 0, seed=0, round=0).tolist() == []
    assert relabel(answers_of({}), np.empty(0), 5, seed=0, round=0).tolist() == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"budget": -1}, "budget is -1; allowed: a whole number of at least 0"),
        ({"budget": 1, "enough": 1.5}, "enough is 1.5; allowed: from 0 up to 1"),
        ({"budget": 1, "most": 0}, "most is 0"),
    ],
)
def test_parameters_out_of_range_are_refused(params: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        relabel(answers_of({(0, 0): 0}), np.ones(1), seed=0, round=0, **params)  # type: ignore[arg-type]  # bad ones on purpose


@pytest.mark.parametrize("scores", [np.ones(2), np.array([np.nan]), np.ones((1, 1))])
def test_scores_that_are_not_of_these_rows_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(LabelError, match="for 1 rows; allowed: a number per answered row"):
        relabel(answers_of({(0, 0): 0}), scores, 1, seed=0, round=0)
