"""What must not be in the repository, and what must stay in step."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.sources import ROOT, files, imported, modules, text

LOCKS = [path for path in files(".txt") if path.parts[0] in ("requirements", "docker")]
LOCKED = re.compile(
    r"^([A-Za-z0-9._-]+)(\[[\w,-]+\])?==([^ ;]+)( ; [^#]+?)?(( --hash=sha256:[0-9a-f]{64})+)$"
)
#: Homes and work folders of people and machines; the image's own user and the tests' invented one are none.
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:root|Users|work|builds|home(?!/lamplighter\b|/somebody\b))/\w")
REGISTRY_ADDRESS = re.compile(
    r"https?://[\w.-]*(?:pypi|pythonhosted|npmjs|crates\.io|docker\.io)|--(?:extra-)?index-url"
)
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}")


def _hits(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path in files()
        if path.suffix not in {".png", ".parquet", ".xz"}
        for number, line in enumerate(text(path).splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize(
    "pattern", [MACHINE_PATH, REGISTRY_ADDRESS, SECRET], ids=["machine", "registry", "secret"]
)
def test_no_file_names_what_only_one_machine_has(pattern: re.Pattern[str]) -> None:
    assert _hits(pattern) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATH, "cd /" + "root/project"),
        (MACHINE_PATH, "x = '/" + "home/alice/pool'"),
        (REGISTRY_ADDRESS, "index = https://" + "pypi.org/simple"),
        (REGISTRY_ADDRESS, "pip install -" + "-index-url x"),
        (SECRET, "AKIA" + "A" * 16),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


@pytest.mark.parametrize("path", modules("src", "flows", "tasks"), ids=str)
def test_nothing_can_unpickle(path: Path) -> None:
    if path.parts[:3] == ("src", "lamplighter", "testing"):
        # The contract suites send plug-ins through pickle as Dask would, to themselves or down a pipe.
        assert not re.search(r"pickle\.(load\((?!sys\.stdin)|Unpickler)", text(path))
    else:
        assert imported(path) & {"pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"} == set()
    assert "allow_pickle=True" not in text(path)


def _requirements(lock: Path) -> list[str]:
    joined = text(lock).replace("\\\n", " ")
    return [
        " ".join(line.split()) for line in joined.splitlines() if line.strip() and not line.startswith("#")
    ]


def _versions(lock: Path) -> dict[str, Version]:
    matches = (LOCKED.match(line) for line in _requirements(lock))
    return {canonicalize_name(match[1]): Version(match[3]) for match in matches if match}


def test_there_are_locks() -> None:
    assert {path.name for path in LOCKS} >= {"runtime.txt", "test.txt", "build.txt", "bench.txt", "data.txt"}


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_locks_hold_names_versions_and_hashes_alone(lock: Path) -> None:
    assert [line for line in _requirements(lock) if not LOCKED.match(line)] == []


@pytest.mark.parametrize(
    ("lock", "table"), [("runtime.txt", "flows"), ("test.txt", "test"), ("bench.txt", "bench")]
)
def test_locks_fit_what_the_project_asks_for(lock: str, table: str) -> None:
    project = tomllib.loads(text(Path("pyproject.toml")))
    groups = {**project["project"]["optional-dependencies"], **project["dependency-groups"]}
    versions = _versions(Path("requirements") / lock)
    for wanted in map(Requirement, [*project["project"]["dependencies"], *groups[table]]):
        name = canonicalize_name(wanted.name)
        assert name in versions, f"{lock} lacks {name}; run `make lock`"
        assert wanted.specifier.contains(versions[name]), f"{lock}: {name} {versions[name]}; run `make lock`"


@pytest.mark.parametrize("lock", ["test.txt", "bench.txt"])
def test_what_comes_on_top_agrees_with_the_runtime(lock: str) -> None:
    runtime, more = _versions(Path("requirements/runtime.txt")), _versions(Path("requirements") / lock)
    assert {
        name: (runtime[name], more[name])
        for name in runtime.keys() & more.keys()
        if runtime[name] != more[name]
    } == {}


def test_the_readme_shows_the_two_commands() -> None:
    code = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text(Path("README.md")), re.DOTALL | re.MULTILINE))
    assert re.search(r"^\s*make demo\b", code, re.MULTILINE)
    assert re.search(r"^\s*make test\b", code, re.MULTILINE)


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads(text(Path("pyproject.toml")))["project"]["version"]
    assert f"## [{version}]" in text(Path("CHANGELOG.md"))
    assert "## [Unreleased]" in text(Path("CHANGELOG.md"))


def test_ci_can_be_run_and_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 == 0o111
    assert re.search(r"^make test$", script.read_text(), re.MULTILINE)
