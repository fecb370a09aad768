"""Any classifier, scored through its own predict_proba."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from lamplighter.arrays import F64
from lamplighter.learner import GenericScorer, Model
from lamplighter.learner.fitted import Fitted
from lamplighter.strategies.base import Output

from .cases import ALL, LOGISTIC, PROBA, SGD, STORED, config, fitted, labelled, oracle

OTHERS = [name for name in STORED if name not in (LOGISTIC, SGD)]


@pytest.mark.parametrize("name", OTHERS)
def test_equals_scikit_learn(name: str) -> None:
    x, labels = labelled(200, 5, 3)
    model = fitted(config(name, params=STORED[name]), x, labels, classes=4)
    scorer = model.scorer()
    assert isinstance(scorer, GenericScorer)
    pool, _ = labelled(4500, 5, 3, seed=1)
    scored = scorer.outputs(pool, ALL)
    assert scored.valid.all()
    np.testing.assert_allclose(scored.outputs[Output.PROBA], oracle(model, pool), atol=1e-6)
    assert (scored.outputs[Output.PROBA][:, 3] == 0).all()
    assert scored.outputs[Output.PROBA].flags.f_contiguous
    assert scored.outputs[Output.EMBEDDING] is pool


@pytest.mark.parametrize("name", OTHERS)
def test_logits_give_the_probabilities(name: str) -> None:
    x, labels = labelled(200, 5, 3)
    scored = fitted(config(name, params=STORED[name]), x, labels, classes=4).scorer().outputs(x, ALL)
    logits = scored.outputs[Output.LOGITS].astype(np.float64)
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits.max(axis=1), 0)
    powers = np.exp(logits)
    np.testing.assert_allclose(
        powers / powers.sum(axis=1, keepdims=True), scored.outputs[Output.PROBA], atol=1e-6
    )


@pytest.mark.parametrize("name", OTHERS)
def test_rows_that_are_not_finite_are_invalid_and_harmless(name: str) -> None:
    x, labels = labelled(200, 5, 3)
    scorer = fitted(config(name, params=STORED[name], calibrate=False), x, labels).scorer()
    dirty = x.copy()
    dirty[3, 0], dirty[5, 4] = np.nan, -np.inf
    scored, clean = scorer.outputs(dirty, ALL), scorer.outputs(x, ALL)
    np.testing.assert_array_equal(np.flatnonzero(~scored.valid), [3, 5])
    for output in (Output.PROBA, Output.LOGITS):
        assert (scored.outputs[output][[3, 5]] == 0).all()
        np.testing.assert_array_equal(
            np.delete(scored.outputs[output], [3, 5], axis=0),
            np.delete(clean.outputs[output], [3, 5], axis=0),
        )


class Broken(GaussianNB):  # type: ignore[misc]  # scikit-learn has no types
    """Gives probabilities that are none."""

    def predict_proba(self, x: F64) -> F64:
        proba = np.full((len(x), 3), 1 / 3)
        proba[0] = np.nan
        proba[1] = (0.5, 0.5, 0.002)
        proba[2] = (0.5, 0.5, 0.0005)
        proba[3] = (1.5, -0.5, 0.0)
        return proba


def test_probabilities_that_are_none_make_a_row_invalid() -> None:
    x, labels = labelled(200, 5, 3)
    model = fitted(config("sklearn.naive_bayes.GaussianNB", calibrate=False, scale=False), x, labels)
    broken = replace(model, fitted=Fitted(None, Broken().fit(x.astype(np.float64), labels)))
    scored = broken.scorer().outputs(x[:6], ALL)
    np.testing.assert_array_equal(scored.valid, [False, False, True, False, True, True])
    assert (scored.outputs[Output.PROBA][[0, 1, 3]] == 0).all()


def test_forests_are_scored_by_one_thread_and_the_model_keeps_its_own() -> None:
    x, labels = labelled(200, 5, 3)
    name = "sklearn.ensemble.RandomForestClassifier"
    model = fitted(config(name, params=STORED[name]), x, labels)
    scorer = model.scorer()
    assert isinstance(scorer, GenericScorer)
    assert n_jobs(scorer.model) == 1
    assert n_jobs(model) == 2
    travelled = pickle.loads(pickle.dumps(scorer))  # noqa: S301 - what Dask does within one cluster
    np.testing.assert_array_equal(
        travelled.outputs(x, PROBA).outputs[Output.PROBA], scorer.outputs(x, PROBA).outputs[Output.PROBA]
    )


def n_jobs(model: Model) -> Any:
    return model.fitted.estimator.get_params()["n_jobs"]
