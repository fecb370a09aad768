"""Models as files: the same bytes for the same fit, nothing loaded that is not trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from lamplighter.errors import ModelError, UntrustedType
from lamplighter.learner import Model
from lamplighter.learner.canonical import canonical, write_zip
from lamplighter.learner.fitted import Fitted
from lamplighter.learner.persistence import read_card

from .cases import LOGISTIC, PROBA, SGD, STORED, config, fitted, labelled

FOREST = "sklearn.ensemble.RandomForestClassifier"
BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"

REFIT = """
import sys
from hashlib import sha256
from tests.learner.cases import STORED, config, fitted, labelled
x, labels = labelled(120, 5, 3)
for name, params in STORED.items():
    ballast = [object() for _ in range(int(sys.argv[1]))]
    model = fitted(config(name, params=params), x, labels, classes=4)
    print(name, sha256(model.to_bytes()).hexdigest())
"""


def stored(name: str = LOGISTIC, **changes: Any) -> bytes:
    x, labels = labelled(120, 5, 3)
    return fitted(config(name, params=STORED[name], **changes), x, labels, classes=4).to_bytes()


def entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(data: bytes, name: str, change: Callable[[Any], Any]) -> bytes:
    """Change one JSON entry of a model file."""
    parts = entries(data)
    parts[name] = json.dumps(change(json.loads(parts[name]))).encode()
    return write_zip(parts)


@pytest.mark.parametrize("name", STORED)
def test_round_trip(name: str) -> None:
    x, labels = labelled(120, 5, 3)
    model = fitted(config(name, params=STORED[name]), x, labels, classes=4)
    data = model.to_bytes()
    loaded = Model.from_bytes(data)
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    one, other = (m.scorer().outputs(x, PROBA) for m in (loaded, model))
    for key, array in one.outputs.items():
        np.testing.assert_array_equal(array, other.outputs[key])
    for field in (
        "config",
        "classes",
        "seen",
        "temperature",
        "rows",
        "features",
        "logit_rms",
        "warm_start",
        "note",
    ):
        assert getattr(loaded, field) == getattr(model, field)
    assert loaded.to_bytes() == data


def test_a_loaded_model_can_be_continued() -> None:
    x, labels = labelled(120, 5, 3)
    learner = config(SGD, params={"loss": "log_loss"}, warm_start=True)
    first = fitted(learner, x[:60], labels[:60])
    continued = [fitted(learner, x, labels, previous=m) for m in (first, Model.from_bytes(first.to_bytes()))]
    assert continued[1].warm_start
    assert continued[0].to_bytes() == continued[1].to_bytes()


def test_the_same_fit_in_fresh_processes_gives_the_same_bytes() -> None:
    """With other hash seeds and other memory, so that neither addresses nor set order can hide."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", REFIT, seed],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "4242")
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") == len(STORED)


def test_the_file_is_a_plain_skops_file_with_a_card() -> None:
    data = stored(FOREST)
    parts = skops.io.loads(data, trusted=["sklearn.tree._tree.Tree"])
    assert isinstance(parts["estimator"], RandomForestClassifier)
    card = read_card(data)
    assert card["learner"]["name"] == FOREST
    assert (card["format"], card["classes"][3], card["seen"]) == (1, "class 3", [0, 1, 2])
    with zipfile.ZipFile(BytesIO(data)) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


class Outsider:
    """A class that nobody trusts."""


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (Outsider(), "test_learner_persistence.Outsider"),
        (os.system, "posix.system"),
        (eval, "builtins.eval"),
        (partial(eval, "1"), "builtins.eval"),
        (methodcaller("mkdir"), "operator.methodcaller"),
        (Path("/"), "PosixPath"),
        (LogisticRegression().fit, "LogisticRegression.fit"),
    ],
    ids=["class", "system", "eval", "partial", "methodcaller", "path", "method"],
)
def test_a_file_with_anything_else_in_it_is_refused(thing: Any, named: str) -> None:
    parts = entries(stored())
    crafted = canonical(skops.io.dumps({"scaler": None, "estimator": {"coef_": thing}}))
    with pytest.raises(UntrustedType, match=named):
        Model.from_bytes(write_zip({**crafted, "model.json": parts["model.json"]}))


@pytest.mark.parametrize(
    "name", ["sklearn.datasets.fetch_openml", "sklearn.utils.murmurhash3_32", "joblib.load"]
)
def test_a_function_of_a_trusted_package_is_no_type_to_be_called(name: str) -> None:
    """skops calls the type of a `ConstructorFromReduceNode`: a file could call any function so."""
    module, _, function = name.rpartition(".")

    def call(schema: dict[str, Any]) -> dict[str, Any]:
        schema["content"]["estimator"] = {
            "__class__": function,
            "__module__": module,
            "__loader__": "ConstructorFromReduceNode",
            "content": schema["content"]["scaler"],
        }
        return schema

    with pytest.raises(UntrustedType, match=name):
        Model.from_bytes(changed(stored(scale=False), "schema.json", call))


