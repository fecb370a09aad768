"""The campaign file: every fault is named, secrets stay references, fixed parts stay fixed."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from lamplighter.changes import check_unchanged
from lamplighter.config import (
    BalanceConfig,
    Campaign,
    CommitteeConfig,
    Component,
    LearnerConfig,
    NearDuplicatesConfig,
    ShareConfig,
    load,
    parse,
    thaw,
)
from lamplighter.errors import CampaignChanged, ConfigError

BASE: dict[str, Any] = {
    "name": "pets",
    "seed": 3,
    "pool": {"url": "pool", "features": "embedding"},
    "classes": ["cat", "dog"],
    "learner": "sklearn.linear_model.LogisticRegression",
    "batch_size": 10,
    "labeler": "files",
    "evaluation": {"holdout": 100},
    "store": "store",
}


def campaign(**changes: Any) -> Campaign:
    return parse(yaml.safe_dump(BASE | changes), "campaign.yaml")


def test_names_alone_stand_for_components() -> None:
    read = campaign()
    assert read.labeler.name == "files"
    assert read.learner.params == {}
    assert read.strategy.name == "cluster_margin"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stratgy": "margin"}, "unknown key 'stratgy'; did you mean 'strategy'?"),
        ({"pool": {"url": "p", "features": "x", "dispaly": []}}, "did you mean 'display'?"),
        ({"evaluation": {"holdout": 5, "metrc": "accuracy"}}, "did you mean 'metric'?"),
        ({"labeler": {"name": "files", "parms": {}}}, "did you mean 'params'?"),
        ({"classes": ["cat"]}, "classes"),
        ({"classes": ["cat", "cat"]}, "['cat'] named more than once"),
        ({"batch_size": 0}, "batch_size"),
        ({"evaluation": {}}, "either holdout"),
        ({"evaluation": {"holdout": 5, "test_set": "t"}}, "either holdout"),
        ({"evaluation": {"holdout": 1.5}}, "a fraction lies between 0 and 1"),
        ({"evaluation": {"holdout": 0}}, "at least 1 row"),
        ({"evaluation": {"holdout": 5, "metric": "acuracy"}}, "accuracy"),
        ({"budget": {"cost": 5}}, "needs cost_per_label"),
        ({"cluster": {"address": "tcp://x:1", "name": "a.B"}}, "either address or name"),
        ({"name": "has space"}, "name"),
        ({"mix": [{"strategy": "random", "shar": 0.1}]}, "unknown key 'shar'; did you mean 'share'?"),
        ({"mix": [{"strategy": {"name": "random", "parms": {}}, "share": 0.1}]}, "did you mean 'params'?"),
        ({"mix": [{"strategy": "random"}]}, "mix.0.share: missing"),
        ({"mix": [{"strategy": "random", "share": 0}]}, "mix.0.share: Input should be greater than 0"),
        ({"mix": [{"strategy": "random", "share": 1.0}]}, "mix.0.share: Input should be less than 1"),
        ({"mix": 2 * [{"strategy": "random", "share": 0.5}]}, "mix: the shares add up to 1; they leave"),
        ({"balance": {"rare": ["dg"], "share": 0.3}}, "unknown class 'dg'; did you mean 'dog'?"),
        ({"balance": {"rare": ["dog", "cat"], "share": 0.3}}, "balance.rare: names all classes"),
        ({"balance": {"rare": [], "share": 0.3}}, "balance.rare"),
        ({"balance": {"rare": ["dog"], "share": 1}}, "balance.share: Input should be less than 1"),
        ({"balance": {"rares": ["dog"], "share": 0.3}}, "unknown key 'rares'; did you mean 'rare'?"),
        ({"near_duplicates": {"distnce": 0.1}}, "unknown key 'distnce'; did you mean 'distance'?"),
        ({"near_duplicates": {"distance": -0.1}}, "near_duplicates.distance: Input should be greater"),
        (
            {"near_duplicates": 0.02},
            "near_duplicates: 0.02 is no setting; give true, false, or {distance: 0.02}",
        ),
        ({"committee": 1}, "greater than or equal to 2"),
        ({"committee": True}, "a number of members (committee: 5) or a list of learners"),
        ({"committee": "five"}, "a number of members (committee: 5) or a list of learners"),
        ({"committee": {}}, "give either members"),
        ({"committee": {"members": 3, "learners": ["a.B", "c.D"]}}, "give either members"),
        ({"committee": ["a.B"]}, "1 learners make no committee"),
        ({"committee": {"membres": 5}}, "did you mean 'members'?"),
        ({"committee": ["a.B", {"name": "c.D", "scal": True}]}, "did you mean 'scale'?"),
    ],
)
def test_faults_are_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as failure:
        campaign(**changes)
    assert said in str(failure.value)


def test_a_committee_is_a_number_or_a_list_of_learners() -> None:
    assert campaign().committee is None
    assert campaign(committee=5).committee == CommitteeConfig(members=5)
    assert campaign(committee={"members": 5}).committee == CommitteeConfig(members=5)
    learners = campaign(committee=["a.B", {"name": "c.D", "calibrate": False}]).committee
    assert learners == CommitteeConfig(
        learners=(LearnerConfig(name="a.B"), LearnerConfig(name="c.D", calibrate=False))
    )
    assert (
        campaign(committee={"learners": ["a.B", {"name": "c.D", "calibrate": False}]}).committee == learners
    )


@pytest.mark.parametrize("committee", [None, 5, ["a.B", "c.D"]])
def test_a_committee_survives_the_store(committee: object) -> None:
    read = campaign(committee=committee)
    assert thaw(read.frozen()) == read


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as failure:
        campaign(batch_size=0, stratgy="x")
    assert "batch_size" in str(failure.value)
    assert "stratgy" in str(failure.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "name: [", "just words", b"\xff\xfe\x00"])
def test_not_a_campaign_file(text: str | bytes) -> None:
    with pytest.raises(ConfigError):
        parse(text, "campaign.yaml")


def test_missing_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lamplighter init"):
        load(str(tmp_path / "nowhere.yaml"))


def test_relative_paths_are_taken_from_the_file(tmp_path: Path) -> None:
    told = BASE | {"labeler": {"name": "simulated", "params": {"labels": "truth.parquet"}}}
    (tmp_path / "campaign.yaml").write_text(yaml.safe_dump(told))
    read = load(str(tmp_path / "campaign.yaml"))
    assert read.pool.url == str(tmp_path / "pool")
    assert read.store == str(tmp_path / "store")
    assert read.labeler.params["labels"] == str(tmp_path / "truth.parquet")


@pytest.mark.parametrize("url", ["s3://bucket/pool", "/data/pool", "${POOL}"])
def test_other_addresses_stay(tmp_path: Path, url: str) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(BASE | {"pool": {"url": url, "features": "x"}}))
    assert load(str(tmp_path / "c.yaml")).pool.url == url


def test_frozen_campaign_holds_references_not_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELER_TOKEN", "very-secret-value")
    read = campaign(labeler={"name": "files", "params": {"token": "${LABELER_TOKEN}"}})
    assert b"very-secret-value" not in read.frozen()
    assert b"${LABELER_TOKEN}" in read.frozen()
    assert "very-secret-value" not in repr(read)


def test_fault_messages_do_not_show_the_input() -> None:
    with pytest.raises(ConfigError) as failure:
        campaign(batch_size="sk-very-secret")
    assert "sk-very-secret" not in str(failure.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ["cat", "dog", "bird"]},
        {"seed": 4},
        {"pool": {"url": "pool", "features": "embedding", "id": "key"}},
        {"pool": {"url": "pool", "features": "other"}},
        {"evaluation": {"holdout": 101}},
    ],
)
def test_what_earlier_rounds_rest_on_is_fixed(changes: dict[str, Any]) -> None:
    with pytest.raises(CampaignChanged, match=r"You may change: .*batch_size"):
        check_unchanged(campaign().frozen(), campaign(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "entropy"},
        {"batch_size": 20},
        {"learner": "sklearn.linear_model.SGDClassifier"},
        {"committee": 5},
        {"pool": {"url": "s3://elsewhere/pool", "features": "embedding"}},
        {"evaluation": {"holdout": 100, "metric": "macro_f1"}},
    ],
)
def test_the_rest_may_change(changes: dict[str, Any]) -> None:
    check_unchanged(campaign().frozen(), campaign(**changes))


def test_starter_file_is_a_campaign() -> None:
    text = files("lamplighter.cli").joinpath("campaign.yaml").read_text("utf-8")
    assert parse(text, "campaign.yaml").strategy.name == "cluster_margin"


def test_what_is_put_around_a_strategy() -> None:
    plain = campaign()
    assert (plain.mix, plain.balance, plain.near_duplicates) == ((), None, NearDuplicatesConfig())
    read = campaign(
        mix=[{"strategy": {"name": "novel", "params": {"x": 1}}, "share": 0.05}],
        balance={"rare": ["dog"], "share": 0.3},
    )
    assert read.mix == (ShareConfig(strategy=Component(name="novel", params={"x": 1}), share=0.05),)
    assert read.balance == BalanceConfig(rare=("dog",), share=0.3)
    assert thaw(read.frozen()) == read


@pytest.mark.parametrize(
    ("written", "enabled", "distance"),
    [
        (None, None, None),
        (True, True, None),
        (False, False, None),
        ({"distance": 0.02}, True, 0.02),
        ({"distance": 0}, True, 0.0),
        ({"enabled": False, "distance": 0.02}, False, 0.02),
    ],
)
def test_near_duplicates_are_a_switch_or_a_distance(
    written: object, enabled: bool | None, distance: float | None
) -> None:
    read = campaign(near_duplicates=written)
    assert read.near_duplicates == NearDuplicatesConfig(enabled=enabled, distance=distance)
    assert thaw(read.frozen()) == read


def test_what_an_earlier_version_froze_skipped_no_near_duplicates() -> None:
    frozen = json.loads(campaign().frozen())
    for key in ("mix", "balance", "near_duplicates"):
        del frozen[key]
    old = thaw(json.dumps(frozen).encode())
    assert old.near_duplicates.enabled is False
    assert (old.mix, old.balance) == ((), None)


def test_what_is_put_around_a_strategy_may_change_between_rounds() -> None:
    more = campaign(
        mix=[{"strategy": "random", "share": 0.1}],
        balance={"rare": ["dog"], "share": 0.3},
        near_duplicates=False,
    )
    check_unchanged(campaign().frozen(), more)
