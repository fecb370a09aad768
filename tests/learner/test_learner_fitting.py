"""Fitting: what goes in, what is refused, what is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamplighter import rng
from lamplighter.errors import (
    ConfigError,
    ModelError,
    TooFewClasses,
    UnknownClass,
    UnknownName,
    UntrustedType,
)
from lamplighter.learner import check_learner, describe

from .cases import LOGISTIC, SGD, STORED, config, fitted, labelled

FOREST = "sklearn.ensemble.RandomForestClassifier"
NETWORK = "sklearn.neural_network.MLPClassifier"


def test_a_model_says_what_it_is() -> None:
    x, labels = labelled(60, 4, 3)
    model = fitted(config(), x, labels, classes=5)
    assert model.classes == tuple(f"class {i}" for i in range(5))
    assert (model.seen, model.rows, model.features, model.warm_start, model.note) == (
        (0, 1, 2),
        60,
        4,
        False,
        "",
    )
    proba = model.predict_proba(x)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert (proba[:, 3:] == 0).all()
    assert model.predict_proba(x[:0]).shape == (0, 5)


def test_inputs_are_not_mutated() -> None:
    x, labels = labelled(60, 4, 3)
    weights = np.ones(60, np.float32)
    copies = x.copy(), labels.copy(), weights.copy()
    fitted(config(), x, labels, weights=weights)
    for array, copy in zip((x, labels, weights), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("labels", [[], [1, 1, 1]])
def test_fewer_than_two_classes(labels: list[int]) -> None:
    x = np.zeros((len(labels), 2), np.float32)
    there = "'class 1'" if labels else "none"
    with pytest.raises(TooFewClasses, match=f"among {len(labels)} rows there is: {there}"):
        fitted(config(), x, np.array(labels, np.int32), classes=3)


def test_rows_that_are_not_finite_are_left_out_and_said_so() -> None:
    x, labels = labelled(60, 4, 3)
    dirty = np.vstack([x, np.full((2, 4), np.nan, np.float32), np.full((1, 4), np.inf, np.float32)])
    model = fitted(config(), dirty, np.append(labels, [0, 1, 2]).astype(np.int32))
    assert model.rows == 60
    assert model.note == "3 labelled rows with NaN or infinity left out"
    np.testing.assert_array_equal(model.predict_proba(x), fitted(config(), x, labels).predict_proba(x))


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_classes(label: int) -> None:
    x, labels = labelled(60, 4, 3)
    labels[7] = label
    with pytest.raises(UnknownClass, match=f"label {label} is no position in the 3 classes of the campaign"):
        fitted(config(), x, labels, classes=3)


def test_shapes_that_disagree() -> None:
    x, labels = labelled(60, 4, 3)
    with pytest.raises(ModelError, match=r"features \(60, 4\), labels \(59,\)"):
        fitted(config(), x, labels[1:])
    with pytest.raises(ModelError, match="weights"):
        fitted(config(), x, labels, weights=np.ones(3))


def test_prediction_refuses_rows_that_are_not_finite() -> None:
    x, labels = labelled(60, 4, 3)
    model = fitted(config(), x, labels)
    x[[4, 9], 1] = np.nan
    with pytest.raises(ModelError, match=r"2 of 60 rows have NaN or infinity.*row 4"):
        model.predict_proba(x)


def test_weights_count_as_repeated_rows() -> None:
    x, labels = labelled(60, 4, 3)
    weights = np.random.default_rng(0).integers(1, 4, 60)
    learner = config(calibrate=False, params={"tol": 1e-10, "max_iter": 1000})
    weighted = fitted(learner, x, labels, weights=weights.astype(np.float32))
    repeated = fitted(learner, np.repeat(x, weights, axis=0), np.repeat(labels, weights))
    np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x), atol=1e-4)
    assert np.abs(fitted(learner, x, labels).predict_proba(x) - weighted.predict_proba(x)).max() > 1e-3


def test_wrong_weights() -> None:
    x, labels = labelled(60, 4, 3)
    with pytest.raises(ModelError, match="above 0"):
        fitted(config(), x, labels, weights=np.zeros(60))
    with pytest.raises(ConfigError, match="takes no sample weights"):
        fitted(config("sklearn.neighbors.KNeighborsClassifier"), x, labels, weights=np.ones(60))


def test_seed_and_round_decide_the_random_state_unless_the_campaign_does() -> None:
    x, labels = labelled(60, 4, 3)

    def state(params: dict[str, Any], seed: int, round_number: int) -> Any:
        learner = config(FOREST, params={"n_estimators": 2, **params}, calibrate=False)
        model = fitted(learner, x, labels, seed=seed, round=round_number)
        return model.fitted.estimator.get_params()["random_state"]

    assert state({}, 7, 3) == rng.key(7, 3, "learner") % 2**32
    assert len({state({}, 7, 3), state({}, 7, 4), state({}, 8, 3)}) == 3
    assert state({"random_state": 5}, 7, 3) == 5


def test_class_weights_are_given_by_name() -> None:
    x, labels = labelled(60, 4, 2)
    weights = {"class_weight": {"class 1": 50.0, "class 2": 9.0}}
    model = fitted(config(params=weights), x, labels, classes=3)
    assert model.fitted.estimator.get_params()["class_weight"] == {0: 1.0, 1: 50.0}
    with pytest.raises(UnknownClass, match=r"class_weight: unknown class 'clas 1'; did you mean 'class 1'\?"):
        fitted(config(params={"class_weight": {"clas 1": 2.0}}), x, labels)


def test_warnings_of_the_fit_become_the_note() -> None:
    x, labels = labelled(60, 4, 3)
    model = fitted(config(params={"max_iter": 1}), x, labels)
    assert model.note.startswith("ConvergenceWarning: lbfgs failed to converge")
    assert model.note.count("ConvergenceWarning") == 1


def test_a_fit_that_scikit_learn_refuses_names_the_learner() -> None:
    x, labels = labelled(60, 4, 3)
    with pytest.raises(ModelError, match=r"naive_bayes\.MultinomialNB' cannot be fitted.*[Nn]egative"):
        fitted(config("sklearn.naive_bayes.MultinomialNB"), x, labels)


class TestWarmStart:
    """Continuing from the last round's model, and saying so when that cannot be."""

    def test_continues_from_the_last_parameters_in_their_coordinates(self) -> None:
        x, labels = labelled(90, 4, 3)
        learner = config(params={"max_iter": 1000, "tol": 1e-8}, warm_start=True, calibrate=False)
        first = fitted(learner, x[:60], labels[:60])
        second = fitted(learner, x, labels, previous=first, round=4)
        assert (first.warm_start, second.warm_start, second.note) == (False, True, "")
        assert second.fitted.scaler is first.fitted.scaler
        again: Any = fitted(learner, x, labels, previous=second).fitted.estimator
        cold: Any = fitted(learner, x, labels).fitted.estimator
        assert again.n_iter_[0] < cold.n_iter_[0] / 2

    def test_does_not_touch_the_previous_model(self) -> None:
        x, labels = labelled(90, 4, 3)
        learner = config(NETWORK, params={"max_iter": 60, "hidden_layer_sizes": [5]}, warm_start=True)
        first = fitted(learner, x[:60], labels[:60])
        before = first.predict_proba(x)
        second = fitted(learner, x, labels, previous=first)
        assert second.warm_start
        np.testing.assert_array_equal(first.predict_proba(x), before)
        assert np.abs(second.predict_proba(x) - before).max() > 1e-3

    def test_is_a_choice_of_the_campaign(self) -> None:
        x, labels = labelled(60, 4, 3)
        model = fitted(config(), x, labels, previous=fitted(config(), x, labels))
        assert (model.warm_start, model.note) == (False, "")

    @pytest.mark.parametrize(
        ("name", "changes", "reason"),
        [
            (LOGISTIC, {"params": {"C": 2.0}}, "the learner changed"),
            (FOREST, {}, "would only add trees"),
            ("sklearn.ensemble.HistGradientBoostingClassifier", {}, "would only add trees"),
            ("sklearn.naive_bayes.GaussianNB", {}, "has no warm_start"),
        ],
    )
    def test_says_why_not(self, name: str, changes: dict[str, Any], reason: str) -> None:
        x, labels = labelled(60, 4, 3)
        learner = config(name, params=STORED[name], warm_start=True, calibrate=False)
        first = fitted(learner, x, labels)
        second = fitted(learner.model_copy(update=changes), x, labels, previous=first)
        assert not second.warm_start
        assert second.note.startswith("fitted afresh, no warm start: ")
        assert second.note.endswith(reason)

    def test_new_classes_are_fitted_afresh(self) -> None:
        x, labels = labelled(60, 4, 3)
        learner = config(SGD, params={"loss": "log_loss"}, warm_start=True)
        first = fitted(learner, x[labels < 2], labels[labels < 2], classes=3)
        second = fitted(learner, x, labels, previous=first)
        assert second.note == "fitted afresh, no warm start: the classes among the labels changed"


