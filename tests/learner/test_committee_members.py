"""Fitting a committee: what each member sees, what they share, and what happens to one that fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import rng
from lamplighter.arrays import F32, I32
from lamplighter.config import CommitteeConfig, LearnerConfig
from lamplighter.errors import ConfigError, ModelError
from lamplighter.learner import Committee, Model, fit_committee
from lamplighter.learner import committee as members_module
from lamplighter.learner.committee import bootstrap

from .cases import LOGISTIC, SGD, config, fitted, labelled

TREE = "sklearn.tree.DecisionTreeClassifier"
NETWORK = "sklearn.neural_network.MLPClassifier"
THREE = CommitteeConfig(members=3)


def committee(members: CommitteeConfig, main: Model, x: F32, labels: I32, **options: Any) -> Committee:
    """Fit with a fixed seed and round."""
    return fit_committee(members, main, x, labels, **{"seed": 7, "round": 3, **options})


def coefficients(model: Model) -> bytes:
    estimator: Any = model.fitted.estimator
    return bytes(estimator.coef_.tobytes())


@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_a_bootstrap_sample_keeps_every_class_at_its_size(counts: list[int], seed: int) -> None:
    labels = (
        np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int32)
    )
    drawn = bootstrap(labels, np.random.default_rng(seed))
    assert np.bincount(labels[drawn]).tolist() == counts


def test_a_bootstrap_sample_draws_rows_of_a_class_alike() -> None:
    labels = np.array([0] * 10 + [1] * 40, np.int32)
    generator = np.random.default_rng(0)
    times = np.bincount(np.concatenate([bootstrap(labels, generator) for _ in range(400)]), minlength=50)
    assert times.sum() == 400 * 50
    # Each row is drawn 400 times on average, with a deviation of about 20.
    assert np.abs(times - 400).max() < 100


def test_members_differ_and_are_the_same_when_fitted_again() -> None:
    x, labels = labelled(60, 4, 3)
    main = fitted(config(), x, labels)
    first, again = (committee(THREE, main, x, labels).members for _ in range(2))
    assert len({coefficients(member) for member in first}) == 3
    assert [m.to_bytes() for m in first] == [m.to_bytes() for m in again]
    other_round = committee(THREE, main, x, labels, round=4).members
    assert not {coefficients(m) for m in first} & {coefficients(m) for m in other_round}


def test_more_members_leave_the_first_ones_as_they_were() -> None:
    x, labels = labelled(60, 4, 3)
    main = fitted(config(), x, labels)
    three, five = (committee(CommitteeConfig(members=m), main, x, labels).members for m in (3, 5))
    assert [coefficients(m) for m in five[:3]] == [coefficients(m) for m in three]


def test_a_class_with_one_row_is_in_every_member() -> None:
    x, labels = labelled(60, 4, 3)
    labels[7] = 3
    main = fitted(config(), x, labels, classes=5)
    for member in committee(CommitteeConfig(members=8), main, x, labels).members:
        assert member.seen == (0, 1, 2, 3)
        assert member.rows == 60


def test_rows_that_are_not_finite_are_never_drawn() -> None:
    x, labels = labelled(60, 4, 3)
    dirty = np.vstack([x, np.full((3, 4), np.nan, np.float32)])
    more = np.append(labels, [3, 0, 0]).astype(np.int32)
    main = fitted(config(), dirty, more, classes=4)
    clean = committee(THREE, main, x, labels).members
    assert [coefficients(m) for m in committee(THREE, main, dirty, more).members] == [
        coefficients(m) for m in clean
    ]


def test_drawn_rows_keep_their_weights() -> None:
    x, labels = labelled(90, 4, 3)
    weights = np.random.default_rng(1).uniform(0.1, 9, 90)
    main = fitted(config(), x, labels)
    drawn = bootstrap(labels, rng.generator(7, 3, "committee sample 1"))
    member = committee(THREE, main, x, labels, weights=weights).members[1]
    plain = config(calibrate=False)
    by_hand = fitted(plain, x[drawn], labels[drawn], weights=weights[drawn])
    assert coefficients(member) == coefficients(by_hand)
    assert coefficients(member) != coefficients(fitted(plain, x[drawn], labels[drawn]))


def test_bootstrap_members_share_the_main_models_temperature() -> None:
    x, labels = labelled(90, 4, 3)
    main = fitted(config(), x, labels)
    assert main.temperature is not None
    members = committee(THREE, main, x, labels).members
    assert {m.temperature for m in members} == {main.temperature}
    bare = fitted(config(calibrate=False), x, labels)
    assert {m.temperature for m in committee(THREE, bare, x, labels).members} == {None}


def test_listed_learners_see_all_rows_and_calibrate_as_they_say() -> None:
    x, labels = labelled(90, 4, 3)
    main = fitted(config(), x, labels)
    listed = (config(calibrate=False), config(), config(TREE, params={"max_depth": 2}, calibrate=False))
    members = committee(CommitteeConfig(learners=listed), main, x, labels).members
    assert [m.config for m in members] == list(listed)
    assert [m.temperature is None for m in members] == [True, False, True]
    assert coefficients(members[0]) == coefficients(members[1]) == coefficients(main)


def test_members_are_fitted_afresh_when_the_campaign_warm_starts() -> None:
    x, labels = labelled(90, 4, 3)
    main = fitted(config(SGD, params={"loss": "log_loss"}, warm_start=True), x, labels)
    assert not any(m.warm_start or m.config.warm_start for m in committee(THREE, main, x, labels).members)


def test_a_listed_network_twice_is_two_networks() -> None:
    x, labels = labelled(60, 4, 3)
    network = config(NETWORK, params={"hidden_layer_sizes": [3], "max_iter": 5}, calibrate=False)
    found = committee(CommitteeConfig(learners=(network, network)), fitted(config(), x, labels), x, labels)
    first, second = (member.predict_proba(x) for member in found.members)
    assert np.abs(first - second).max() > 1e-3
    assert found.note.startswith("committee: ConvergenceWarning")
    assert found.note.count("ConvergenceWarning") == 1


def test_a_member_that_cannot_be_fitted_is_left_out_and_said_so() -> None:
    x, labels = labelled(60, 4, 3)
    listed = (config(calibrate=False), config("sklearn.naive_bayes.MultinomialNB"), config(TREE))
    found = committee(CommitteeConfig(learners=listed), fitted(config(), x, labels), x, labels)
    assert [m.config.name for m in found.members] == [LOGISTIC, TREE]
    assert "committee: member 1 left out: learner 'sklearn.naive_bayes.MultinomialNB' cannot" in found.note


def test_a_member_that_diverged_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = labelled(60, 4, 3)
    main = fitted(config(), x, labels)
    diverge(monkeypatch, {1})
    found = committee(CommitteeConfig(members=4), main, x, labels)
    assert len(found.members) == 3
    assert found.note.startswith("committee: member 1 left out: LogisticRegression has weights that are not")


def test_one_member_is_no_committee(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = labelled(60, 4, 3)
    main = fitted(config(), x, labels)
    diverge(monkeypatch, {0, 2})
    with pytest.raises(
        ModelError, match=r"needs 2 members, 1 could be fitted: member 0 left out: .*member 2"
    ):
        committee(THREE, main, x, labels)


def diverge(monkeypatch: pytest.MonkeyPatch, numbers: set[int]) -> None:
    """Make some of the members' weights infinite."""
    fit, count = members_module._member, iter(range(100))

    def sabotaged(*arguments: Any) -> Model:
        member = fit(*arguments)
        if next(count) in numbers:
            estimator: Any = member.fitted.estimator
            estimator.coef_ = np.full_like(estimator.coef_, np.inf)
        return member

    monkeypatch.setattr(members_module, "_member", sabotaged)


def test_a_wrong_learner_is_told_at_once() -> None:
    x, labels = labelled(60, 4, 3)
    listed = CommitteeConfig(
        learners=(LearnerConfig(name=LOGISTIC), LearnerConfig(name="sklearn.svm.LinearSVC"))
    )
    with pytest.raises(ConfigError, match="gives no probabilities"):
        committee(listed, fitted(config(), x, labels), x, labels)


def test_inputs_are_not_mutated() -> None:
    x, labels = labelled(60, 4, 3)
    main, copies = fitted(config(), x, labels), (x.copy(), labels.copy())
    x.flags.writeable = labels.flags.writeable = False
    committee(THREE, main, x, labels)
    np.testing.assert_array_equal(x, copies[0])
    np.testing.assert_array_equal(labels, copies[1])


def test_a_stored_member_is_the_member() -> None:
    x, labels = labelled(60, 4, 3)
    member = committee(THREE, fitted(config(), x, labels), x, labels).members[0]
    again = Model.from_bytes(member.to_bytes())
    assert (again.config, again.temperature) == (member.config, member.temperature)
    np.testing.assert_array_equal(again.predict_proba(x), member.predict_proba(x))
