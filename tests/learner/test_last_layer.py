"""What enters the last layer: scikit-learn's own logits are a linear function of it."""

from __future__ import annotations

import pickle
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit, softmax

from lamplighter.arrays import F32, F64
from lamplighter.errors import ConfigError, ModelError
from lamplighter.learner import CommitteeScorer, Model, Scored, Scorer, gives
from lamplighter.strategies.base import Output

from .cases import LOGISTIC, PROBA, SGD, config, fitted, labelled

NETWORK = "sklearn.neural_network.MLPClassifier"
WITH = PROBA | {Output.LAST_LAYER}
LAYER = frozenset({Output.LAST_LAYER})
ROWS = 5000

LINEAR: dict[str, dict[str, Any]] = {
    "logistic": {"name": LOGISTIC},
    "raw": {"name": LOGISTIC, "scale": False},
    "sgd": {"name": SGD, "params": {"loss": "log_loss"}},
}
NETWORKS: dict[str, dict[str, Any]] = {
    f"{activation} {layers}": {
        "name": NETWORK,
        "params": {"activation": activation, "hidden_layer_sizes": layers, "max_iter": 30},
    }
    for activation, layers in [
        ("relu", [16]),
        ("tanh", [5, 9]),
        ("logistic", [7, 3, 4]),
        ("identity", [6]),
        ("relu", []),
    ]
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@cache
def case(name: str, classes: int = 4, features: int = 7) -> tuple[Model, Scorer, F32, Scored]:
    """Give a model, its scorer, a pool with a few bad rows, and the pool scored in one block."""
    x, labels = labelled(200, features, classes)
    x[:, 0] = x[:, 0] * 100 + 5000
    made = config(**{**LINEAR, **NETWORKS}[name], calibrate=False)
    model = fitted(made, x, labels)
    pool, _ = labelled(ROWS, features, classes, seed=1)
    pool[:, 0] = pool[:, 0] * 100 + 5000
    pool[np.arange(1, ROWS, 499), 0] = np.nan
    pool[np.arange(2, ROWS, 499), -1] = np.inf
    scorer = model.scorer()
    return model, scorer, pool, scorer.outputs(pool, WITH)


@pytest.mark.parametrize("name", LINEAR)
def test_of_a_linear_model_it_is_the_scaled_features(name: str) -> None:
    model, _, pool, scored = case(name)
    inside = scored.outputs[Output.LAST_LAYER]
    valid = scored.valid
    expected = model.fitted.transform(pool[valid].astype(np.float64))
    assert inside.dtype == np.float32
    np.testing.assert_allclose(inside[valid], expected, rtol=1e-6, atol=1e-6)
    estimator: Any = model.fitted.estimator
    decision = inside[valid].astype(np.float64) @ estimator.coef_.T + estimator.intercept_
    np.testing.assert_allclose(decision, estimator.decision_function(expected), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_of_a_network_it_gives_the_probabilities_through_the_last_weights(name: str, classes: int) -> None:
    model, _, pool, scored = case(name, classes)
    estimator: Any = model.fitted.estimator
    valid = scored.valid
    inside = scored.outputs[Output.LAST_LAYER][valid].astype(np.float64)
    decision = inside @ estimator.coefs_[-1] + estimator.intercepts_[-1]
    proba: F64 = model.fitted.predict_proba(pool[valid].astype(np.float64))
    if classes == 2:
        np.testing.assert_allclose(decision[:, 0], logit(proba[:, 1]), rtol=1e-4, atol=1e-4)
    else:
        np.testing.assert_allclose(softmax(decision, axis=1), proba, atol=1e-6)


@pytest.mark.parametrize("name", [*LINEAR, *NETWORKS])
def test_rows_that_do_not_count_are_zero(name: str) -> None:
    _, _, pool, scored = case(name)
    finite = np.isfinite(pool).all(axis=1)
    np.testing.assert_array_equal(scored.valid, finite)
    for output in WITH:
        assert not scored.outputs[output][~finite].any()
    assert np.isfinite(scored.outputs[Output.LAST_LAYER]).all()


@pytest.mark.parametrize("features", [7, 64])
@pytest.mark.parametrize("name", ["logistic", "raw", "relu [16]", "tanh [5, 9]"])
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_any_split_or_order_gives_the_same_bits(name: str, features: int, data: st.DataObject) -> None:
    _, scorer, pool, whole = case(name, 4, features)
    cuts = sorted(data.draw(st.sets(st.integers(0, ROWS), max_size=3)) | {0, ROWS})
    order = np.random.default_rng(len(cuts)).permutation(ROWS)
    for rows in [*(np.arange(a, b) for a, b in pairwise(cuts)), order, order[:1], order[:517]]:
        part = scorer.outputs(pool[rows], WITH)
        np.testing.assert_array_equal(part.valid, whole.valid[rows])
        for output in WITH:
            np.testing.assert_array_equal(part.outputs[output], whole.outputs[output][rows])


def test_alone_it_is_the_same_as_beside_probabilities() -> None:
    for name in ("logistic", "relu [16]"):
        _, scorer, pool, whole = case(name)
        alone = scorer.outputs(pool, LAYER)
        np.testing.assert_array_equal(alone.outputs[Output.LAST_LAYER], whole.outputs[Output.LAST_LAYER])


def test_a_row_beyond_float32_in_the_last_layer_does_not_count() -> None:
    x, labels = labelled(90, 4, 3)
    model = fitted(config(), x * np.float32(1e-20), labels)
    rows = x[:3].copy()
    rows[1, 0] = 1e30
    scored = model.scorer().outputs(rows * np.float32(1e-20), WITH)
    assert scored.valid.all()
    far = rows.copy()
    far[[0, 2]] *= np.float32(1e-20)
    scored = model.scorer().outputs(far, WITH)
    assert scored.valid.tolist() == [True, False, True]
    assert not scored.outputs[Output.LAST_LAYER][1].any()
    assert not scored.outputs[Output.PROBA][1].any()


def test_the_block_itself_is_never_written_to() -> None:
    _, scorer, pool, _ = case("raw")
    copy = pool.copy()
    copy.flags.writeable = False
    scorer.outputs(copy, WITH | {Output.EMBEDDING})
    np.testing.assert_array_equal(copy, pool)


def test_beside_a_committee_it_is_the_main_models() -> None:
    main, _, pool, alone = case("logistic")
    x, labels = labelled(200, 7, 4)
    member = fitted(config("sklearn.naive_bayes.GaussianNB"), x, labels)
    for members in ([main, main], [member, main]):
        scored = CommitteeScorer.of(main, members).outputs(pool, WITH | {Output.COMMITTEE})
        np.testing.assert_array_equal(scored.outputs[Output.LAST_LAYER], alone.outputs[Output.LAST_LAYER])


def test_a_scorer_travels_to_a_worker() -> None:
    _, scorer, pool, whole = case("tanh [5, 9]")
    again = pickle.loads(pickle.dumps(scorer)).outputs(pool, WITH)  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again.outputs[Output.LAST_LAYER], whole.outputs[Output.LAST_LAYER])


def test_other_models_have_none() -> None:
    x, labels = labelled(60, 4, 3)
    model = fitted(config("sklearn.naive_bayes.GaussianNB"), x, labels)
    with pytest.raises(ModelError, match="wants last_layer; this learner gives embedding, logits, proba"):
        model.scorer().outputs(x, LAYER)


@pytest.mark.parametrize(
    ("name", "params", "has_one"),
    [
        (LOGISTIC, {}, True),
        (LOGISTIC, {"class_weight": {"rare": 5.0}}, True),
        ("sklearn.linear_model.LogisticRegressionCV", {}, True),
        (SGD, {"loss": "log_loss"}, True),
        (SGD, {"loss": "modified_huber"}, False),
        (NETWORK, {}, True),
        ("sklearn.ensemble.RandomForestClassifier", {}, False),
        ("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", {}, False),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_a_learner_gives_is_known_before_it_is_fitted(
    name: str, params: dict[str, Any], has_one: bool
) -> None:
    given_ = gives(config(name, params=params))
    assert (Output.LAST_LAYER in given_) == has_one
    assert given_ >= {Output.PROBA, Output.LOGITS, Output.EMBEDDING}


@pytest.mark.parametrize("name", [*LINEAR, *NETWORKS])
def test_what_a_learner_gives_is_what_its_scorer_gives(name: str) -> None:
    model, scorer, _, _ = case(name)
    assert gives(model.config) == scorer.gives


def test_a_wrong_learner_gives_nothing() -> None:
    with pytest.raises(ConfigError, match="no scikit-learn classifier"):
        gives(config("sklearn.linear_model.Ridge"))