def test_nothing_is_constructed_before_everything_is_trusted(tmp_path: Path) -> None:
    victim = tmp_path / "touched"
    crafted = canonical(skops.io.dumps({"scaler": None, "estimator": partial(os.mkdir, str(victim))}))
    data = write_zip({**crafted, "model.json": entries(stored())["model.json"]})
    with pytest.raises(UntrustedType):
        Model.from_bytes(data)
    assert not victim.exists()


def test_a_learner_that_could_not_be_loaded_is_refused_when_it_is_saved() -> None:
    x, labels = labelled(120, 5, 3)
    model = fitted(config("sklearn.neighbors.KNeighborsClassifier"), x, labels)
    with pytest.raises(UntrustedType, match=r"sklearn\.neighbors\._kd_tree\.KDTree"):
        model.to_bytes()
    brute = fitted(config("sklearn.neighbors.KNeighborsClassifier", params={"algorithm": "brute"}), x, labels)
    np.testing.assert_array_equal(Model.from_bytes(brute.to_bytes()).predict_proba(x), brute.predict_proba(x))


def test_what_skops_cannot_write_is_an_error() -> None:
    x, labels = labelled(120, 5, 3)
    model = fitted(config(), x, labels)
    estimator: Any = model.fitted.estimator
    estimator.extra_ = (i for i in range(3))
    with pytest.raises(ModelError, match="cannot be saved without pickle"):
        model.to_bytes()


def test_truncated_files_are_errors_at_any_length() -> None:
    data = stored()
    for length in {0, 1, len(data) - 1, *range(2, len(data), 997)}:
        with pytest.raises(ModelError, match="not a usable model file"):
            Model.from_bytes(data[:length])


def test_damaged_files_are_errors_or_changed_in_nothing() -> None:
    """Every flipped byte lies in an array, the schema, the card or the zip's own tables."""
    x, _ = labelled(120, 5, 3)
    data = stored()
    expected = Model.from_bytes(data).predict_proba(x)
    refused = 0
    for position in range(0, len(data), len(data) // 60):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        try:
            loaded = Model.from_bytes(bytes(damaged))
        except ModelError:
            refused += 1
        else:
            np.testing.assert_array_equal(loaded.predict_proba(x), expected)
    assert refused > 50


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"PK\x05\x06" + bytes(18), write_zip({"a": b"b"}), write_zip({"model.json": b"{}"})],
)
def test_foreign_files_are_errors(data: bytes) -> None:
    with pytest.raises(ModelError, match="not a usable model file"):
        Model.from_bytes(data)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"seen": [0, 1]},
        {"seen": [0, 1, 7]},
        {"seen": [2, 1, 0]},
        {"seen": [-1, 0, 1]},
        {"classes": ["a"]},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"features": 6},
        {"rows": "many"},
        {"surprise": 1},
        {"learner": {"name": SGD}},
    ],
    ids=str,
)
def test_a_card_that_does_not_fit_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        Model.from_bytes(changed(stored(), "model.json", lambda card: {**card, **change}))


def test_a_card_that_names_an_untrusted_learner_is_refused() -> None:
    with pytest.raises(UntrustedType, match=r"os\.system"):
        Model.from_bytes(
            changed(stored(), "model.json", lambda card: {**card, "learner": {"name": "os.system"}})
        )


@pytest.mark.parametrize("field", ["left_child", "right_child", "feature"])
@pytest.mark.parametrize("value", [-7, 0, 10_000])
def test_a_tree_that_leads_out_of_its_arrays_is_refused(field: str, value: int) -> None:
    """Child 0 would be the root again, and the walk would never end."""
    x, labels = labelled(120, 5, 3)
    model = fitted(config(FOREST, params={"n_estimators": 2}), x, labels)
    forest: Any = model.fitted.estimator
    tree = forest.estimators_[1].tree_
    state = tree.__getstate__()
    state["nodes"][field][0] = value
    if field == "feature" and value == 0:
        state["nodes"][field][0] = 5  # the first that is not there
    tree.__setstate__(state)
    with pytest.raises(ModelError, match="Tree in the model file points outside of itself"):
        Model.from_bytes(model.to_bytes())


@pytest.mark.parametrize(
    ("field", "value"), [("left", 0), ("right", 9999), ("feature_idx", 5), ("feature_idx", -1)]
)
def test_a_boosted_tree_that_leads_out_of_its_arrays_is_refused(field: str, value: int) -> None:
    x, labels = labelled(120, 5, 3)
    model = fitted(config(BOOSTING, params={"max_iter": 2}), x, labels)
    boosted: Any = model.fitted.estimator
    boosted._predictors[1][2].nodes[field][0] = value
    with pytest.raises(ModelError, match="TreePredictor in the model file points outside of itself"):
        Model.from_bytes(model.to_bytes())


def test_the_estimator_in_the_file_must_be_the_one_on_the_card() -> None:
    x, labels = labelled(120, 5, 3)
    model = fitted(config(), x, labels)
    other = fitted(config("sklearn.naive_bayes.GaussianNB"), x, labels)
    swapped = replace(model, fitted=Fitted(None, other.fitted.estimator))
    with pytest.raises(ModelError, match="LogisticRegression and holds GaussianNB"):
        Model.from_bytes(swapped.to_bytes())