class TestCheckLearner:
    """What `lamplighter check` finds without data."""

    @pytest.mark.parametrize("name", [LOGISTIC, FOREST, NETWORK, "sklearn.neighbors.KNeighborsClassifier"])
    def test_accepts_classifiers(self, name: str) -> None:
        check_learner(config(name))

    @pytest.mark.parametrize(
        ("name", "params", "error", "message"),
        [
            ("LogisticRegression", {}, ConfigError, "no dotted path"),
            ("sklearn.linear_model.LogisticRegresion", {}, ConfigError, "did you mean 'LogisticRegression'"),
            ("sklearn.linear_models.LogisticRegression", {}, ConfigError, "cannot be imported"),
            ("sklearn.linear_model.Ridge", {}, ConfigError, "no scikit-learn classifier"),
            ("sklearn.metrics.accuracy_score", {}, ConfigError, "unknown class 'accuracy_score'"),
            ("sklearn.svm.LinearSVC", {}, ConfigError, "gives no probabilities"),
            (SGD, {}, ConfigError, "loss: log_loss"),
            (LOGISTIC, {"c": 1.0}, UnknownName, r"LogisticRegression': unknown parameter 'c'"),
            (LOGISTIC, {"max_itr": 9}, UnknownName, "did you mean 'max_iter'"),
            (LOGISTIC, {"C": -1.0}, ConfigError, r"'C' parameter of LogisticRegression must be.*Got -1\.0"),
            ("sklearn.ensemble.VotingClassifier", {}, ConfigError, "estimators"),
            ("os.system", {}, UntrustedType, "allow-list"),
        ],
    )
    def test_refuses_the_rest(
        self, name: str, params: dict[str, Any], error: type[ConfigError], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            check_learner(config(name, params=params))

    def test_checks_class_weights_against_the_classes(self) -> None:
        learner = config(params={"class_weight": {"cat": 2}})
        check_learner(learner)
        check_learner(learner, ("cat", "dog"))
        with pytest.raises(UnknownClass, match="unknown class 'cat'"):
            check_learner(learner, ("dog", "bird"))


def test_a_learner_is_described_in_one_line() -> None:
    assert describe(config(params={"C": 10})) == "LogisticRegression (C=10, scaled, calibrated)"
    assert (
        describe(config(scale=False, calibrate=False, warm_start=True)) == "LogisticRegression (warm start)"
    )
    assert describe(config(scale=False, calibrate=False)) == "LogisticRegression"
