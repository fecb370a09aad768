"""The shape of the code: short files, short functions, names that say what is meant."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from importlib import import_module
from pathlib import Path

import pytest

from lamplighter.registry import Registry
from tests.packaging.sources import PRODUCT, ROOT, files, functions, length, modules, text, tree

VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
REGISTRIES = ["lamplighter.strategies", "lamplighter.labelers", "lamplighter.stopping"]


def test_files_have_at_most_300_lines() -> None:
    long = {str(path): len(text(path).splitlines()) for path in modules()}
    assert {path: lines for path, lines in long.items() if lines > 300} == {}


def test_functions_have_at_most_40_lines() -> None:
    long = {f"{path}:{f.lineno} {f.name}": length(f) for path in modules() for f in functions(path)}
    assert {where: lines for where, lines in long.items() if lines > 40} == {}


def test_the_median_function_has_at_most_10_lines() -> None:
    assert statistics.median(length(f) for path in modules(*PRODUCT) for f in functions(path)) <= 10


def test_no_file_is_named_like_a_standard_module() -> None:
    # Whoever puts its folder on the path would hide the real one.
    stems = {str(path): path.stem for path in modules(*PRODUCT)}
    assert [path for path, stem in stems.items() if stem in sys.stdlib_module_names] == []


def test_no_name_is_vague() -> None:
    parts = {str(path): {*path.parts[:-1], path.stem} for path in modules()}
    assert [path for path, names in parts.items() if names & VAGUE] == []
    classes = [n.name for path in modules() for n in ast.walk(tree(path)) if isinstance(n, ast.ClassDef)]
    assert [name for name in classes if re.search(r"(Utils?|Helpers?|Manager|Common)$", name)] == []


def test_docker_and_deployments_are_no_packages() -> None:
    # A package called `docker` hides the SDK that Prefect needs.
    assert not list(ROOT.glob("docker/**/__init__.py"))
    assert not list(ROOT.glob("deployments/**/__init__.py"))


@pytest.mark.parametrize("top", ["src/lamplighter", "flows", "tasks", "tests"])
def test_every_folder_of_modules_is_a_package(top: str) -> None:
    folders = {path.parent for path in files(".py") if str(path).startswith(top + "/")}
    assert {str(folder) for folder in folders if not (ROOT / folder / "__init__.py").exists()} == set()


def _exports(path: Path) -> list[str] | None:
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["__all__"]:
            exports: list[str] = ast.literal_eval(node.value)
            return exports
    return None


def _public(path: Path) -> set[str]:
    """Give the public classes and functions that a module defines, or that a package passes on."""
    used = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
    found: set[str] = set()
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lamplighter"):
            names = {alias.asname or alias.name for alias in node.names}
            found |= names - used if path.name == "__init__.py" else set()
    return {name for name in found if not name.startswith("_")}


WITH_EXPORTS = [path for path in modules("src", "flows", "tasks") if _exports(path) is not None]


@pytest.mark.parametrize("path", WITH_EXPORTS, ids=str)
def test_all_is_complete_and_without_duplicates(path: Path) -> None:
    exports = _exports(path) or []
    assert len(exports) == len(set(exports))
    assert exports == _in_order(exports)
    assert _public(path) - set(exports) == set()


def _in_order(names: list[str]) -> list[str]:
    """Sort as the linter does: constants, then classes, then the rest."""

    def kind(name: str) -> int:
        if name.isupper() and len(name) > 1:
            return 0
        return 1 if name[0].isupper() else 2

    return sorted(names, key=lambda name: (kind(name), name))


def _registries() -> list[tuple[str, type]]:
    found = []
    for module in REGISTRIES:
        for value in vars(import_module(module)).values():
            if isinstance(value, Registry):
                found += [(f"{value.kind} {name}", value.get(name)) for name in value.names()]
    return found


def test_there_is_a_registry_for_each_kind_of_plugin() -> None:
    assert len({name.split()[0] for name, _ in _registries()}) == len(REGISTRIES)


@pytest.mark.parametrize(
    ("name", "plugin"), _registries(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_plugin_is_explained(name: str, plugin: type) -> None:
    doc = plugin.__doc__ or ""
    # A dataclass without a docstring gets its signature for one.
    assert len(doc) > 40
    assert not doc.startswith(plugin.__name__ + "("), name
