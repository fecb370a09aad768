"""Other people's strategies: installed as packages, they are used like ours, and blamed by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pyarrow.parquet as pq
import pytest

from lamplighter.driver import open_driver
from lamplighter.errors import UnknownName
from tests.campaigns import CLASSES, write_campaign, write_pool

pytestmark = pytest.mark.xdist_group("packaging")
SOURCE = Path(__file__).parent / "plugin"
ASK = "from lamplighter.strategies import STRATEGIES\n"
#: What a strategy that is none, or a faulty one, starts with.
IMPORTS = """
from dataclasses import dataclass
import numpy as np
from lamplighter.strategies.base import Strategy
"""


@dataclass(frozen=True)
class Site:
    """A folder with installed packages, seen by the programs that are run with it."""

    folder: Path

    def add(self, name: str, source: str, **entries: str) -> Site:
        """Install a distribution of one module by hand, as an installer would leave it."""
        module = name.replace("-", "_")
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{module}.py").write_text(dedent(source))
        info = self.folder / f"{module}-0.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3\n")
        lines = [f"{key} = {module}:{value}" for key, value in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[lamplighter.strategies]", *lines]))
        return self

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run Python with the packages, and away from them."""
        env = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONWARNINGS": "error::ImportWarning"}
        call = [sys.executable, *command]
        return subprocess.run(call, cwd=cwd, env=env, capture_output=True, text=True, check=False)

    def says(self, script: str, *, cwd: Path) -> Any:
        """Run a script and read the JSON it prints."""
        done = self.run("-c", dedent(script), cwd=cwd)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def fails(self, script: str, *, cwd: Path) -> str:
        """Run a script that raises; give the last line of what it says."""
        done = self.run("-c", dedent(script), cwd=cwd)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The example package, built and installed without a network."""
    home = tmp_path_factory.mktemp("plugin")
    source, site = home / "source", home / "site"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    uv = str(Path(sys.executable).with_name("uv"))
    options = ["-q", "--offline", "--no-deps", "--no-build-isolation", "--python", sys.executable]
    command = [uv, "pip", "install", *options, "--target", str(site), str(source)]
    subprocess.run(command, check=True, cwd=home)
    return Site(site)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty folder for packages."""
    return Site(tmp_path / "site")


def test_it_is_listed_and_built_like_ours(installed: Site, tmp_path: Path) -> None:
    build = "built = STRATEGIES.build('spot_check', {'surest': 0.8})\n"
    show = "import json; print(json.dumps([STRATEGIES.names(), repr(built), type(built).__module__]))"
    names, built, module = installed.says(ASK + build + show, cwd=tmp_path)
    assert {"spot_check", "margin", "random"} <= set(names)
    assert (built, module) == ("SpotCheck(surest=0.8)", "lamplighter_spot_check")


def test_without_the_package_the_name_is_unknown(tmp_path: Path) -> None:
    write_pool(tmp_path)
    with pytest.raises(UnknownName, match="unknown strategy 'spot_check'"):
        open_driver(write_campaign(tmp_path, strategy="spot_check"))


def test_it_cannot_take_over_a_name_of_ours(installed: Site, tmp_path: Path) -> None:
    entries = "import importlib.metadata as m; group = m.entry_points(group='lamplighter.strategies')\n"
    script = "import json; print(json.dumps([STRATEGIES.get('margin').__module__, 'margin' in group.names]))"
    module, tried = installed.says(ASK + entries + script, cwd=tmp_path)
    assert tried
    assert module == "lamplighter.strategies.uncertainty"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"surest": 2}, "ConfigError: strategy 'spot_check': surest is 2; allowed: 0 to 1"),
        ({"surset": 1}, "unknown parameter 'surset'; did you mean 'surest'?"),
    ],
)
def test_its_parameters_are_checked_like_ours(
    installed: Site, tmp_path: Path, params: dict[str, float], message: str
) -> None:
    assert message in installed.fails(f"{ASK}STRATEGIES.build('spot_check', {params})", cwd=tmp_path)


CONTRACT = (
    ASK
    + """
import json
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import ContractBroken

broken = []
cases = contract.cases({name: STRATEGIES.build(name) for name in NAMES})
for case in cases:
    try:
        case()
    except ContractBroken:
        broken.append(str(case))
print(json.dumps([len(cases), broken]))
"""
)


def test_the_contract_suite_runs_on_it(installed: Site, tmp_path: Path) -> None:
    cases, broken = installed.says(CONTRACT.replace("NAMES", "['spot_check']"), cwd=tmp_path)
    assert cases >= 13
    assert broken == []


def test_the_contract_suite_finds_it_by_itself(installed: Site, tmp_path: Path) -> None:
    script = "from lamplighter.testing import strategies as c; print(json.dumps([str(x) for x in c.cases()]))"
    cases = installed.says(f"import json; {script}", cwd=tmp_path)
    assert "strategy-spot_check:row_wise" in cases


