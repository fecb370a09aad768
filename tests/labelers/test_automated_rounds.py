"""Whole rounds with labelers that answer by themselves, on a small real pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq
import pytest

from lamplighter import annotations as annotation_table
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import LabelerError
from lamplighter.labelers import wire
from lamplighter.rounds import RoundRecord
from lamplighter.steps import run_round
from lamplighter.store import open_store
from lamplighter.testing.faults import Wrapped
from tests.campaigns import write_campaign, write_pool
from tests.labelers import rules
from tests.labelers.service import Act, Seen, Service, completion, prompt_of, say

T = TypeVar("T")
SECRET = "hush-hush-4711"
Truth = dict[int, str]


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Truth:
    """A pool of fruit under tmp_path, and what each of its rows is."""
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
    monkeypatch.setenv("LABELS_TOKEN", SECRET)
    monkeypatch.setattr(wire, "sleep", lambda seconds: None)
    write_pool(tmp_path, rows=300)
    return dict(zip(*pq.read_table(tmp_path / "truth.parquet").to_pydict().values(), strict=True))


@pytest.fixture
def service(truth: Truth) -> Iterator[Service]:
    """A service that knows the truth."""

    def reply(seen: Seen) -> Act:
        if "messages" in seen.body:
            return completion(truth[int(prompt_of(seen).removeprefix("fruit "))])
        answers = [{"id": i, "label": truth[int(i)], "confidence": 0.9} for i in seen.ids]
        return say({"answers": answers})

    with Service(reply) as running:
        yield running


def http(service: Service, **params: Any) -> dict[str, Any]:
    return {"name": "http", "params": {"url": service.url, "batch_rows": 8, **params}}


def capped(service: Service, cap: float) -> dict[str, Any]:
    """Give a model whose replies cost 2 each."""
    params = {"model": "tiny", "base_url": service.url, "prompt": "{{ row.text }}", "instructions": ""}
    prices = {"input_price": 10_000.0, "output_price": 100_000.0, "max_tokens": 10, "max_cost": cap}
    return {"name": "llm", "params": {**params, **prices}}


def driver_of(folder: Path, labeler: dict[str, Any], **changes: Any) -> Driver:
    more = {"evaluation": {"holdout": 40}, "batch_size": 10, **changes}
    return Driver(load(write_campaign(folder, labeler=labeler, **more))).open()


def rounds(driver: Driver, n: int) -> list[RoundRecord]:
    done = [run_round(driver) for _ in range(n)]
    return [d for d in done if isinstance(d, RoundRecord)]


def table_of(driver: Driver, record: RoundRecord) -> Any:
    assert record.collect.annotations is not None
    return annotation_table.from_parquet(driver.ledger.read(record.collect.annotations))


def test_rounds_with_a_function(tmp_path: Path, truth: Truth) -> None:
    rules.calls.clear()
    driver = driver_of(tmp_path, {"name": "function", "params": {"path": "tests.labelers.rules:classify"}})
    records = rounds(driver, 3)
    assert [r.collect.new_annotations for r in records] == [0, 50, 10]
    assert [r.collect.outstanding for r in records] == [0, 0, 0]
    assert records[2].evaluate.metric is not None
    asked = Counter(row["id"] for call in rules.calls for row in call)
    assert set(asked.values()) == {1}
    assert len(asked) == 60
    assert rules.calls[0][0]["display"] == {"text": f"fruit {rules.calls[0][0]['id']}"}


def test_rounds_with_a_service(tmp_path: Path, truth: Truth, service: Service) -> None:
    driver = driver_of(tmp_path, http(service))
    records = rounds(driver, 3)
    assert [r.collect.new_annotations for r in records] == [0, 50, 10]
    table = table_of(driver, records[1])
    assert table.column("label").to_pylist() == [truth[i] for i in table.column("id").to_pylist()]
    assert set(table.column("confidence").to_pylist()) == {0.9}
    assert set(Counter(service.asked).values()) == {1}


def test_rounds_with_a_model(tmp_path: Path, truth: Truth, service: Service) -> None:
    params = {"model": "tiny", "base_url": service.url, "prompt": "{{ row.text }}", "votes": 2}
    driver = driver_of(tmp_path, {"name": "llm", "params": params})
    records = rounds(driver, 3)
    assert [r.collect.new_annotations for r in records] == [0, 50, 10]
    table = table_of(driver, records[2])
    assert table.column("label").to_pylist() == [truth[i] for i in table.column("id").to_pylist()]
    assert set(table.column("annotator").to_pylist()) == {"tiny"}
    assert len(service.seen) == 60 * 2


def test_a_dead_service_stops_the_round_and_not_the_campaign(
    tmp_path: Path, truth: Truth, service: Service
) -> None:
    driver = driver_of(tmp_path, http(service))
    rounds(driver, 1)
    usual, service.usual = service.usual, lambda seen: Act(503)
    with pytest.raises(LabelerError, match="answered none of the 50 rows"):
        run_round(driver)
    service.usual = usual
    (second,) = rounds(driver, 1)
    assert second.collect.new_annotations == 50


def test_a_cap_that_is_used_up_stops_the_round_and_a_higher_one_goes_on(
    tmp_path: Path, truth: Truth, service: Service
) -> None:
    driver = driver_of(tmp_path, capped(service, 60.0))
    first, second = rounds(driver, 2)
    assert 0 < second.collect.new_annotations < 50
    for _ in range(2):
        with pytest.raises(LabelerError, match="rows were not asked about: max_cost 60 leaves no room"):
            run_round(driver)
    assert len(driver.history().records) == 2
    richer = driver_of(tmp_path, capped(service, 5000.0))
    (third,) = rounds(richer, 1)
    assert first.dispatch is not None
    assert second.dispatch is not None
    asked = first.dispatch.rows + second.dispatch.rows
    assert second.collect.new_annotations + third.collect.new_annotations == asked
    assert third.collect.outstanding == 0


def test_answers_under_a_used_up_cap_outlive_a_driver_that_dies(
    tmp_path: Path, truth: Truth, service: Service
) -> None:
    driver = driver_of(tmp_path, capped(service, 60.0))
    rounds(driver, 1)
    fatal = Driver(driver.campaign, store_override=DiesAtAnnotations(open_store(driver.campaign.store)))
    with pytest.raises(KeyboardInterrupt):
        run_round(fatal.open())
    (second,) = rounds(driver, 1)
    assert second.collect.new_annotations == len(service.seen) > 0


def test_what_fails_comes_a_round_later(tmp_path: Path, truth: Truth, service: Service) -> None:
    driver = driver_of(tmp_path, http(service))
    rounds(driver, 1)
    service.acts += [Act(422, b"too long")]
    second, third = rounds(driver, 2)
    assert (second.collect.new_annotations, second.collect.outstanding) == (42, 8)
    assert second.collect.problem_count == 1
    assert "answered 422: 'too long'" in second.collect.problems[0]
    assert (third.collect.new_annotations, third.collect.outstanding) == (18, 0)
    assert third.collect.problem_count == 0


def test_a_labeler_that_was_left_while_its_newest_batch_is_unanswered_keeps_its_answers(
    tmp_path: Path, truth: Truth, service: Service
) -> None:
    driver = driver_of(tmp_path, http(service))
    rounds(driver, 1)
    service.acts += [Act(422, b"too long")]
    (second,) = rounds(driver, 1)
    assert (second.collect.new_annotations, second.collect.outstanding) == (42, 8)
    usual, service.usual = service.usual, lambda seen: Act(422, b"no")
    service.acts += [Act(422, b"no"), Act(422, b"no"), usual]  # the newest batch, then the rest of the first
    with pytest.raises(LabelerError, match="answered none of the 10 rows"):
        run_round(driver)
    rule = {"name": "function", "params": {"path": "tests.labelers.rules:classify"}}
    (third,) = rounds(driver_of(tmp_path, rule), 1)
    assert (third.collect.new_annotations, third.collect.outstanding) == (8, 10)
    assert any("labeler 'http' of earlier rounds" in problem for problem in third.collect.problems)


class DiesAtAnnotations(Wrapped):
    """Dies when the round's annotations are about to be written."""

    def call(self, verb: str, key: str, do: Callable[[], T]) -> T:
        if verb == "create" and key.startswith("annotations/"):
            raise KeyboardInterrupt
        return do()


