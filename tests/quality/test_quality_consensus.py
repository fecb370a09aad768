"""What all methods share, majority's shares, and weights for training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError
from lamplighter.quality.answers import Answers
from lamplighter.quality.consensus import Consensus, sample_weights
from lamplighter.quality.majority import majority, preferred
from tests.quality.crowds import LAW, answers_of, crowds, one_coin, simulated

TIED = answers_of({(row, j): j for row in range(3000) for j in range(2)})


@LAW
@given(crowds())
def test_majority_gives_shares_of_the_votes(answers: Answers) -> None:
    found = majority(answers, seed=1)
    for i, row in enumerate(found.proba):
        votes = answers.label[answers.row == i].tolist()
        assert row.tolist() == [votes.count(c) / len(votes) for c in range(3)]
        assert row[found.label[i]] == found.confidence[i] == row.max()


def test_a_last_bit_does_not_decide() -> None:
    even, uneven = np.full((3000, 3), [0.5, 0.5, 0.0]), np.full((3000, 3), [0.5, 0.5 - 1e-12, 0.0])
    first, second = Consensus.of(TIED, even, seed=4), Consensus.of(TIED, uneven, seed=4)
    np.testing.assert_array_equal(first.label, second.label)
    assert 0.4 < first.label.mean() < 0.6
    assert (Consensus.of(TIED, even, seed=5).label != first.label).any()


def test_weights_by_hand() -> None:
    confidence = np.array([1.0, 0.75, 0.5, 0.2])
    assert sample_weights(confidence, 2).tolist() == [1.0, 0.5, 0.05, 0.05]
    np.testing.assert_allclose(sample_weights(confidence, 5, least=0.01), [1.0, 0.6875, 0.375, 0.01])
    assert sample_weights(confidence, 1).tolist() == [1, 1, 1, 1]


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(1, 9), st.floats(1e-6, 1))
def test_weights_are_positive_at_most_one_and_rise_with_confidence(
    q: list[float], c: int, least: float
) -> None:
    found = sample_weights(np.sort(np.array(q)), c, least=least)
    assert ((found >= least) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


@given(st.floats(0.2, 1), st.integers(2, 9))
def test_a_weight_is_the_part_of_the_belief_that_is_not_even(q: float, classes: int) -> None:
    belief = np.full(classes, (1 - q) / (classes - 1))
    belief[0] = q
    (w,) = sample_weights(np.array([q]), classes, least=1e-300)
    if q >= 1 / classes:
        np.testing.assert_allclose(w * np.eye(classes)[0] + (1 - w) / classes, belief, atol=1e-12)


@pytest.mark.parametrize("least", [0, -0.1, 1.5, float("nan"), True, "much"])
def test_a_weight_of_nothing_is_refused(least: float) -> None:
    with pytest.raises(ConfigError, match="allowed: above 0 up to 1"):
        sample_weights(np.ones(1), 2, least=least)


def test_the_preferred_method_asks_for_many_votes() -> None:
    truth = np.arange(60) % 2
    crowd = one_coin([0.9] * 4, 2)
    assert preferred(simulated(truth, crowd, votes=4)) == "dawid_skene"
    assert preferred(simulated(truth, crowd, votes=2)) == "majority"
    assert preferred(simulated(truth[:40], crowd, votes=4)) == "majority"
    assert preferred(TIED.without(TIED.annotators)) == "majority"
