"""The command as a user meets it: output, JSON, exit codes, errors with a remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from lamplighter.cli import show
from lamplighter.cli.entry import run
from lamplighter.driver import open_driver
from lamplighter.rounds import RoundRecord
from lamplighter.steps import run_round
from lamplighter.summary import summarise
from tests.campaigns import write_campaign, write_pool


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A campaign after three rounds."""
    folder = tmp_path_factory.mktemp("cli")
    write_pool(folder, rows=400)
    path = write_campaign(folder)
    for _ in range(3):
        run_round(open_driver(path))
    return path


def output(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(arguments) == code
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(output(capsys, *arguments))
    return read


def failure(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    capsys.readouterr()
    assert run(arguments) == code
    return " ".join(capsys.readouterr().err.split())


def test_init_writes_a_file_and_never_over_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    assert "lamplighter check" in output(capsys, "init", str(folder))
    assert yaml.safe_load((folder / "campaign.yaml").read_text())["name"] == "my-campaign"
    assert "is there already" in failure(capsys, "init", str(folder))


def test_check_tells_what_a_round_would_do(campaign: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "check", campaign, "--json")
    assert found["pool"]["rows"] == 400
    assert found["pool"]["duplicate ids"] == "none"
    assert found["round"]["next"] == "round 4, collect"
    assert found["round"]["estimated scoring seconds"] >= 0
    assert found["store"]["conditional puts"] is True
    assert found["store"]["labels there"] == 120
    assert "ready" in output(capsys, "check", campaign)


def test_status(campaign: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "status", campaign, "--json")
    assert [r["round"] for r in found["rounds"]] == [1, 2, 3]
    assert found["labels"]["holdout"] == 80
    assert found["outstanding"] == 20
    assert found["waiting"] == [{"round": 3, "rows": 20, "waiting": 20}]
    assert found["notices"] == []
    assert found["budget"]["limits"]["rounds"] == 6
    shown = output(capsys, "status", campaign)
    assert "Waiting at the labelers" in shown
    assert "rounds 3 of 6" in shown


def test_why_a_round_has_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pool(tmp_path, rows=200)
    table = pq.read_table(tmp_path / "truth.parquet")
    one = table.set_column(1, "label", pa.array(["pear"] * len(table)))
    pq.write_table(one, tmp_path / "truth.parquet")
    path = write_campaign(tmp_path, evaluation={"holdout": 20})
    driver = open_driver(path)
    run_round(driver)
    record = run_round(driver)
    assert isinstance(record, RoundRecord)
    why = "no model: a model needs labels of at least 2 classes; among 20 rows there is: 'pear'"
    assert f"round 2: {why}" in document(capsys, "status", path, "--json")["notices"]
    assert why in " ".join(output(capsys, "status", path).split())
    show.rounds([summarise("fruit", record).as_dict()], as_json=False)
    assert f"outstanding; {why}" in capsys.readouterr().out


def test_explain_a_picked_row(campaign: str, capsys: pytest.CaptureFixture[str]) -> None:
    picked = _rows(campaign, 2, "batch")[0]
    found = document(capsys, "explain", campaign, str(picked), "--json")
    pick = found["picks"][0]
    assert (pick["round"], pick["strategy"], pick["rank"]) == (2, "margin", 1)
    assert sum(pick["proba"].values()) == pytest.approx(1, abs=1e-4)
    assert len(pick["model"]) == 64
    assert found["label"] in ("apple", "pear", "plum")
    assert len(found["annotations"]) == 1
    assert "picked by strategy 'margin'" in output(capsys, "explain", campaign, str(picked))


def test_explain_a_holdout_row_and_a_row_never_picked(
    campaign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    held = _rows(campaign, 1, "holdout")[0]
    assert "for evaluation only" in document(capsys, "explain", campaign, str(held), "--json")["verdict"]
    assert document(capsys, "explain", campaign, "999999", "--json")["verdict"].startswith("never picked")
    assert "not a whole number" in failure(capsys, "explain", campaign, "abc")


def _rows(campaign: str, number: int, purpose: str) -> list[int]:
    driver = open_driver(campaign)
    done = driver.history().records[number - 1].select
    assert done is not None
    table = pq.read_table(pa.BufferReader(driver.ledger.read(done.batch)))
    return [r["id"] for r in table.to_pylist() if r["purpose"] == purpose]


def test_report_names_its_file(campaign: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(output(capsys, "report", campaign).strip())
    assert path.name == "000003.html"
    assert "fruit" in path.read_text("utf-8")
    assert Path(output(capsys, "report", campaign, "--round", "1").strip()).name == "000001.html"
    assert "there is no round 9" in failure(capsys, "report", campaign, "--round", "9")


def test_pool_compact(campaign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(Path(campaign).parent / "pool")
    said = output(
        capsys,
        "pool",
        "compact",
        source,
        str(tmp_path / "new"),
        "--features",
        "embedding",
        "--display",
        "text",
    )
    assert "wrote 400 rows" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": "entrpy"}, "did you mean 'entropy'?"),
        ({"strategy": {"name": "power_margin", "params": {"bta": 1}}}, "did you mean 'beta'?"),
        ({"labeler": "simulatd"}, "did you mean 'simulated'?"),
        ({"stopping": ["targt"]}, "did you mean 'target'?"),
        ({"learner": "sklearn.linear_model.LogisticRegresion"}, "LogisticRegression"),
        ({"learner": "os.system"}, "LAMPLIGHTER_TRUSTED_MODULES"),
        ({"store": "ftp://x/y"}, "ftp"),
        ({"pool": {"url": "pool", "features": "embeding"}}, "embedding"),
        ({"pool": {"url": "nowhere", "features": "embedding"}}, "nowhere"),
    ],
)
def test_wrong_campaigns_say_what_is_wrong(
    changes: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pool(tmp_path, rows=100)
    code = 1 if "pool" in changes else 2
    assert said in failure(capsys, "check", write_campaign(tmp_path, **changes), code=code)


def test_a_campaign_edited_so_that_it_falsifies_earlier_rounds(
    campaign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(campaign).parent
    edited = write_campaign(folder, "edited.yaml", seed=12)
    for command in ("check", "status"):
        said = failure(capsys, command, edited)
        assert "seed was 11, is 12" in said
        assert "You may change:" in said


def test_duplicate_ids_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pool(tmp_path, rows=100)
    copied = (tmp_path / "pool" / "part-1000-0.parquet").read_bytes()
    (tmp_path / "pool" / "part-copy.parquet").write_bytes(copied)
    said = failure(capsys, "check", write_campaign(tmp_path), code=1)
    assert "50 ids of the pool stand on several rows" in said


def test_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such command" in failure(capsys, "rond")
    assert "Missing argument" in failure(capsys, "check")
    assert "no campaign file at" in failure(capsys, "check", "/nowhere.yaml")


def test_no_secret_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POOL_PLACE", "hidden-bucket-name")
    path = write_campaign(tmp_path, pool={"url": "/data/${POOL_PLACE}", "features": "x"})
    said = failure(capsys, "check", path, code=1)
    assert "hidden-bucket-name" not in said
    assert "***" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"strategy": {"name": "rare_class", "params": {"rare": ["plumm"]}}},
            "rare: unknown class 'plumm'; did you mean 'plum'?",
        ),
        (
            {"mix": [{"strategy": {"name": "rare_class", "params": {"rare": ["zebra"]}}, "share": 0.2}]},
            "rare: unknown class 'zebra'",
        ),
        ({"balance": {"rare": ["zebra"], "share": 0.2}}, "balance.rare: unknown class 'zebra'"),
        ({"stopping": ["target"]}, "'target': parameter 'value' is missing"),
        ({"labeler": "simulated"}, "labeler 'simulated': parameter 'labels' is missing"),
        ({"stopping": [{"name": "target", "params": {"value": "a"}}]}, "value is 'a'; allowed: a number"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_wrong_parameter_is_a_fault_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    write_pool(tmp_path, rows=200)
    told = failure(capsys, "check", write_campaign(tmp_path, **changes))
    assert said in told
    assert "__init__" not in told
