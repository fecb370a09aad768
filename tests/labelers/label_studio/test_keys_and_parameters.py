"""Without a server: how rows are named, which tasks are twins, which tokens are which, what is configured."""

from __future__ import annotations

import base64
import json
import string
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError, LabelerError
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import BatchRow, Cursor
from lamplighter.labelers.label_studio import LabelStudio, tasks
from lamplighter.labelers.label_studio.access import is_personal
from lamplighter.labelers.label_studio.guesses import guess_of
from lamplighter.labelers.label_studio.label_config import Control
from lamplighter.labelers.label_studio.tasks import data_of, id_of, key_of, without_twins
from lamplighter.labelers.label_studio.templates import ROW
from lamplighter.testing.labelers import batch
from tests.labelers.memory import MemoryStore, desk_of

CONTROL = Control("label", "row", frozenset({"text"}))
ENOUGH: dict[str, Any] = {"url": "https://labels.example.org", "token": "0123456789abcdef", "create": True}
IDS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.text())


@given(IDS)
def test_an_id_comes_back_as_it_was(row_id: int | str) -> None:
    back = id_of(json.loads(json.dumps(key_of(row_id))))
    assert (type(back), back) == (type(row_id), row_id)


@given(IDS, IDS)
def test_two_ids_have_two_keys(one: int | str, other: int | str) -> None:
    assert (key_of(one) == key_of(other)) == ((type(one), one) == (type(other), other))


@pytest.mark.parametrize(
    "key", [None, 7, "", "7", "int:", "int:07", "int: 7", "int:+7", "int:x", "str", "x:7"]
)
def test_a_key_that_is_none_of_ours_names_no_row(key: object) -> None:
    assert id_of(key) is None


@given(st.lists(st.text(string.printable + "ü日\U0001f600", max_size=400), max_size=60))
def test_a_look_up_fits_into_an_address(keys: list[str]) -> None:
    windows = list(tasks._windows(keys))
    assert [key for window in windows for key in window] == keys
    for window in windows:
        assert window
        assert len(window) == 1 or len(quote(json.dumps(window, ensure_ascii=False))) < 3000


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["one", "two"]), st.booleans()), max_size=12))
def test_of_twins_nothing_answered_is_removed_and_no_row_lost(made: list[tuple[int, str, bool]]) -> None:
    found = [
        {
            "id": number,
            "data": {tasks.KEY: key_of(row), tasks.BATCH: name},
            "total_annotations": int(answered),
            "cancelled_annotations": 0,
        }
        for number, (row, name, answered) in enumerate(made)
    ]
    stay, surplus = without_twins(found[::-1])
    left = [made[task["id"]] for task in stay]
    assert sorted([*surplus, *(task["id"] for task in stay)]) == list(range(len(made)))
    assert not any(made[number][2] for number in surplus)
    assert {said[:2] for said in left} == {said[:2] for said in made}
    for place in {said[:2] for said in left}:
        unanswered = [said for said in left if said[:2] == place and not said[2]]
        assert len(unanswered) == (0 if any(said[:2] == place and said[2] for said in made) else 1)


def test_a_task_holds_what_can_be_shown_and_no_purpose() -> None:
    shown: dict[str, Any] = {"text": None, "on": True, "n": 2**60, "x": float("nan"), "list": ["a", None]}
    row = BatchRow(7, "holdout", 3, score=0.9, display=shown | {"other": 1})
    data = data_of(row, CONTROL, {tasks.BATCH: "b"}, tuple(shown))
    said = {"text": "", "on": "true", "n": 2**60, "x": "", "list": ["a", None]}
    assert data == said | {tasks.BATCH: "b", tasks.KEY: "int:7"}
    table = data_of(row, Control("label", "row", frozenset({ROW})), {}, ("text", "on"))
    assert table[ROW] == {"text": None, "on": True}


def test_a_guess_has_the_probability_as_its_score() -> None:
    row = BatchRow(7, "batch", 1, score=123.0, predicted="dog", proba=(0.25, 0.7500001))
    guess = guess_of(row, CONTROL)
    assert guess is not None
    assert guess["score"] == 0.75
    assert guess["result"][0]["value"] == {"choices": ["dog"]}
    assert guess_of(BatchRow(7, "seed", 1), CONTROL) is None


def personal(claims: object) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)
    ]
    return ".".join([*parts, "c2lnbmF0dXJl"])


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (personal({"token_type": "refresh"}), True),
        (personal({"a": "bcdefgh"}), True),
        (personal(3), False),
        ("0123456789abcdef0123456789abcdef01234567", False),
        ("a.b.c", False),
        ("a.b", False),
        ("ü.ü.ü", False),
    ],
)
def test_personal_tokens_are_told_from_legacy_ones(token: str, expected: bool) -> None:
    assert is_personal(token) is expected


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"url": "labels.example.org"}, "url is no address"),
        ({"url": "https://ann:pw@labels.example.org"}, "holds a user or a password"),
        ({"token": ""}, "token is no token"),
        ({"token": "a b"}, "token is no token"),
        ({"token": 4711}, "token is no token"),
        ({"create": False}, "give either project, a project's number, or create: true"),
        ({"project": 3}, "give either project"),
        ({"project": "3", "create": False}, "project is '3'"),
        ({"project": 3, "create": False, "template": "text"}, "are for create: true; project 3 has its own"),
        ({"template": " "}, "template is ' '"),
        ({"title": "ab"}, "title has 2 characters; allowed: 3 to 50"),
        ({"instruction": 3}, "instruction is 3"),
        ({"columns": "text"}, "columns is 'text'"),
        ({"columns": [1]}, r"columns is \[1\]"),
        ({"annotators_per_row": 0}, "annotators_per_row is 0"),
        ({"chunk_rows": 0}, "chunk_rows is 0"),
        ({"show_prediction": "yes"}, "show_prediction is 'yes'"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"attempts": 0}, "attempts is 0"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        LABELERS.build("label_studio", {**ENOUGH, **params})
    assert "4711" not in str(refused.value)


def test_the_token_is_in_no_text() -> None:
    labeler = LABELERS.build("label_studio", ENOUGH)
    assert ENOUGH["token"] not in repr(labeler)


@pytest.mark.parametrize("column", ["lamplighter_id", "lamplighter_row"])
def test_columns_of_our_names_are_refused_before_anything_is_sent(column: str) -> None:
    nowhere = LabelStudio(url="http://127.0.0.1:1", token="x", create=True, attempts=1)
    (row, *_) = batch().rows
    clash = BatchRow(row.id, row.purpose, row.rank, display={column: "a"})
    sent = batch(rows=(100,))
    with pytest.raises(LabelerError, match=f"pool.display has '{column}', a name of ours"):
        nowhere.dispatch(
            type(sent)(sent.id, 3, sent.created_at, sent.classes, (clash,)), desk_of(MemoryStore())
        )


def test_an_empty_batch_is_sent_nowhere() -> None:
    nowhere = LabelStudio(url="http://127.0.0.1:1", token="x", create=True, attempts=1)
    sent = batch(rows=())
    ticket = nowhere.dispatch(sent, desk_of(MemoryStore()))
    assert (ticket.rows, nowhere.collect([ticket], Cursor(9), desk_of(MemoryStore())).annotations) == (0, [])
