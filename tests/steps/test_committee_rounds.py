"""Rounds with a committee, and strategies that a campaign does not have what they need for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamplighter import tables
from lamplighter.checking import check
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError
from lamplighter.learner import CommitteeScorer
from lamplighter.rounds import RoundRecord, Step, TrainDone
from lamplighter.standing import Standing
from lamplighter.steps import perform, run_round
from lamplighter.steps.committee import scorer_of
from lamplighter.strategies.committee import vote_entropy
from tests.campaigns import write_campaign, write_pool

FOREST: dict[str, Any] = {
    "name": "sklearn.ensemble.RandomForestClassifier",
    "params": {"n_estimators": 4},
    "calibrate": False,
}
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def driver_of(folder: Path, **changes: Any) -> Driver:
    if not (folder / "pool").exists():
        write_pool(folder)
    return Driver(load(write_campaign(folder, **changes))).open()


def one_round(driver: Driver) -> RoundRecord:
    done = run_round(driver)
    assert isinstance(done, RoundRecord)
    return done


def picked(driver: Driver, record: RoundRecord) -> list[int]:
    assert record.select is not None
    ids: list[int] = tables.from_parquet(driver.ledger.read(record.select.batch)).column("id").to_pylist()
    return ids


@pytest.mark.parametrize("committee", [3, [LOGISTIC, FOREST]], ids=["bootstrap", "learners"])
def test_two_rounds_with_a_committee(tmp_path: Path, committee: Any) -> None:
    driver = driver_of(tmp_path, strategy="vote_entropy", committee=committee)
    first, second, third = (one_round(driver) for _ in range(3))
    assert first.train.committee == ()
    for record in (second, third):
        stored = record.train.committee
        assert len(stored) == (3 if committee == 3 else 2)
        for number, artifact in enumerate(stored):
            assert artifact.key.startswith(f"rounds/{record.round:06d}/committee-{number}-")
    assert {a.digest for a in second.train.committee}.isdisjoint(a.digest for a in third.train.committee)
    assert third.select is not None
    assert third.select.rows == 20


def test_the_score_is_what_the_stored_members_say(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, strategy="vote_entropy", committee=4)
    one_round(driver)
    record = one_round(driver)
    assert record.select is not None
    batch, kept = (
        tables.from_parquet(driver.ledger.read(part))
        for part in (record.select.batch, record.select.features)
    )
    x = tables.matrix(kept.column("features"))
    members = Standing(driver, driver.history()).committee(record.train)
    proba = np.stack([member.predict_proba(x) for member in members], axis=1)
    score = batch.column("score").to_numpy()
    assert score.max() > 0
    np.testing.assert_allclose(vote_entropy(proba), score, atol=1e-6)


def test_a_strategy_that_comes_after_training_gets_its_committee(tmp_path: Path) -> None:
    driver = driver_of(tmp_path, strategy="margin", committee=3)
    one_round(driver)
    for step in (Step.COLLECT, Step.TRAIN, Step.EVALUATE):
        perform(driver, step)
    trained = driver.history().open.steps[Step.TRAIN]
    assert isinstance(trained, TrainDone)
    assert trained.model is not None
    assert trained.committee == ()  # margin reads none
    edited = driver_of(tmp_path, strategy="consensus_kl", committee=3)
    standing = Standing(edited, edited.history())
    first, again = (scorer_of(standing, edited.strategy) for _ in range(2))
    assert isinstance(first, CommitteeScorer)
    assert isinstance(again, CommitteeScorer)
    for one, other in zip(first.forms, again.forms, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
    record = one_round(edited)
    assert record.train.committee == ()
    assert record.score is not None
    assert record.score.strategy == "consensus_kl"


def test_the_same_members_again_from_the_same_labels(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        driver = driver_of(tmp_path / name, strategy="consensus_kl", committee=3)
        one_round(driver)
        record = one_round(driver)
        found.append(([a.digest for a in record.train.committee], picked(driver, record)))
    assert found[0] == found[1]


def test_a_note_of_the_committee_is_recorded(tmp_path: Path) -> None:
    naive = "sklearn.naive_bayes.MultinomialNB"  # takes no negative features
    driver = driver_of(tmp_path, strategy="vote_entropy", committee=[LOGISTIC, naive, FOREST])
    one_round(driver)
    record = one_round(driver)
    assert len(record.train.committee) == 2
    assert "committee: member 1 left out: learner 'sklearn.naive_bayes.MultinomialNB'" in record.train.note


def test_rounds_by_gradient_length(tmp_path: Path) -> None:
    network = {"name": "sklearn.neural_network.MLPClassifier", "params": {"max_iter": 20}, "calibrate": False}
    for name, learner in (("linear", LOGISTIC), ("network", network)):
        (tmp_path / name).mkdir()
        driver = driver_of(tmp_path / name, strategy="expected_gradient_length", learner=learner)
        one_round(driver)
        record = one_round(driver)
        assert record.select is not None
        assert record.select.rows == 20


class TestWhatIsMissing:
    """Refused by `check` and by every round, before anything is read."""

    def test_a_committee(self, tmp_path: Path) -> None:
        for refused in refusals(tmp_path, strategy="vote_entropy"):
            assert "strategy 'vote_entropy' needs a committee, and the campaign has none" in refused
            assert "(committee: 5)" in refused

    @pytest.mark.parametrize(
        ("name", "needed"),
        [("margin", "proba"), ("vote_entropy", "committee"), ("consensus_kl", "divergence")],
    )
    def test_a_model_for_the_cold_start(self, tmp_path: Path, name: str, needed: str) -> None:
        for refused in refusals(tmp_path, cold_start=name, committee=3):
            assert f"cold_start: strategy '{name}' needs {needed} of a model" in refused
            named = refused.partition("use one of: ")[2].split(", ")
            assert {"random", "representative", "typiclust", "cluster_representatives"} <= {*named}
            assert "margin" not in named

    def test_a_last_layer(self, tmp_path: Path) -> None:
        for refused in refusals(tmp_path, strategy="expected_gradient_length", learner=FOREST):
            assert "strategy 'expected_gradient_length' needs last_layer" in refused
            assert "which RandomForestClassifier does not give; use a linear model" in refused

    def test_one_vector_column(self, tmp_path: Path) -> None:
        pool = {"url": "pool", "features": ["a", "b"]}
        mixed = [{"strategy": "information_density", "share": 0.2}]
        for changes in ({"strategy": "information_density"}, {"mix": mixed}):
            for refused in refusals(tmp_path, pool=pool, **changes):
                assert "strategy 'information_density' compares directions" in refused
                assert "names 2 columns" in refused

    def test_a_right_learner_in_the_committee(self, tmp_path: Path) -> None:
        wrong = [LOGISTIC, "sklearn.linear_model.LogisticRegresion"]
        for refused in refusals(tmp_path, strategy="vote_entropy", committee=wrong):
            assert "did you mean 'LogisticRegression'" in refused

    def test_nothing(self, tmp_path: Path) -> None:
        direction = {"name": "expected_gradient_length", "params": {"direction_only": True}}
        driver_of(tmp_path, strategy=direction, learner=FOREST)
        check(driver_of(tmp_path, strategy="vote_entropy", committee=2, learner=FOREST))


def refusals(folder: Path, **changes: Any) -> list[str]:
    """Give what `check` and opening a campaign say."""
    write_pool(folder)
    driver = Driver(load(write_campaign(folder, **changes)))
    found = []
    for refusing in (lambda: check(driver), driver.open):
        with pytest.raises(ConfigError) as failure:
            refusing()
        found.append(str(failure.value))
    assert not (folder / "store").exists()
    return found