def test_a_driver_that_dies_before_the_checkpoint_asks_nobody_again(
    tmp_path: Path, truth: Truth, service: Service
) -> None:
    driver = driver_of(tmp_path, http(service))
    rounds(driver, 1)
    fatal = Driver(driver.campaign, store_override=DiesAtAnnotations(open_store(driver.campaign.store)))
    with pytest.raises(KeyboardInterrupt):
        run_round(fatal.open())
    asked = len(service.seen)
    (second,) = rounds(driver, 1)
    assert second.collect.new_annotations == 50
    assert len(service.seen) == asked


def test_no_file_of_a_campaign_holds_a_secret(
    tmp_path: Path, truth: Truth, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The service gets it, and repeats it in errors and for labels."""
    caplog.set_level("DEBUG")
    headers = {"Authorization": "Bearer ${LABELS_TOKEN}"}
    driver = driver_of(tmp_path, http(service, headers=headers))
    rounds(driver, 1)
    echo = {"answers": [{"id": i, "label": SECRET} for i in _ids(driver)[:8]]}
    service.acts += [say(echo), Act(422, SECRET.encode())]
    second, _ = rounds(driver, 2)
    assert {seen.headers["Authorization"] for seen in service.seen} == {f"Bearer {SECRET}"}
    assert second.collect.problem_count == 9
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("labelers/http" in str(path) for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in caplog.text


def _ids(driver: Driver) -> list[int]:
    """Give the ids of the first batch in its order."""
    (record,) = driver.history().records
    assert record.select is not None
    table = pq.read_table(Path(driver.campaign.store) / record.select.batch.key)
    return [int(i) for i in table.column("id").to_pylist()]
