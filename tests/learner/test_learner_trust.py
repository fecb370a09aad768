"""The allow-list: on module boundaries, extended by the operator and by nobody else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lamplighter.errors import ConfigError, UntrustedType
from lamplighter.learner import check_learner, trust
from lamplighter.learner.model import Model

from .cases import config, fitted, labelled

SOURCE = """
from sklearn.linear_model import LogisticRegression

imported = True

class Mine(LogisticRegression):
    pass
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Importable modules with a classifier each; their names are forgotten afterwards."""
    names = ["sklearn_evil", "wax_models", "wax_models_more"]
    for name in names:
        (tmp_path / f"{name}.py").write_text(SOURCE)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    return names


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("module", ["sklearn_evil", "wax_models"])
def test_modules_off_the_list_are_not_even_imported(module: str) -> None:
    with pytest.raises(UntrustedType, match=rf"{trust.VARIABLE}={module}; a campaign file cannot") as caught:
        check_learner(config(f"{module}.Mine"))
    assert isinstance(caught.value, PermissionError)
    assert module not in sys.modules


@pytest.mark.usefixtures("packages")
def test_the_operator_extends_the_list_by_whole_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trust.VARIABLE, " other.things , wax_models. ")
    check_learner(config("wax_models.Mine"))
    with pytest.raises(UntrustedType, match=r"\(sklearn, other\.things, wax_models\)"):
        check_learner(config("wax_models_more.Mine"))


@pytest.mark.usefixtures("packages")
def test_a_trusted_module_does_not_lend_its_trust_to_what_it_imports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wax_front.py").write_text("from wax_models import Mine\n")
    monkeypatch.setenv(trust.VARIABLE, "wax_front")
    with pytest.raises(UntrustedType, match=r"wax_models\.Mine"):
        check_learner(config("wax_front.Mine"))


@pytest.mark.usefixtures("packages")
def test_a_model_of_a_trusted_module_is_loaded_only_while_it_is_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(trust.VARIABLE, "wax_models")
    x, labels = labelled(60, 4, 3)
    data = fitted(config("wax_models.Mine"), x, labels).to_bytes()
    assert type(Model.from_bytes(data).fitted.estimator).__name__ == "Mine"
    monkeypatch.delenv(trust.VARIABLE)
    with pytest.raises(UntrustedType, match=r"wax_models\.Mine"):
        Model.from_bytes(data)


@pytest.mark.parametrize("path", ["", ".", "sklearn", "sklearn.", ".LogisticRegression"])
def test_malformed_paths(path: str) -> None:
    with pytest.raises(ConfigError):
        check_learner(config(path))


def test_scikit_learn_as_a_whole_is_not_trusted_in_stored_files() -> None:
    assert trust.is_trusted_module("sklearn.datasets.fetch_openml")
    assert not trust.is_trusted_stored_type("sklearn.datasets.fetch_openml")
    assert trust.is_trusted_stored_type("sklearn.tree._tree.Tree")
