"""Whoever moves the inbox loses no answer that lies, or is still put, into the one before."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lamplighter.labelers.base import Collected, Cursor
from lamplighter.labelers.files import Files
from lamplighter.testing.labelers import batch
from tests.labelers.inbox import brief
from tests.labelers.memory import MemoryStore, desk_of


def put(store: MemoryStore, key: str, *rows: int) -> None:
    lines = [{"id": row, "label": "dog", "annotator": "ann"} for row in rows]
    store.put(key, "".join(json.dumps(line) + "\n" for line in lines).encode())


def collect(store: MemoryStore, now: Files, *before: Files) -> Collected:
    """Send a batch with each labeler, the newest last, and collect with that one."""
    sent = [each.dispatch(batch(3 + n, [100 + n]), desk_of(store)) for n, each in enumerate((*before, now))]
    return now.collect(sent, Cursor(9), desk_of(store))


def test_answers_in_both_inboxes_are_taken() -> None:
    store = MemoryStore()
    put(store, "new/a.jsonl", 2)
    put(store, "labeling/in/a.jsonl", 1)
    put(store, "older/deep/a.jsonl", 3)
    found = collect(store, Files(inbox="new"), Files(inbox="older/"), Files(), Files(inbox="older"))
    assert sorted(brief(found)) == [(1, "dog"), (2, "dog"), (3, "dog")]
    assert found.problems == []


@pytest.mark.parametrize(("old", "new"), [("in", "in/b"), ("in/b", "in"), ("in/b", "in/b/")])
def test_inboxes_in_each_other_are_read_once(old: str, new: str) -> None:
    store = MemoryStore()
    put(store, "in/b/a.jsonl", 1)
    put(store, "in/c.txt")
    found = collect(store, Files(inbox=new), Files(inbox=old))
    assert brief(found) == [(1, "dog")]
    assert len(found.problems) == (0 if {old, new} == {"in/b", "in/b/"} else 1)


def test_what_goes_out_where_answers_came_in_is_no_answer() -> None:
    store = MemoryStore()
    put(store, "box/out/own.jsonl", 7)
    put(store, "box/a.jsonl", 1)
    found = collect(store, Files(inbox="in", outbox="box/out", format="csv"), Files(inbox="box"))
    assert (brief(found), found.problems) == ([(1, "dog")], [])


def test_the_inbox_before_keeps_its_layout() -> None:
    store = MemoryStore()
    said = {"row_id": "1", "label": ["dog"]}
    store.put("doc/ann.jsonl", json.dumps(said).encode())
    put(store, "in/a.jsonl", 2)
    found = collect(store, Files(inbox="in"), Files(inbox="doc", layout="doccano"))
    assert sorted((a.id, a.annotator) for a in found.annotations) == [(1, "ann"), (2, "ann")]


@pytest.mark.parametrize("params", [{}, {"inbox": "old", "layout": "of a later version"}])
def test_other_tickets_work_too(params: dict[str, Any]) -> None:
    store, labeler = MemoryStore(), Files()
    put(store, "labeling/in/a.jsonl", 1)
    put(store, "old/a.jsonl", 2)
    ticket = labeler.dispatch(batch(3, [100]), desk_of(store))
    ticket = replace(ticket, params={"key": ticket.params["key"], **params})
    found = labeler.collect([ticket], Cursor(9), desk_of(store))
    assert brief(found) == [(1, "dog"), *([(2, "dog")] if params else [])]
