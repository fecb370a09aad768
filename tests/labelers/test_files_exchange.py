"""The files labeler with the files of doccano and Potato."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lamplighter.errors import ConfigError
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Annotation, Collected, Cursor, Desk, Status
from lamplighter.labelers.files import Files
from lamplighter.testing.labelers import CLASSES, batch
from tests.labelers.exchanged import (
    POTATO_REST,
    Said,
    doccano_export,
    jsonl,
    potato_copy,
    potato_first,
    potato_state,
)
from tests.labelers.memory import MemoryStore, desk_of

SAID: Said = {100: "cat", 101: "dog", 102: None, 103: "eel"}
TEXTS: Said = {"row/1, 'ü'": "cat", "007": "dog"}


def collected(layout: str, files: Mapping[str, bytes], *, integer_ids: bool = True) -> Collected:
    store = MemoryStore()
    for name, data in files.items():
        store.put(f"labeling/in/{name}", data)
    return Files(layout=layout).collect([], Cursor(5), desk_of(store, integer_ids=integer_ids))


def brief(found: Collected) -> list[tuple[Any, str | None, str]]:
    assert found.problems == []
    return [(said.id, said.label, said.annotator) for said in found.annotations]


def answers(said: Said, annotator: str) -> list[tuple[Any, str, str]]:
    return [(row, label, annotator) for row, label in said.items() if label]


def sent(layout: str, *, show_prediction: bool = False, **display: Any) -> list[dict[str, Any]]:
    store = MemoryStore()
    labeler = Files(layout=layout, show_prediction=show_prediction)
    ticket = labeler.dispatch(batch(), Desk(store, "campaign", CLASSES))
    return [json.loads(line) for line in store.get(ticket.params["key"]).splitlines()]


# Sent


def test_a_batch_for_doccano() -> None:
    first = sent("doccano")[0]
    assert first == {
        "row_id": "100",
        "text": "text of 100",
        "size": 0.5,
        "label": [],
        "batch": "campaign-000003-0a1b2c3d",
    }


def test_a_batch_for_potato() -> None:
    first = sent("potato")[0]
    assert first == {"id": "100", "text": "text of 100", "size": 0.5, "batch": "campaign-000003-0a1b2c3d"}


@pytest.mark.parametrize("layout", ["doccano", "potato"])
def test_a_guess_is_shown_and_is_no_label(layout: str) -> None:
    first = sent(layout, show_prediction=True)[0]
    assert (first["predicted"], first["confidence"], first.get("label", [])) == ("dog", 0.5, [])


@pytest.mark.parametrize("layout", ["doccano", "potato"])
def test_no_row_says_what_it_is_wanted_for(layout: str) -> None:
    lines = sent(layout)
    assert len({frozenset(line) for line in lines}) == 1
    assert not {"purpose", "rank", "score", "predicted"} & set(lines[0])


# Answers of doccano


def test_the_files_of_members() -> None:
    files = {"export/ann.jsonl": doccano_export(SAID), "export/bob.jsonl": doccano_export({100: "dog"})}
    assert brief(collected("doccano", files)) == [*answers(SAID, "ann"), (100, "dog", "bob")]


def test_a_file_of_all() -> None:
    assert brief(collected("doccano", {"all.jsonl": doccano_export(SAID)})) == answers(SAID, "anonymous")


def test_ids_of_doccano_s_own_mean_nothing() -> None:
    found = collected("doccano", {"a.jsonl": doccano_export(TEXTS, first_id=100)}, integer_ids=False)
    assert brief(found) == answers(TEXTS, "a")


def test_a_skip_class() -> None:
    (said,) = collected("doccano", {"a.jsonl": doccano_export({100: "__skip__"})}).annotations
    assert (said.status, said.label) == (Status.ABSTAINED, None)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ({"id": 1, "text": "a", "label": ["cat"]}, "no 'row_id'"),
        ({"row_id": "100", "label": "cat"}, "label is a str; a list"),
        ({"row_id": "100"}, "label is a NoneType"),
        ({"row_id": "100", "label": ["cat", "dog"]}, "2 labels for one row, 'cat', 'dog'"),
        ({"row_id": "100", "label": ["fox"]}, "unknown class 'fox'"),
        ({"row_id": "100", "label": [["cat"]]}, "label is a list"),
        ({"row_id": "100.0", "label": ["cat"]}, "'100.0' is not a whole number"),
        ({"row_id": None, "label": ["cat"]}, "the id is empty"),
    ],
)
def test_bad_lines_of_doccano(line: dict[str, Any], what: str) -> None:
    data = jsonl([line]) + doccano_export({101: "dog"})
    found = collected("doccano", {"ann.jsonl": data})
    assert [said.id for said in found.annotations] == [101]
    (problem,) = found.problems
    assert problem.where == "labeling/in/ann.jsonl:1"
    assert what in problem.what


def test_a_zip_and_what_is_no_text() -> None:
    found = collected("doccano", {"export.zip": b"PK\x03\x04", "b.jsonl": b"\xff\n", "c.jsonl": b"{\n"})
    assert [problem.what.split(";")[0][:30] for problem in found.problems] == [
        "the file is not UTF-8",
        "not a whole line of JSON: Expe",
        "doccano's answers are read fro",
    ]


# Answers of Potato


def test_what_users_have_answered() -> None:
    files = {
        "ann/user_state.json": potato_state("ann", SAID),
        "b/user_state.json": potato_state("b", {100: "eel"}),
    }
    expected = [*answers(SAID, "ann"), (100, "eel", "b")]
    assert brief(collected("potato", {**files, **POTATO_REST})) == expected


def test_a_copy_that_lags_behind_is_left_alone() -> None:
    copy = {"exports/jsonl/annotations.jsonl": potato_copy("ann", {100: "dog"})}
    state = {"ann/user_state.json": potato_state("ann", SAID)}
    assert brief(collected("potato", {**copy, **state})) == answers(SAID, "ann")
    assert brief(collected("potato", copy)) == [(100, "dog", "ann")]


def test_files_of_the_first_version() -> None:
    files = {"ann/annotated_instances.jsonl": potato_first("ann", SAID)}
    assert brief(collected("potato", files)) == answers(SAID, "ann")


def test_ids_that_are_texts() -> None:
    files = {"ann/user_state.json": potato_state("ann", TEXTS)}
    assert brief(collected("potato", files, integer_ids=False)) == answers(TEXTS, "ann")


def test_the_only_scheme_counts_whatever_its_name() -> None:
    files = {"ann/user_state.json": potato_state("ann", {100: "cat"}, scheme="fruit")}
    assert brief(collected("potato", files)) == [(100, "cat", "ann")]


def state_of(pairs: object) -> bytes:
    return json.dumps({"user_id": "ann", "instance_id_to_label_to_value": {"100": pairs}}).encode()


def pair(scheme: str, name: str, value: object) -> list[object]:
    return [{"schema": scheme, "name": name}, value]


def test_the_scheme_called_label_counts_among_others() -> None:
    data = state_of([pair("sure", "very", "very"), pair("label", "cat", "cat")])
    assert brief(collected("potato", {"ann/user_state.json": data})) == [(100, "cat", "ann")]


@pytest.mark.parametrize(
    ("pairs", "what"),
    [
        (
            [pair("a", "cat", "cat"), pair("b", "dog", "dog")],
            "schemes a, b; call the one that counts",
        ),
        ([pair("label", "cat", "cat"), pair("label", "dog", "dog")], "2 labels for one row"),
        ([pair("label", "fox", "fox")], "unknown class 'fox'"),
        ([["cat", "cat"]], "no pair of a label and its value"),
        ("cat", "no pair of a label and its value"),
    ],
)
def test_bad_answers_of_potato(pairs: object, what: str) -> None:
    files = {"a/user_state.json": state_of(pairs), "b/user_state.json": potato_state("bob", {101: "dog"})}
    found = collected("potato", files)
    assert [said.id for said in found.annotations] == [101]
    (problem,) = found.problems
    assert problem.where == "labeling/in/a/user_state.json:100"
    assert what in problem.what


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"[]", "a list where a JSON object is needed"),
        (b'{"user_id": "ann"', "not a whole line of JSON"),
        (b'{"user_id": "ann"}', "no 'user_id' or no 'instance_id_to_label_to_value'"),
        (b"\xff", "the file is not UTF-8"),
    ],
)
def test_a_state_that_is_none(data: bytes, what: str) -> None:
    (problem,) = collected("potato", {"a/user_state.json": data}).problems
    assert what in problem.what


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ({"user_id": "ann", "labels": {}}, "no 'instance_id'"),
        ({"instance_id": "100", "user_id": "ann"}, "no 'instance_id', 'user_id' or labels"),
        ({"instance_id": "100", "user_id": "ann", "labels": {"label": "cat"}}, "labels are a str"),
        (
            {"instance_id": "x", "user_id": "ann", "labels": {"label": {"cat": "cat"}}},
            "id 'x' is not a whole",
        ),
    ],
)
def test_bad_lines_of_a_copy(line: dict[str, Any], what: str) -> None:
    (problem,) = collected("potato", {"annotations.jsonl": jsonl([line])}).problems
    assert problem.where == "labeling/in/annotations.jsonl:1"
    assert what in problem.what


# Parameters


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"layout": "docano"}, "unknown layout 'docano'; did you mean 'doccano'"),
        ({"layout": "potato", "format": "csv"}, "unknown format of layout 'potato' 'csv'; known: jsonl"),
        ({"format": "xml"}, "unknown format of layout 'plain' 'xml'"),
    ],
)
def test_layouts_that_are_none(params: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        LABELERS.build("files", params)
    assert said in str(error.value)


def test_an_annotation_says_where_it_stands() -> None:
    (said,) = collected("doccano", {"ann.jsonl": doccano_export({100: "cat"})}).annotations
    assert said == Annotation(100, "cat", "ann", "files", source="labeling/in/ann.jsonl:1")
