"""How often people confirm machines: every number here is counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.evaluation import wilson
from lamplighter.labelers.base import Annotation, Status
from lamplighter.quality.confirmed import Confirmed, confirmations, confirmed
from lamplighter.tables import as_ids
from tests.annotations.made import CLASSES, at, said, table_of

MACHINES = frozenset({"llm", "http"})


def machine(row: int | str, label: str | None, labeler: str = "llm", **more: Any) -> Annotation:
    return said(row, label, f"{labeler}-model", **{"labeler": labeler, "created_at": at(0), **more})


def suggestion(row: int, label: str, labeler: str = "llm") -> Annotation:
    return machine(row, label, labeler, status=Status.SUGGESTED)


def withdrawn(row: int, labeler: str = "llm") -> Annotation:
    return machine(row, None, labeler, status=Status.WITHDRAWN, created_at=at(1))


def measured(*rounds: Sequence[Annotation]) -> Confirmed:
    return confirmations(table_of(rounds), MACHINES)


def test_the_share_of_taken_labels_that_people_confirmed() -> None:
    found = confirmed(
        table_of(
            [
                [machine(row, "cat") for row in range(10)],
                [said(row, "cat" if row < 6 else "dog") for row in range(8)],  # of 8, 6 are confirmed
            ]
        ),
        MACHINES,
    )
    assert found is not None
    assert (found.n, found.value) == (8, 0.75)
    assert (round(found.low, 4), round(found.high, 4)) == (0.4093, 0.9285)


def test_a_label_that_was_taken_back_for_a_person_s_counts() -> None:
    found = measured(
        [machine(1, "cat"), machine(2, "cat")],
        [said(1, "cat"), withdrawn(1), said(2, "eel"), withdrawn(2)],
    )
    assert found.taken is not None
    assert (found.taken.n, found.taken.value) == (2, 0.5)


def test_each_labeler_has_its_own() -> None:
    found = measured(
        [machine(1, "cat"), machine(2, "cat"), machine(3, "dog", "http"), machine(4, "dog", "http")],
        [said(1, "cat"), said(2, "dog"), said(3, "dog"), said(9, "dog")],
    )
    assert {name: (share.n, share.value) for name, share in found.per_labeler.items()} == {
        "http": (1, 1.0),
        "llm": (2, 0.5),
    }
    assert found.taken is not None
    assert (found.taken.n, found.taken.value) == (3, 2 / 3)


def test_of_taken_labels_those_count_that_were_drawn_for_an_audit() -> None:
    machines = [machine(1, "cat"), machine(2, "cat"), machine(3, "cat"), suggestion(4, "cat")]
    people = [said(1, "cat"), said(2, "dog"), said(3, "dog"), said(4, "cat")]
    found = confirmations(table_of([machines, people]), MACHINES, audited=as_ids([1, 3], integer=True))
    assert found.taken is not None
    assert (found.taken.n, found.taken.value) == (2, 0.5)
    assert {name: share.n for name, share in found.per_labeler.items()} == {"llm": 2}
    assert found.suggested is not None
    assert (found.suggested.n, found.suggested.value) == (1, 1.0)
    nobody = confirmations(table_of([machines, people]), MACHINES, audited=as_ids([], integer=True))
    assert (nobody.taken, nobody.per_labeler, nobody.suggested) == (None, {}, found.suggested)


def test_suggestions_are_counted_apart() -> None:
    found = measured(
        [suggestion(1, "cat"), suggestion(2, "cat"), suggestion(2, "dog", "http"), machine(3, "eel")],
        [said(1, "cat"), said(2, "dog"), said(3, "eel")],
    )
    assert found.taken is not None
    assert found.suggested is not None
    assert (found.taken.n, found.taken.value) == (1, 1.0)
    assert (found.suggested.n, found.suggested.value) == (3, 2 / 3)


def test_people_speak_by_their_majority() -> None:
    people = [said(1, "cat", "a"), said(1, "dog", "b"), said(1, "dog", "c")]
    found = confirmed(table_of([[machine(1, "cat")], people]), MACHINES)
    assert found is not None
    assert (found.n, found.value) == (1, 0.0)


def test_the_newest_of_a_machine_s_labels_counts() -> None:
    again = machine(1, "dog", created_at=at(5))
    found = confirmed(table_of([[again, machine(1, "cat")], [said(1, "dog")]]), MACHINES)
    assert found is not None
    assert (found.n, found.value) == (1, 1.0)


@pytest.mark.parametrize(
    "rounds",
    [
        [],
        [[machine(1, "cat")]],
        [[said(1, "cat")]],
        [[machine(1, "cat")], [said(2, "cat")]],
        [[machine(1, "cat")], [said(1, None)]],
        [[suggestion(1, "cat")], [said(1, "cat")]],
        [[machine(1, None)], [said(1, "cat")]],
    ],
    ids=["nothing", "no people", "no machine", "other rows", "abstained", "suggested", "silent"],
)
def test_without_a_row_that_both_labelled_there_is_nothing_to_say(rounds: list[list[Annotation]]) -> None:
    assert confirmed(table_of(rounds), MACHINES) is None


def test_ids_may_be_texts() -> None:
    table = table_of([[machine("a", "cat")], [said("a", "cat")]], integer_ids=False)
    found = confirmed(table, MACHINES)
    assert found is not None
    assert (found.n, found.value) == (1, 1.0)


_LABEL = st.sampled_from([None, *CLASSES])


@given(st.lists(st.tuples(_LABEL, _LABEL), max_size=12))
def test_it_counts_what_a_loop_counts(pairs: list[tuple[str | None, str | None]]) -> None:
    rows = [(row, *pair) for row, pair in enumerate(pairs)]
    table = table_of([[machine(row, label) for row, label, _ in rows], [said(row, p) for row, _, p in rows]])
    both = [(label, person) for _, label, person in rows if label and person]
    right = sum(label == person for label, person in both)
    found = confirmed(table, MACHINES)
    assert (found is None) == (not both)
    if found is not None:
        assert (found.n, found.value, found.low, found.high) == (
            len(both),
            right / len(both),
            *wilson(right, len(both)),
        )
