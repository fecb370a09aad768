"""The consensus against a slow oracle that follows the rules word for word, and by hand."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import annotations as annotation_table
from lamplighter import rng, tables
from lamplighter.errors import UnknownClass
from lamplighter.labelers.base import Annotation, Status
from lamplighter.votes import Labels, consensus
from tests.annotations.made import CLASSES, LAW, START, at, rounds, said, table_of


def labels_of(labels: Labels) -> dict[object, tuple[str, int]]:
    """Give id -> (class, annotators)."""
    names = [CLASSES[c] for c in labels.label]
    return dict(zip(labels.ids.to_pylist(), zip(names, labels.annotators.tolist(), strict=True), strict=True))


def oracle(history: list[list[Annotation]], seed: int, *, integer_ids: bool) -> dict[object, tuple[str, int]]:
    newest: dict[tuple[object, str], tuple[tuple[object, ...], Annotation]] = {}
    for number, answers in enumerate(history, 1):
        for position, a in enumerate(answers):
            age = (a.created_at is not None, a.created_at or START, number, position)
            who = (a.id, a.annotator)
            if who not in newest or age > newest[who][0]:
                newest[who] = (age, a)
    votes: dict[object, Counter[str]] = defaultdict(Counter)
    for _, a in newest.values():
        if a.status is Status.LABELLED and a.label:
            votes[a.id][a.label] += 1
    return {row: (winner(row, count, seed, integer_ids), count.total()) for row, count in votes.items()}


def winner(row: object, votes: Counter[str], seed: int, integer_ids: bool) -> str:
    tied = [name for name in CLASSES if votes[name] == max(votes.values())]
    draw = rng.row_hash(tables.as_ids([row], integer_ids), rng.key(seed, 0, "consensus"))[0]
    return tied[int(draw) % len(tied)]


@LAW
@given(rounds(), st.integers(0, 3))
def test_equals_the_oracle(history: list[list[Annotation]], seed: int) -> None:
    found = consensus(table_of(history), CLASSES, seed=seed)
    assert labels_of(found) == oracle(history, seed, integer_ids=True)
    assert found.ids.to_pylist() == sorted(found.ids.to_pylist())


@LAW
@given(rounds(integer_ids=False))
def test_equals_the_oracle_for_string_ids(history: list[list[Annotation]]) -> None:
    found = consensus(table_of(history, integer_ids=False), CLASSES)
    assert labels_of(found) == oracle(history, 0, integer_ids=False)
    assert found.ids.type == pa.large_string()


@LAW
@given(rounds(), st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(history: list[list[Annotation]], random: object) -> None:
    files = [
        annotation_table.from_parquet(annotation_table.to_parquet(answers, number, True))
        for number, answers in enumerate(history, 1)
    ]
    expected = labels_of(consensus(table_of(history), CLASSES))
    random.shuffle(files)  # type: ignore[attr-defined]  # hypothesis does not export its Random's type
    shuffled = pa.concat_tables([annotation_table.empty(True), *files])
    assert labels_of(consensus(shuffled, CLASSES)) == expected


def agreed(*answers: Annotation) -> dict[object, tuple[str, int]]:
    return labels_of(consensus(table_of([answers]), CLASSES))


def test_the_newest_answer_of_an_annotator_wins() -> None:
    assert agreed(said(1, "cat", created_at=at(2)), said(1, "dog", created_at=at(1))) == {1: ("cat", 1)}
    assert agreed(said(1, "cat"), said(1, "dog")) == {1: ("dog", 1)}
    assert agreed(said(1, "cat", created_at=at(1)), said(1, "dog", created_at=at(1))) == {1: ("dog", 1)}


def test_an_answer_without_a_time_is_older_than_any_with_one() -> None:
    history = [[said(1, "cat", created_at=at(0))], [said(1, "dog")]]
    assert labels_of(consensus(table_of(history), CLASSES)) == {1: ("cat", 1)}


def test_without_times_the_later_round_wins() -> None:
    assert labels_of(consensus(table_of([[said(1, "cat")], [said(1, "dog")]]), CLASSES)) == {1: ("dog", 1)}


def test_the_majority_wins() -> None:
    votes = [said(7, "dog", "a"), said(7, "cat", "b"), said(7, "dog", "c")]
    assert agreed(*votes) == {7: ("dog", 3)}


@pytest.mark.parametrize("status", [Status.ABSTAINED, Status.WITHDRAWN])
def test_an_abstained_or_withdrawn_newest_answer_takes_the_vote_away(status: Status) -> None:
    back = said(1, None, "a", status=status, created_at=at(2))
    assert agreed(said(1, "cat", "a", created_at=at(1)), back) == {}
    assert agreed(said(1, "cat", "a", created_at=at(1)), back, said(1, "dog", "b")) == {1: ("dog", 1)}
    assert agreed(back, said(1, "cat", "a", created_at=at(3))) == {1: ("cat", 1)}


def test_ties_favour_no_class_and_follow_the_seed() -> None:
    votes = [said(row, name, name) for row in range(6000) for name in CLASSES]
    table = table_of([votes])
    first, again, other = (consensus(table, CLASSES, seed=seed).label for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.4
    assert np.all(np.abs(np.bincount(first) - 2000) < 200)


def test_nothing_answered() -> None:
    labels = consensus(annotation_table.empty(True), CLASSES)
    assert len(labels) == 0
    assert labels.label.dtype == labels.annotators.dtype == np.dtype(np.int32)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(UnknownClass, match="unknown class 'dgo'; did you mean 'dog'"):
        agreed(said(1, "dgo"))
