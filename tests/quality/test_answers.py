"""The votes read from the table are those that the consensus counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from lamplighter import annotations as annotation_table
from lamplighter.errors import UnknownClass
from lamplighter.labelers.base import Annotation
from lamplighter.quality.answers import Answers
from lamplighter.quality.majority import majority
from lamplighter.votes import consensus
from tests.annotations.made import CLASSES, LAW, START, at, rounds, said, table_of
from tests.quality.crowds import answers_of, crowds


def as_read(answers: Answers) -> dict[tuple[object, str], str]:
    """Give (row id, annotator) -> class."""
    ids = answers.ids.to_pylist()
    rows = zip(answers.row, answers.annotator, answers.label, strict=True)
    return {(ids[i], answers.annotators[j]): answers.classes[c] for i, j, c in rows}


def newest(history: list[list[Annotation]]) -> dict[tuple[object, str], str]:
    """Follow the rules word for word."""
    found: dict[tuple[object, str], tuple[tuple[object, ...], str | None]] = {}
    for number, answers in enumerate(history):
        for position, a in enumerate(answers):
            age = (a.created_at is not None, a.created_at or START, number, position)
            who = (a.id, a.annotator)
            if who not in found or age > found[who][0]:
                found[who] = (age, a.label)
    return {who: label for who, (_, label) in found.items() if label}


@LAW
@given(rounds())
def test_the_newest_vote_of_each_annotator_counts(history: list[list[Annotation]]) -> None:
    answers = Answers.read(table_of(history), CLASSES)
    assert as_read(answers) == newest(history)
    assert len(answers) == len(newest(history))
    order = list(zip(answers.row.tolist(), answers.annotator.tolist(), strict=True))
    assert order == sorted(order)
    assert answers.ids.to_pylist() == sorted({row for row, _ in newest(history)})  # type: ignore[type-var]  # ids are of one type
    assert list(answers.annotators) == sorted({who for _, who in newest(history)})


@LAW
@given(rounds(integer_ids=False))
def test_majority_is_the_consensus_of_the_rounds(history: list[list[Annotation]]) -> None:
    table = table_of(history, integer_ids=False)
    found, expected = majority(Answers.read(table, CLASSES), seed=3).labels, consensus(table, CLASSES, seed=3)
    assert found.ids.equals(expected.ids)
    np.testing.assert_array_equal(found.label, expected.label)
    np.testing.assert_array_equal(found.annotators, expected.annotators)
    assert found.label.dtype == found.annotators.dtype == np.dtype(np.int32)


def test_majority_breaks_ties_as_the_consensus_does() -> None:
    table = table_of([[said(row, name, name) for row in range(500) for name in CLASSES]])
    answers = Answers.read(table, CLASSES)
    for seed in (1, 2):
        found = majority(answers, seed=seed).label
        np.testing.assert_array_equal(found, consensus(table, CLASSES, seed=seed).label)
    assert len(set(found.tolist())) == len(CLASSES)


def test_lead_times_stay_with_their_votes() -> None:
    votes = [said(2, "cat", "b", lead_time_s=4.0), said(1, "dog", "b"), said(2, "dog", "a", lead_time_s=1.5)]
    corrected = said(2, "eel", "b", lead_time_s=9.0, created_at=at(1))
    answers = Answers.read(table_of([[*votes, corrected]]), CLASSES)
    assert answers.label.tolist() == [1, 1, 2]
    assert math.isnan(answers.lead_time_s[0])
    assert answers.lead_time_s[1:].tolist() == [1.5, 9.0]


def test_a_vote_for_no_class_is_refused() -> None:
    with pytest.raises(UnknownClass, match="unknown class 'dgo'"):
        Answers.read(table_of([[said(1, "dgo")]]), CLASSES)


def test_counts_and_their_matrix_agree() -> None:
    answers = answers_of({(1, 1): 0, (1, 5): 2, (4, 5): 2})
    assert answers.counts.tolist() == [[1, 0, 1], [0, 0, 1]]
    assert answers.per_row.tolist() == [2, 1]
    assert answers.shared.tolist() == [True, True, False]
    assert answers.votes.toarray().tolist() == [[1, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1]]
    assert answers.weighed(np.array([0.5, 2, 3])).tolist() == [[0.5, 0, 2], [0, 0, 3]]
    assert answers.per_annotator(answers.shared).tolist() == [1, 1]


@LAW
@given(crowds())
def test_without_is_as_if_they_had_never_answered(answers: Answers) -> None:
    dropped = answers.annotators[0]
    expected = {pair: label for pair, label in as_read(answers).items() if pair[1] != dropped}
    left = answers.without([dropped, "nobody"])
    assert as_read(left) == expected
    assert set(left.annotators) == {who for _, who in expected}
    assert set(left.ids.to_pylist()) == {row for row, _ in expected}
    assert left.votes.shape == (len(left.ids), 3 * len(left.annotators))


def test_no_answers_at_all() -> None:
    answers = Answers.read(annotation_table.empty(True), CLASSES)
    assert (len(answers), len(answers.ids), answers.annotators) == (0, 0, ())
    assert answers.counts.shape == (0, 3)
    assert len(majority(answers)) == 0
    assert len(answers.without(["a"])) == 0
