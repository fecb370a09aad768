"""Whole rounds of a campaign whose rows people label on a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.labelers.label_studio.tasks import id_of
from lamplighter.rounds import RoundRecord
from lamplighter.steps import run_round
from tests.campaigns import write_campaign, write_pool
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio_template import ANNOTATORS

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
ANN, _, _ = ANNOTATORS


def project_of(server: Server, title: str) -> int:
    """Give the one project of a title."""
    found = server.request("/api/projects/?page_size=1000")["results"]
    (number,) = (project["id"] for project in found if project["title"] == title)
    return int(number)


def round_of(driver: Driver) -> RoundRecord:
    record = run_round(driver)
    assert isinstance(record, RoundRecord)
    assert not record.collect.problems
    return record


def test_people_label_the_model_learns_and_asks_on(
    label_studio: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LS_TOKEN", label_studio.token)
    write_pool(tmp_path, rows=300)
    truth = dict(zip(*pq.read_table(tmp_path / "truth.parquet").to_pydict().values(), strict=True))
    params = {"url": label_studio.url, "token": "${LS_TOKEN}", "create": True, "title": tmp_path.name[:50]}
    labeler = {"name": "label_studio", "params": params}
    changes: dict[str, Any] = {"evaluation": {"holdout": 12}, "batch_size": 6}
    driver = Driver(load(write_campaign(tmp_path, labeler=labeler, **changes))).open()
    first = round_of(driver)
    assert first.dispatch is not None
    project, answered = project_of(label_studio, tmp_path.name[:50]), 0
    for _ in range(2):
        waiting = [task for task in label_studio.tasks(project) if not task["is_labeled"]]
        for task in waiting:
            row = id_of(task["data"]["lamplighter_id"])
            assert task["data"]["text"] == f"fruit {row}"
            label_studio.annotate(task["id"], truth[row], by=ANN)
        record = round_of(driver)
        assert record.collect.new_annotations == len(waiting)
        assert record.collect.outstanding == 0
        answered += len(waiting)
    assert record.collect.labelled_rows + record.collect.labelled_holdout == answered
    newest = [task for task in label_studio.tasks(project) if not task["is_labeled"]]
    assert [len(task["predictions"]) for task in newest] == [1] * 6
    everything = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert label_studio.token.encode() not in everything
