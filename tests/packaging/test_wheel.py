"""The wheel holds the library alone, and works where nothing else of the checkout is."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging.sources import ROOT, files

pytestmark = pytest.mark.xdist_group("packaging")
LIBRARY = Path("src/lamplighter")
COMMANDS = ["init", "check", "round", "run", "status", "explain", "report", "pool"]


@dataclass(frozen=True)
class Built:
    """What `python -m build` made: the wheel is built from the source archive, not from the checkout."""

    wheel: Path
    archive: Path


@dataclass(frozen=True)
class Installation:
    """A fresh environment that holds the wheel, and sees the dependencies of the one the tests run in."""

    python: Path

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment away from the checkout."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV_", "PREFECT_"))}
        path = str(self.python.with_name(command[0]))
        return subprocess.run(
            [path, *command[1:]], cwd=cwd, env=env, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Built(next(out.glob("*.whl")), next(out.glob("*.tar.gz")))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    command = [
        str(uv),
        "pip",
        "install",
        "-q",
        "--offline",
        "--no-deps",
        "--python",
        str(python),
        str(built.wheel),
    ]
    subprocess.run(command, check=True)
    # A path line adds the folder but reads none of its .pth files: the checkout itself stays unseen.
    site = next(home.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installation(python)


def test_the_wheel_holds_each_file_of_the_library_once_and_nothing_else(built: Built) -> None:
    names = Counter(zipfile.ZipFile(built.wheel).namelist())
    library = {str(path.relative_to("src")) for path in files() if path.is_relative_to(LIBRARY)}
    assert {name.split("/")[0] for name in names} == {"lamplighter", "lamplighter-0.1.0.dist-info"}
    assert {name for name in names if name.startswith("lamplighter/")} == library
    assert set(names.values()) == {1}


def test_the_wheel_brings_what_is_no_python_too(built: Built) -> None:
    names = zipfile.ZipFile(built.wheel).namelist()
    others = {
        Path(name).name for name in names if name.startswith("lamplighter/") and not name.endswith(".py")
    }
    assert others >= {"py.typed", "report.html.j2", "campaign.yaml"}


def test_the_wheel_says_who_it_is(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        info = {name.partition("/")[2]: name for name in wheel.namelist() if ".dist-info/" in name}
        metadata = wheel.read(info["METADATA"]).decode()
        assert wheel.read(info["entry_points.txt"]).decode().split() == [
            "[console_scripts]", "lamplighter", "=", "lamplighter.cli:main",
        ]  # fmt: skip
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: <3.14,>=3.11" in metadata
    assert any(name.endswith("LICENSE") for name in info)


def test_the_source_archive_holds_the_flows_too(built: Built) -> None:
    with tarfile.open(built.archive) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"flows/campaign.py", "flows/labeling_round.py", "README.md", "LICENSE", "CHANGELOG.md"} <= names
    tops = {name.split("/")[0] for name in names if "/" in name}
    assert tops == {"src", "flows", "tasks"}


def test_the_installed_library_is_the_wheels(installed: Installation, tmp_path: Path) -> None:
    script = (
        "import lamplighter, importlib.metadata as m; print(lamplighter.__file__, m.version('lamplighter'))"
    )
    done = installed.run("python", "-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where, version = done.stdout.split()
    assert Path(where).is_relative_to(installed.python.parents[1])
    assert version == "0.1.0"


def test_every_module_can_be_imported_without_flows_or_prefect(
    installed: Installation, tmp_path: Path
) -> None:
    script = (
        "import importlib, pkgutil, sys, lamplighter\n"
        "for module in pkgutil.walk_packages(lamplighter.__path__, 'lamplighter.'):\n"
        "    if not module.name.startswith('lamplighter.testing'): importlib.import_module(module.name)\n"
        "print(sorted({'prefect', 'flows', 'tasks'} & sys.modules.keys()))\n"
    )
    done = installed.run("python", "-W", "error::ImportWarning", "-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_help_names_every_command(installed: Installation, tmp_path: Path) -> None:
    done = installed.run("lamplighter", "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in COMMANDS if name not in done.stdout] == []


def test_every_command_explains_itself(installed: Installation, tmp_path: Path) -> None:
    # In one process: each start pays for the imports anew.
    script = (
        "import sys\n"
        "from lamplighter.cli.entry import run\n"
        "print([name for name in sys.argv[1:] if run([name, '--help']) != 0])\n"
    )
    done = installed.run("python", "-c", script, *COMMANDS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage") == len(COMMANDS)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_the_flows_a_round_says_what_is_missing(installed: Installation, tmp_path: Path) -> None:
    assert installed.run("lamplighter", "init", "here", cwd=tmp_path).returncode == 0
    done = installed.run("lamplighter", "round", "here/campaign.yaml", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "flows are not installed" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
