"""Nothing is lost and nothing doubled while servers, drivers, lines and people do what they like.

`make bench-faults` does the same 50 times each, on both databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labelers.label_studio.mishaps import DEADLY, MISHAPS
from tests.labelers.label_studio.trials import arranged, undergo
from tests.servers.label_studio import LabelStudio, label_studio_running
from tests.servers.label_studio_mortal import Mortal

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
#: test_faults.py plays what happens on the line one by one.
NAMES = [name for name in MISHAPS if not name.startswith(("connection", "500", "slow"))]


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    folder = tmp_path_factory.mktemp("mortal")
    with label_studio_running(folder, "sqlite", Mortal) as server:
        yield server


@pytest.mark.parametrize(("name", "seed"), [*((name, 1) for name in NAMES), *((name, 2) for name in DEADLY)])
def test_nothing_is_lost_and_nothing_doubled(
    mortal: LabelStudio, tmp_path: Path, name: str, seed: int
) -> None:
    size = {"rows": 36, "chunk_rows": 12} if name in DEADLY else {}
    with arranged(mortal, tmp_path / "campaign", seed, **size) as trial:
        account = undergo(trial, MISHAPS[name])
    assert account.is_clean, (account, trial.told, trial.proxy.played)
    assert account.answers > 0
    assert account.tasks == account.rows
    if name == "project deleted":
        assert all("has it no longer" in problem for problem in trial.problems)
    else:
        assert not account.misplaced


def test_a_server_that_was_killed_is_back_with_what_it_had(mortal: LabelStudio) -> None:
    choices = "<Choices name='c' toName='t'><Choice value='a'/></Choices>"
    config = f"<View><Text name='t' value='$text'/>{choices}</View>"
    project = mortal.new_project("Mortal", config)
    url = mortal.url
    mortal.kill()
    with pytest.raises(OSError, match="refused"):
        mortal.tasks(project)
    mortal.start()
    assert (mortal.url, mortal.tasks(project)) == (url, [])
