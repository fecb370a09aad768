"""What the command says when things go wrong, and what it never says."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter.cli import flow_commands, show
from lamplighter.cli.entry import run
from lamplighter.driver import open_driver
from lamplighter.errors import ConfigError
from lamplighter.steps import run_round
from tests.campaigns import write_campaign, write_pool

SECRET = "hidden-place-1234"


def call(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> tuple[str, str]:
    capsys.readouterr()
    assert run(arguments) == code
    said = capsys.readouterr()
    return said.out, " ".join(said.err.split())


@pytest.fixture
def secret_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A campaign after one round, in folders whose name only the environment knows."""
    folder = tmp_path / SECRET
    folder.mkdir()
    write_pool(folder, rows=200)
    monkeypatch.setenv("PLACE", SECRET)
    there = f"{tmp_path}/${{PLACE}}"
    labeler = {"name": "simulated", "params": {"labels": f"{there}/truth.parquet"}}
    pool = {"url": f"{there}/pool", "features": "embedding", "display": ["text"]}
    path = write_campaign(
        tmp_path, pool=pool, labeler=labeler, store=f"{there}/store", evaluation={"holdout": 20}
    )
    run_round(open_driver(path))
    return path


@pytest.mark.parametrize("command", ["check", "status", "explain", "report"])
def test_no_secret_in_what_a_command_prints(
    secret_place: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = open_driver(secret_place)
    select = driver.history().records[0].select
    assert select is not None
    picked = pq.read_table(pa.BufferReader(driver.ledger.read(select.batch))).column("id")[-1]
    row = [str(picked)] if command == "explain" else []
    out, err = call(capsys, command, secret_place, *row, code=0)
    assert SECRET not in out + err
    assert ("***" in out.replace("\n", "")) == (command != "explain")


def test_no_secret_in_an_error_of_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLACE", f"s3://no bucket/{SECRET}")
    path = write_campaign(tmp_path, store="${PLACE}")
    with pytest.raises(ConfigError) as caught:
        open_driver(path)
    assert SECRET not in str(caught.value)
    assert SECRET not in call(capsys, "status", path, code=2)[1]


def test_ids_that_no_pool_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pool(tmp_path, rows=200)
    path = write_campaign(tmp_path, evaluation={"holdout": 20})
    assert "no round has looked at the pool yet" in call(capsys, "explain", path, "7", code=2)[1]
    run_round(open_driver(path))
    for text in ("9" * 19, "1_000", "٣"):
        assert "not a whole number of 64 bits" in call(capsys, "explain", path, text, code=2)[1]


def test_a_file_that_cannot_be_read_or_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Protocol not known" in call(capsys, "check", "foo://bar", code=2)[1]
    assert "cannot be written" in call(capsys, "init", "/proc/nowhere", code=2)[1]
    assert "max" in call(capsys, "run", "x.yaml", "--max-rounds", "20000", code=2)[1]


def test_what_nobody_foresaw_is_a_line_unless_more_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: str, **__: str) -> None:
        raise RuntimeError("Failed to reach API")

    monkeypatch.setattr("lamplighter.cli.app.run_rounds", broken)
    path = write_campaign(tmp_path)
    out, err = call(capsys, "round", path, "--json", code=1)
    assert out == ""
    assert "RuntimeError: Failed to reach API" in err
    assert "Traceback" not in err
    monkeypatch.setenv("LAMPLIGHTER_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        run(["round", path])


def test_what_flows_print_is_not_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def chatty() -> dict[str, bool]:
        print("a cluster starts")  # noqa: T201
        return {"ran": True}

    monkeypatch.setattr(flow_commands, "flow", lambda *_: chatty)
    assert flow_commands.run_rounds("flows.x", "x") == [{"ran": True}]
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "a cluster starts\n")


def test_numbers_that_json_cannot_say(capsys: pytest.CaptureFixture[str]) -> None:
    show.document({"score": float("-inf"), "display": [float("nan"), 1.5, "x"]})
    assert json.loads(capsys.readouterr().out) == {"score": None, "display": [None, 1.5, "x"]}
