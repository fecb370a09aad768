"""The function labeler: what it takes for an answer, what it imports, and what it says went wrong."""

from __future__ import annotations

import pytest

from lamplighter.errors import ConfigError, LabelerError, UntrustedType
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Annotation, Collected, Cursor, Status
from lamplighter.labelers.function import Function
from lamplighter.testing.labelers import batch
from tests.labelers import rules
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.service import label_of

HERE = "tests.labelers.rules"


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests.labelers")
    rules.calls.clear()


def collect(name: str, rows: int = 6, *, store: MemoryStore | None = None, **params: object) -> Collected:
    labeler = LABELERS.build("function", {"path": f"{HERE}:{name}", **params})
    desk = desk_of(store or MemoryStore())
    ticket = labeler.dispatch(batch(3, range(100, 100 + rows)), desk)
    return labeler.collect([ticket], Cursor(4), desk)


def test_answers_are_those_of_the_function() -> None:
    found = collect("agree", 5, batch_rows=2)
    assert [(a.id, a.label) for a in found.annotations] == [(i, label_of(i)) for i in range(100, 105)]
    assert [[row["id"] for row in call] for call in rules.calls] == [[100, 101], [102, 103], [104]]
    assert found.problems == []


def test_an_answer_says_where_it_comes_from() -> None:
    store = MemoryStore()
    (said,) = collect("agree", 1, store=store).annotations
    assert (said.annotator, said.labeler) == (f"{HERE}:agree", "function")
    assert said.source in store.objects
    assert said.source.startswith("labelers/function/campaign-000003-0a1b2c3d/answers-000000-")
    assert said.created_at is not None
    assert said.lead_time_s is not None


def test_every_form_of_an_answer() -> None:
    found = collect("in_any_form")
    assert [(a.label, a.confidence, a.status) for a in found.annotations] == [
        (None, None, Status.ABSTAINED),
        ("dog", None, Status.LABELLED),
        ("cat", 0.5, Status.LABELLED),
        (None, None, Status.ABSTAINED),
        ("eel", None, Status.LABELLED),
        (None, None, Status.ABSTAINED),
    ]
    (problem,) = found.problems
    assert "row 105" in problem.where
    assert "unknown class 'dgo'; did you mean 'dog'?" in problem.what
    assert "abstained" in problem.what


def test_what_is_no_class_is_reported_by_the_round_that_heard_it_alone() -> None:
    labeler, desk = Function(f"{HERE}:in_any_form"), desk_of(MemoryStore())
    ticket = labeler.dispatch(batch(3, range(6)), desk)
    rounds = [labeler.collect([ticket], Cursor(number), desk) for number in (5, 5, 6)]
    assert [len(found.problems) for found in rounds] == [1, 1, 0]
    assert rounds[0].annotations == rounds[2].annotations


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("one_short", "gave 5 answers for 6 rows"),
        ("one_text", "gave str for 6 rows"),
        ("nothing", "raised TypeError"),
        ("a_number", "row 100: the answer is a int; allowed: a class as a string"),
        ("too_sure", "row 100: confidence is 1.5; allowed: a number from 0 to 1"),
        ("sure_in_words", "confidence is '0.5'"),
        ("fails", "tests.labelers.rules:fails raised ZeroDivisionError: no luck"),
    ],
)
def test_what_is_no_answer_is_named(name: str, message: str) -> None:
    with pytest.raises(LabelerError, match="labeler 'function' answered none of the 6 rows") as caught:
        collect(name)
    assert message in str(caught.value)


def test_a_failing_chunk_stays_open_and_the_others_do_not() -> None:
    found = collect("fails_at_105", 10, batch_rows=3)
    assert [a.id for a in found.annotations] == [100, 101, 102, 106, 107, 108, 109]
    (problem,) = found.problems
    assert problem.where == "batch campaign-000003-0a1b2c3d, row 103 to 105 (3 rows)"
    assert "ValueError: 105 is odd" in problem.what


