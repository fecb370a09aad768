"""A route whose machines or people are out of order, or whose plan changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lamplighter.errors import LabelerError
from lamplighter.labelers import files
from lamplighter.labelers.base import Batch, Cursor, Desk, Status, Ticket
from tests.labelers import rules
from tests.labelers.routes import (
    FILES,
    HOLDOUT,
    SILENT,
    SURE,
    UNSURE,
    Campaign,
    asked_of_machines,
    by_status,
    function,
    route,
    sent_to_people,
)
from tests.labelers.service import Act, Service, chat, label_all

pytestmark = pytest.mark.usefixtures("trusted")


def http(service: Service) -> dict[str, Any]:
    params = {"url": service.url, "batch_rows": 8, "attempts": 1}
    return {"name": "http", "params": params}


def test_rows_that_a_broken_machine_leaves_open_go_to_people() -> None:
    with Service(label_all) as service:
        service.usual = lambda seen: Act(503)
        at = Campaign(route(http(service), FILES, confidence=None))
        first = at.collect(4)
        assert "answered none of the 16 rows" in first.problems[0].what
        assert first.problems[0].where == "labeler 'http'"
        assert set(sent_to_people(at.store)) == HOLDOUT
        at.collect(5)
        assert sorted(sent_to_people(at.store)) == list(range(100, 120))
        service.usual, seen = label_all, len(service.seen)
        assert at.collect(6).annotations == []
        assert len(service.seen) == seen, "rows that people have are not asked about any more"


@pytest.mark.parametrize(("tries", "said"), [(1, "in this round"), (3, "in 3 rounds")])
def test_what_becomes_of_rows_without_an_answer_is_told_as_it_is(tries: int, said: str) -> None:
    with Service(label_all) as service:
        service.usual = lambda seen: Act(503)
        at = Campaign(route(http(service), FILES, confidence=None, tries=tries))
        told = [problem.what for problem in at.collect(4).problems]
    assert len(told) == 1
    assert told[0].endswith(f"rows that it does not answer {said} move on to the next labeler")
    assert "nothing is lost" not in told[0]
    assert (len(sent_to_people(at.store)) == 20) == (tries == 1)


def test_what_is_heard_of_earlier_batches_counts_though_the_newest_has_no_answer() -> None:
    with Service(label_all) as service:
        service.usual = lambda seen: Act(422, b"too new") if 2001 in seen.ids else label_all(seen)
        machine = {"name": "http", "params": {"url": service.url, "attempts": 1}}
        at = Campaign(route(machine, FILES, confidence=None, tries=1, holdout_to_people=False))
        earlier = at.dispatch()
        rows = tuple(replace(row, id=2000 + row.rank) for row in at.batch.rows)
        later = at.labeler.dispatch(replace(at.batch, id="later", round=4, rows=rows), at.desk())
        found = at.labeler.collect([earlier, later], Cursor(5), at.desk())
    assert set(by_status(found, Status.LABELLED)) == {row.id for row in at.batch.rows}
    assert set(sent_to_people(at.store)) == {row.id for row in rows}
    assert "answered none of the 20 rows of batch 'later" in found.problems[0].what


def test_a_machine_that_recovers_is_asked_about_what_is_open() -> None:
    with Service(label_all) as service:
        service.acts += [Act(422, b"too long")]
        at = Campaign(route(http(service), FILES, confidence=None))
        assert len(by_status(at.collect(4), Status.LABELLED)) == 8
        assert len(by_status(at.collect(5), Status.LABELLED)) == 16
        assert set(sent_to_people(at.store)) == HOLDOUT
        assert sorted(service.asked) == sorted([*range(104, 112), *range(104, 120)])


def test_a_machine_is_not_asked_again_about_what_the_other_one_waits_for() -> None:
    with Service(label_all) as service:
        service.usual = lambda seen: Act(503)
        at = Campaign(route(function(), http(service), FILES, confidence=None, agreement=True))
        at.collect(4)
        assert sent_to_people(at.store) == sorted(HOLDOUT)
        calls = len(rules.calls)
        at.collect(5)
        assert len(rules.calls) == calls
        assert sorted(sent_to_people(at.store)) == list(range(100, 120))


def test_the_cap_of_a_model_counts_what_settled_batches_cost() -> None:
    with Service(chat) as service:
        prices = {"input_price": 10_000.0, "output_price": 100_000.0, "max_tokens": 10}  # 2 for a reply
        asked = {"model": "tiny", "base_url": service.url, "prompt": "{{ id }}", "instructions": ""}
        capped = {"name": "llm", "params": {**asked, **prices, "structured": False, "max_cost": 37.0}}
        at = Campaign(route(capped, FILES, confidence=None))
        earlier = at.dispatch()
        at.labeler.collect([earlier], Cursor(4), at.desk())
        assert len(service.seen) == 16
        rows = tuple(replace(row, id=2000 + row.rank) for row in at.batch.rows)
        later = at.labeler.dispatch(replace(at.batch, id="later", round=4, rows=rows), at.desk())
        found = at.labeler.collect([earlier, later], Cursor(5), at.desk())
        assert len(service.seen) <= 18, "37 are not enough for 19 replies"
        assert "max_cost" in found.problems[0].what


def test_what_people_cannot_be_sent_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    at = Campaign(route())
    at.dispatch()

    def refuse(self: files.Files, batch: Batch, desk: Desk) -> Ticket:
        raise LabelerError("nobody is there")

    with monkeypatch.context() as patch:
        patch.setattr(files.Files, "dispatch", refuse)
        found = at.collect(4)
        assert len(found.problems) == 1
        assert "could not be sent to 'files': nobody is there" in found.problems[0].what
        assert set(by_status(found, Status.LABELLED)) == SURE
    assert at.collect(5).problems == []
    assert sorted(sent_to_people(at.store)) == sorted(HOLDOUT | UNSURE | SILENT)


def test_rows_of_an_earlier_plan_go_to_people() -> None:
    with Service(label_all) as service:
        service.usual = lambda seen: Act(503)
        at = Campaign(route(http(service), FILES))
        at.collect(4)
        at.labeler = route(tries=5)
        assert at.collect(5).problems == []
        assert sorted(sent_to_people(at.store)) == list(range(100, 120))


def test_another_last_labeler_is_told_of() -> None:
    at = Campaign(route())
    at.collect(4)
    at.labeler = route(function(), {"name": "simulated", "params": {"labels": "nowhere.parquet"}})
    found = at.collect(5)
    assert len(found.problems) == 2
    assert "people got it through 'files'" in found.problems[0].what
    assert set(by_status(found, Status.LABELLED)) == SURE


def test_a_batch_with_other_rows_is_refused() -> None:
    at = Campaign(route())
    at.dispatch()
    at.batch = replace(at.batch, rows=at.batch.rows[1:])
    with pytest.raises(LabelerError, match="was sent before, with other rows"):
        at.dispatch()


def test_a_batch_whose_decisions_were_deleted_holds_nothing_up() -> None:
    at = Campaign(route())
    earlier = at.dispatch()
    for key in [key for key in at.store.objects if key.startswith("labelers/route/")]:
        del at.store.objects[key]
    rows = tuple(replace(row, id=2000 + row.rank) for row in at.batch.rows)
    later = at.labeler.dispatch(replace(at.batch, id="later", round=4, rows=rows), at.desk())
    found = at.labeler.collect([earlier, later], Cursor(5), at.desk())
    assert [problem.where for problem in found.problems] == [f"batch {at.batch.id}"]
    assert "put it back" in found.problems[0].what
    assert by_status(found, Status.LABELLED)
    assert at.labeler.finished(earlier, at.desk()) is None
    assert at.labeler.refresh(at.batch.rows, [earlier], at.desk()) == 0


def test_an_entry_of_another_version_is_refused() -> None:
    at = Campaign(route())
    at.dispatch()
    key = next(key for key in at.store.objects if "/entry-0000" in key)
    at.store.objects[key] = at.store.objects[key].replace(b'"format":1', b'"format":2')
    with pytest.raises(LabelerError, match="is none of this version: format"):
        at.collect(4)


def test_machines_are_asked_in_the_order_of_the_route_whatever_failed() -> None:
    """The first is out of order in one round: the second is not asked before the first was given up."""
    with Service(label_all) as service:
        service.usual = lambda seen: Act(503)
        at = Campaign(route(http(service), function(), FILES, confidence=None))
        at.collect(4)
        assert asked_of_machines(at.store, 2) == []
        found = at.collect(5)
        assert sorted(asked_of_machines(at.store, 2)) == list(range(104, 120))
        assert {said.labeler for said in found.annotations} == {"function"}


def test_rows_that_were_given_up_are_not_asked_about_when_later_ones_are() -> None:
    with Service(label_all) as service:
        service.usual = lambda seen: Act(503)
        at = Campaign(route(http(service), FILES, confidence=None, tries=1))
        earlier = at.dispatch()
        at.labeler.collect([earlier], Cursor(4), at.desk())
        assert sorted(sent_to_people(at.store)) == list(range(100, 120))
        service.usual, before = label_all, len(service.seen)
        rows = tuple(replace(row, id=2000 + row.rank) for row in at.batch.rows)
        later = at.labeler.dispatch(replace(at.batch, id="later", round=4, rows=rows), at.desk())
        at.labeler.collect([earlier, later], Cursor(5), at.desk())
        asked = [row for seen in service.seen[before:] for row in seen.ids]
        assert sorted(map(int, asked)) == list(range(2005, 2021))
