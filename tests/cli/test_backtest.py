"""`lamplighter backtest` as a user meets it: the advice first, JSON, errors, and going on after SIGKILL."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lamplighter.backtest.runs import Run
from lamplighter.cli.backtest_command import names
from lamplighter.cli.bars import progress_bar
from lamplighter.cli.entry import run
from lamplighter.progress import Progress, tell
from tests.campaigns import write_campaign, write_pool

HEADER = ["strategy", "mean", "end", "vs", "random", "p", "(Holm)", "labels", "saved", "a", "round"]
SHORT = ("--strategies", "margin", "--rounds", "3", "--seeds", "2")


@pytest.fixture
def campaign(tmp_path: Path) -> str:
    write_pool(tmp_path, rows=200)
    return write_campaign(tmp_path)


def arguments(campaign: str, *more: str) -> list[str]:
    return ["backtest", campaign, "--labels", str(Path(campaign).parent / "truth.parquet"), *more]


def call(capsys: pytest.CaptureFixture[str], campaign: str, *more: str, code: int = 0) -> tuple[str, str]:
    """Give what was printed, and what was said beside it."""
    capsys.readouterr()
    assert run(arguments(campaign, *more)) == code
    said = capsys.readouterr()
    return said.out, said.err


def test_the_advice_comes_first_then_the_table_then_the_places(
    campaign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = call(capsys, campaign, *SHORT)[0]
    lines = out.splitlines()
    assert lines[0].startswith("recommendation: The evidence is too thin to choose by: with 2 seeds")
    table = next(i for i, line in enumerate(lines) if line.startswith("strategy"))
    assert lines[table].split() == HEADER
    assert sorted(line.split()[0] for line in lines[table + 2 : table + 4]) == ["margin", "random"]
    assert "runs:   4 made now, 0 were there" in lines
    for name in ("report", "points"):
        place = next(line.split(": ", 1)[1] for line in lines if line.startswith(f"{name}: "))
        assert Path(place).is_file()
    assert "runs:   0 made now, 4 were there" in call(capsys, campaign, *SHORT)[0]


def test_one_json_document_and_nothing_else(
    campaign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = json.loads(call(capsys, campaign, *SHORT, "--json", "--out", str(out))[0])
    assert found["runs"] | {"folder": ""} == {"wanted": 4, "new": 4, "folder": ""}
    assert found["rows"]["used"] == 200
    assert set(found["strategies"]) == {"margin", "random"}
    assert found["recommendation"]["sentence"]
    assert (found["report"], found["points"]) == (str(out / "report.html"), str(out / "points.csv"))
    kept = json.loads((out / "summary.json").read_text("utf-8"))
    assert kept == {name: value for name, value in found.items() if name in kept}


def test_what_is_left_out_is_said(campaign: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(campaign).parent
    write_pool(folder, rows=200, first_id=900)  # labels of ids that the campaign's pool will not have
    for part in (folder / "pool").glob("part-900-*"):
        part.unlink()
    out = call(capsys, campaign, *SHORT)[0]
    assert "note left out: 100 labelled rows left out that are not in the pool" in out


@pytest.mark.parametrize(
    "case",
    [
        (["--strategies", "margn"], 2, "did you mean 'margin'?"),
        (["--strategies", "vote_entropy"], 2, "needs a committee"),
        (["--seeds", "0"], 2, "seeds"),
        (["--test-share", "1.5"], 2, "it must lie between 0 and 1"),
        (["--rounds", "3", "--labels-per-run", "60"], 2, "not both"),
        (["--label-column", "lable"], 1, "did you mean 'label'?"),
        (["--labels", "nowhere.parquet"], 2, "there are no labels at nowhere.parquet"),
        (["--out", "/proc/nowhere", *SHORT], 2, "cannot be written"),
    ],
)
def test_errors_with_a_remedy(
    campaign: str, capsys: pytest.CaptureFixture[str], case: tuple[list[str], int, str]
) -> None:
    more, code, said = case
    assert said in " ".join(call(capsys, campaign, *more, code=code)[1].split())


def test_no_secret_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = tmp_path / "hidden-place"
    hidden.mkdir()
    write_pool(hidden, rows=200)
    monkeypatch.setenv("PLACE", str(hidden))
    pool = {"url": "${PLACE}/pool", "features": "embedding"}
    path = write_campaign(hidden, pool=pool, store="${PLACE}/store")
    said = call(capsys, path, *SHORT)
    assert "hidden-place" not in "".join(said)
    assert "report: ***/store/backtests/" in said[0]
    (report,) = hidden.glob("store/backtests/*/*/report.html")
    assert "hidden-place" not in report.read_text("utf-8")


def test_names() -> None:
    assert names(None) == names(" , ") == ()
    assert names("badge,margin") == ("badge", "margin")


def test_prefect_is_never_imported(campaign: str) -> None:
    program = (
        "import sys; sys.modules['prefect'] = None\n"
        "from lamplighter.cli.entry import run\n"
        f"sys.exit(run({arguments(campaign, *SHORT)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("recommendation")


def test_a_bar_says_how_long_the_rest_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([100.0, 160.0, 220.0, 1000.0])
    monkeypatch.setattr("lamplighter.cli.bars.monotonic", lambda: next(clock))
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich, a terminal
    with progress_bar(quiet=False):
        for done, said in (
            (20, "20 of 50 runs"),
            (20, "20 of 50 runs"),
            (24, "24 of 50 runs, 13 min 00 s left"),
        ):
            tell(Progress("replaying", done, 50, done, 50, unit="runs"))
            assert _drawn(said, capsys), said
        tell(Progress("replaying", 50, 50, 50, 50, unit="runs"))
        assert _drawn("50 of 50 runs", capsys)


def _drawn(said: str, capsys: pytest.CaptureFixture[str]) -> bool:
    """Wait until the bar, which is drawn ten times a second, shows something and nothing after it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
        if re.search(rf"{said} *\d:", plain):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.fault
def test_after_a_kill_only_what_was_missing_is_made(
    campaign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(campaign).parent
    asked = ("--strategies", "margin", "--seeds", "8", "--rounds", "6")
    command = [sys.executable, "-m", "lamplighter.cli", *arguments(campaign, *asked)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = _wait_for(folder, runs=5)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    done |= _runs(folder)  # one more may have come between the look and the kill
    assert 5 <= len(done) < 16
    # In the order of their seeds, so that whole seeds are there.
    finished = {int(re.findall(r"-(\d+)\.json", name)[0]) for name in done}
    assert finished == set(range(max(finished) + 1))

    found = json.loads(call(capsys, campaign, *asked, "--json")[0])
    assert found["runs"]["new"] == 16 - len(done)
    assert done.items() <= _runs(folder).items()

    call(capsys, write_campaign(folder, "undisturbed.yaml", store="undisturbed"), *asked)
    assert _results(folder, "store") == _results(folder, "undisturbed")


def _runs(folder: Path, store: str = "store") -> dict[str, int]:
    """Give the runs in the store, and when each was written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.glob(f"{store}/backtests/*/*-*.json")}


def _wait_for(folder: Path, runs: int) -> dict[str, int]:
    deadline = time.monotonic() + 120
    while len(found := _runs(folder)) < runs:
        assert time.monotonic() < deadline, f"{len(found)} runs in two minutes"
        time.sleep(0.005)
    return found


def _results(folder: Path, store: str) -> dict[str, Any]:
    read = {path: Run.model_validate_json(Path(path).read_bytes()) for path in _runs(folder, store)}
    return {
        os.path.basename(path): run.model_dump(exclude={"points": {"__all__": {"seconds"}}})
        for path, run in read.items()
    }