def test_what_is_open_is_asked_again_in_smaller_chunks_if_so_wished() -> None:
    store, desk = MemoryStore(), desk_of(MemoryStore())
    collect("fails_at_105", 10, batch_rows=3, store=store)
    rules.calls.clear()
    found = collect("fails_at_105", 10, batch_rows=1, store=store)
    assert [[row["id"] for row in call] for call in rules.calls] == [[103], [104], [105]]
    assert {a.id for a in found.annotations} == {*range(100, 110)} - {105}
    assert desk.store.list() == []


def test_after_three_failures_in_a_row_the_rest_is_left() -> None:
    with pytest.raises(LabelerError):
        collect("fails", 10, batch_rows=2)
    assert len(rules.calls) == 3


def test_a_row_that_always_fails_holds_no_later_batch_up() -> None:
    labeler, desk = Function(f"{HERE}:fails_at_105", batch_rows=1), desk_of(MemoryStore())
    first = labeler.dispatch(batch(3, [105]), desk)
    second = labeler.dispatch(batch(4, [1, 2]), desk)
    found = labeler.collect([first, second], Cursor(5), desk)
    assert [a.id for a in found.annotations] == [1, 2]
    assert [p.where for p in found.problems] == ["batch campaign-000003-0a1b2c3d, row 105"]
    again = labeler.collect([first, second], Cursor(5), desk)
    assert again == found
    assert sum(row["id"] == 1 for call in rules.calls for row in call) == 1


def test_predictions_are_shown_on_request_alone() -> None:
    collect("agree", 1)
    collect("agree", 1, show_prediction=True)
    hidden, shown = (call[0] for call in rules.calls)
    assert hidden == {"id": 100, "display": {"text": "text of 100", "size": 0.5}}
    assert shown == {**hidden, "predicted": "dog", "proba": [0.5, 0.25, 0.25]}
    said = collect("says_what_it_is_given", 1, show_prediction=True).annotations[0]
    assert (said.label, said.confidence) == ("dog", 0.5)


def test_a_function_may_spoil_its_rows() -> None:
    assert [a.id for a in collect("spoils_its_rows").annotations] == [*range(100, 106)]


@pytest.mark.parametrize(
    "path", ["os:getcwd", "posix.system", "subprocess:run", f"{HERE}:passed_on", f"{HERE}:getcwd"]
)
def test_only_trusted_modules_are_imported(path: str) -> None:
    with pytest.raises(UntrustedType, match=r"not on the allow-list .*LAMPLIGHTER_TRUSTED_MODULES"):
        LABELERS.build("function", {"path": path})


def test_nothing_is_trusted_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMPLIGHTER_TRUSTED_MODULES")
    with pytest.raises(UntrustedType, match=r"module 'tests\.labelers\.rules' is not on the allow-list"):
        Function(f"{HERE}:agree")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "path"),
        ({"path": ""}, "path is ''"),
        ({"path": 3}, "path is 3"),
        ({"path": "agree"}, "allowed: package.module:function"),
        ({"path": f"{HERE}:agre"}, "unknown function 'agre'; did you mean 'agree'"),
        ({"path": f"{HERE}:NOT_A_FUNCTION"}, "unknown function 'NOT_A_FUNCTION'"),
        ({"path": "tests.labelers.absent:f"}, "module 'tests.labelers.absent' cannot be imported"),
        ({"path": f"{HERE}:agree", "batch_rows": 0}, "batch_rows is 0"),
        ({"path": f"{HERE}:agree", "batch_rows": True}, "batch_rows is True"),
        ({"path": f"{HERE}:agree", "show_prediction": "yes"}, "show_prediction is 'yes'"),
        ({"path": f"{HERE}:agree", "name": "x"}, "unknown parameter 'name'"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match="labeler 'function'") as caught:
        LABELERS.build("function", params)
    assert message in str(caught.value)


def test_both_ways_to_write_a_path() -> None:
    with_colon, with_dot = Function(f"{HERE}:agree"), Function(f"{HERE}.agree")
    desk = desk_of(MemoryStore())
    answers: list[list[Annotation]] = []
    for labeler in (with_colon, with_dot):
        ticket = labeler.dispatch(batch(3, [1]), desk)
        answers.append(list(labeler.collect([ticket], Cursor(4), desk).annotations))
    assert answers[0] == answers[1]
    assert len(rules.calls) == 1
    assert with_colon.answers_by_itself
    assert with_colon.answers_per_row == 1