def test_the_contract_suite_catches_a_broken_one(site: Site, tmp_path: Path) -> None:
    source = IMPORTS + dedent("""
        @dataclass(frozen=True)
        class ByPosition(Strategy):
            def score(self, block):
                return np.arange(len(block), dtype=np.float32)
        """)
    site.add("their-positions", source, by_position="ByPosition")
    _cases, broken = site.says(CONTRACT.replace("NAMES", "['by_position']"), cwd=tmp_path)
    assert {"strategy-by_position:row_wise", "strategy-by_position:any_sharding_picks_the_same"} <= set(
        broken
    )


#: One cluster for both rounds; its process needs a main module that it can import again.
ROUNDS = """
import json, os
from lamplighter import cluster
from lamplighter.config import ClusterConfig
from lamplighter.driver import open_driver
from lamplighter.steps import run_round

if __name__ == "__main__":
    with cluster.connect(ClusterConfig(workers=1)) as client:
        for _ in range(2):
            run_round(open_driver("campaign.yaml", ClusterConfig(address=client.scheduler.address)))
        print(json.dumps([os.getpid(), *client.run(os.getpid).values()]))
"""


def test_a_campaign_runs_with_it_on_worker_processes(installed: Site, tmp_path: Path) -> None:
    write_pool(tmp_path)
    strategy = {"name": "spot_check", "params": {"surest": 0.4}}
    write_campaign(tmp_path, strategy=strategy)
    command = ["-m", "lamplighter.cli", "check", "campaign.yaml", "--no-ids", "--json"]
    check = installed.run(*command, cwd=tmp_path)
    assert check.returncode == 0, check.stderr
    assert json.loads(check.stdout)["round"]["next"] == "round 1, collect"

    (tmp_path / "rounds.py").write_text(ROUNDS)
    done = installed.run("rounds.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    own, worker = json.loads(done.stdout.splitlines()[-1])
    assert own != worker

    batch = pq.read_table(
        next((tmp_path / "store" / "rounds" / "000002").glob("batch-*.parquet"))
    ).to_pylist()
    picked = [row for row in batch if row["purpose"] == "batch"]
    assert {row["strategy"] for row in picked} == {"spot_check"}
    sizes = Counter(row["predicted"] for row in picked)
    assert sorted(sizes.values()) == [6, 7, 7]
    assert [CLASSES[row["predicted_list"]] for row in picked] == [row["predicted"] for row in picked]
    for name in CLASSES:
        scores = [row["score"] for row in picked if row["predicted"] == name]
        assert scores == sorted(scores, reverse=True)


BROKEN = {
    "import": (
        "import no_such_library\n",
        "cannot be imported: ModuleNotFoundError: No module named 'no_such",
    ),
    "raise": ("raise RuntimeError('no licence')\n", "cannot be imported: RuntimeError: no licence"),
    "absent": ("", "cannot be imported: AttributeError"),
    "function": (
        "def Theirs(): pass\n",
        "is no strategy; it must be a frozen dataclass that inherits Strategy",
    ),
    "plain": (IMPORTS + "class Theirs(Strategy): pass\n", "is no strategy"),
    "stranger": (IMPORTS + "@dataclass(frozen=True)\nclass Theirs: pass\n", "is no strategy"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package_is_named(site: Site, tmp_path: Path, kind: str) -> None:
    source, message = BROKEN[kind]
    site.add("their-ideas", source, theirs="Theirs")
    said = site.fails(f"{ASK}STRATEGIES.build('theirs')", cwd=tmp_path)
    assert said.startswith(
        "lamplighter.errors.ConfigError: strategy 'theirs' (their_ideas:Theirs) of their-ideas 0.3"
    )
    assert message in said


def test_a_broken_package_keeps_nobody_from_other_strategies(site: Site, tmp_path: Path) -> None:
    site.add("their-ideas", "import no_such_library\n", theirs="Theirs")
    script = f"{ASK}import json; print(json.dumps([STRATEGIES.names(), repr(STRATEGIES.build('margin'))]))"
    names, built = site.says(script, cwd=tmp_path)
    assert "theirs" in names
    assert built == "Margin()"


def test_check_says_which_package_is_broken(site: Site, tmp_path: Path) -> None:
    site.add("their-ideas", "import no_such_library\n", theirs="Theirs")
    write_pool(tmp_path)
    write_campaign(tmp_path, strategy="theirs")
    done = site.run("-m", "lamplighter.cli", "check", "campaign.yaml", cwd=tmp_path)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert "of their-ideas 0.3 cannot be imported: ModuleNotFoundError" in said
    assert "Traceback" not in said


def test_two_packages_with_one_name_are_both_named(site: Site, tmp_path: Path) -> None:
    site.add("their-ideas", "", theirs="Theirs").add("other-ideas", "", theirs="Theirs")
    said = site.fails(f"{ASK}STRATEGIES.build('theirs')", cwd=tmp_path)
    assert "strategy 'theirs' is in other-ideas 0.3 and their-ideas 0.3; uninstall all but one" in said
