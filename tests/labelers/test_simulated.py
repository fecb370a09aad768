"""The simulated labeler answers as told, from the rows of its file that were asked about."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamplighter.errors import ConfigError, LabelerError, UnknownClass
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Annotation, Batch, Cursor, Status, Ticket
from lamplighter.labelers.simulated import Simulated
from lamplighter.testing.labelers import CLASSES, batch
from tests.labelers.memory import MemoryStore, desk_of

ROWS = 3000


@pytest.fixture
def truth(tmp_path: Path) -> str:
    """A file of true labels: the class of row i is i modulo 3."""
    path = tmp_path / "truth.parquet"
    labels = [CLASSES[i % 3] for i in range(ROWS)]
    pq.write_table(pa.table({"id": range(ROWS), "label": labels}), path, row_group_size=100)
    return str(path)


def answers(
    labeler: Simulated, *batches: Batch, since: int = 1000, integer_ids: bool = True
) -> Sequence[Annotation]:
    desk = desk_of(MemoryStore(), integer_ids=integer_ids)
    tickets = [labeler.dispatch(sent, desk) for sent in batches]
    return labeler.collect(tickets, Cursor(since), desk).annotations


def everything() -> Batch:
    return batch(rows=range(ROWS))


def share(truths: Sequence[bool]) -> float:
    return float(np.mean(truths))


def is_right(said: Annotation) -> bool:
    return said.label == CLASSES[int(said.id) % 3]


def test_plain_answers_are_the_truth(truth: str) -> None:
    found = answers(Simulated(truth), batch(rows=[5, 3, 0]))
    assert [(a.id, a.label, a.annotator) for a in found] == [
        (5, "eel", "annotator-1"),
        (3, "cat", "annotator-1"),
        (0, "cat", "annotator-1"),
    ]


def test_noise_and_abstention_have_their_shares_and_wrong_answers_are_even(truth: str) -> None:
    found = answers(Simulated(truth, noise=0.2, abstain=0.1), everything())
    labelled = [a for a in found if a.status is Status.LABELLED]
    assert share([a.status is Status.ABSTAINED for a in found]) == pytest.approx(0.1, abs=0.025)
    assert share([not is_right(a) for a in labelled]) == pytest.approx(0.2, abs=0.03)
    wrong = Counter((int(a.id) % 3, a.label) for a in labelled if not is_right(a))
    assert len(wrong) == 6
    assert all(n == pytest.approx(wrong.total() / 6, rel=0.4) for n in wrong.values())


def test_annotators_err_independently(truth: str) -> None:
    found = answers(Simulated(truth, noise=0.5, annotators=2), everything())
    first, second = ([is_right(a) for a in found if a.annotator == f"annotator-{n}"] for n in (1, 2))
    assert len(first) == len(second) == ROWS
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.08


def test_certain_noise_is_always_wrong_unless_there_is_one_class(truth: str, tmp_path: Path) -> None:
    assert not any(is_right(a) for a in answers(Simulated(truth, noise=1.0), everything()))
    only = tmp_path / "only.parquet"
    pq.write_table(pa.table({"id": [1], "label": ["cat"]}), only)
    desk = desk_of(MemoryStore())
    alone = type(desk)(desk.store, "campaign", ("cat",))
    labeler = Simulated(str(only), noise=1.0)
    ticket = labeler.dispatch(batch(rows=[1]), alone)
    assert [a.label for a in labeler.collect([ticket], Cursor(9), alone).annotations] == ["cat"]


def test_a_row_is_answered_alike_in_any_batch(truth: str) -> None:
    labeler = Simulated(truth, noise=0.5, abstain=0.2, annotators=2, seed=4)
    whole = {(a.id, a.annotator): (a.label, a.lead_time_s) for a in answers(labeler, everything())}
    part = answers(labeler, batch(5, rows=[17, 4, 99]))
    assert all(whole[a.id, a.annotator] == (a.label, a.lead_time_s) for a in part)
    other = answers(Simulated(truth, noise=0.5, abstain=0.2, annotators=2, seed=5), everything())
    assert {(a.id, a.annotator): (a.label, a.lead_time_s) for a in other} != whole


@pytest.mark.parametrize(("delay", "first"), [(0, 4), (1, 5), (3, 7)])
def test_a_delay_keeps_answers_back(truth: str, delay: int, first: int) -> None:
    labeler, sent = Simulated(truth, delay_rounds=delay), batch(3)
    assert not answers(labeler, sent, since=first - 1)
    assert len(answers(labeler, sent, since=first)) == len(sent.rows)


def test_times_follow_the_ticket(truth: str) -> None:
    sent = everything()
    found = answers(Simulated(truth, lead_time_s=10), sent)
    leads = [a.lead_time_s or 0 for a in found]
    assert min(leads) >= 5
    assert max(leads) <= 15
    assert np.mean(leads) == pytest.approx(10, abs=0.3)
    late = [(a.created_at - sent.created_at).total_seconds() for a in found if a.created_at]
    assert late == pytest.approx(leads)


def test_a_row_without_a_true_label_is_abstained(tmp_path: Path) -> None:
    path = tmp_path / "holes.parquet"
    pq.write_table(pa.table({"id": [1, 2], "label": ["cat", None]}), path)
    found = answers(Simulated(str(path)), batch(rows=[1, 2, 3]))
    assert [(a.id, a.label, a.status) for a in found] == [
        (1, "cat", Status.LABELLED),
        (2, None, Status.ABSTAINED),
        (3, None, Status.ABSTAINED),
    ]


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([1, 2], pa.int32()),
        pa.array([1, 2], pa.uint8()),
        pa.array(["1", "2"], pa.large_string()),
        pa.array(["1", "2"]).dictionary_encode(),
    ],
    ids=str,
)
def test_ids_of_any_width(ids: Any, tmp_path: Path) -> None:
    path, integer = tmp_path / "odd.parquet", pa.types.is_integer(ids.type)
    pq.write_table(pa.table({"key": ids, "class": pa.array(["cat", "dog"]).dictionary_encode()}), path)
    labeler = Simulated(str(path), id_column="key", label_column="class")
    rows: list[int | str] = [2**40, 2, 1] if integer else ["x", "2", "1"]
    assert [a.label for a in answers(labeler, batch(rows=rows), integer_ids=integer)] == [None, "dog", "cat"]


def test_a_folder_of_files_and_numbers_as_classes(tmp_path: Path) -> None:
    for number in range(3):
        pq.write_table(pa.table({"id": [number], "label": [number]}), tmp_path / f"{number}.parquet")
    labeler, desk = Simulated(str(tmp_path)), desk_of(MemoryStore())
    numbers = type(desk)(desk.store, "campaign", ("0", "1", "2"))
    ticket = labeler.dispatch(batch(rows=[2, 0]), numbers)
    assert [a.label for a in labeler.collect([ticket], Cursor(9), numbers).annotations] == ["2", "0"]


def test_a_label_outside_the_classes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"id": [7], "label": ["dgo"]}), path)
    with pytest.raises(UnknownClass, match=r"row 7 .*unknown class 'dgo'; did you mean 'dog'"):
        answers(Simulated(str(path)), batch(rows=[7]))


def test_contradicting_truths_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.parquet"
    pq.write_table(pa.table({"id": [7, 7, 8, 8], "label": ["dog", "dog", "dog", "cat"]}), path)
    assert [a.label for a in answers(Simulated(str(path)), batch(rows=[7]))] == ["dog"]
    with pytest.raises(LabelerError, match="two different true labels for row 8"):
        answers(Simulated(str(path)), batch(rows=[7, 8]))


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    text, wrong = tmp_path / "text.parquet", tmp_path / "wrong.parquet"
    text.write_text("no parquet")
    pq.write_table(pa.table({"id": [1.5], "label": ["cat"]}), wrong)
    for url, labeler in {
        "absent": Simulated(str(tmp_path / "absent.parquet")),
        "text": Simulated(str(text)),
        "'lable'; did you mean 'label'": Simulated(str(wrong), label_column="lable"),
        "column 'id' of .* is double": Simulated(str(wrong)),
    }.items():
        with pytest.raises((ConfigError, LabelerError), match=url):
            answers(labeler, batch(rows=[1]))


def test_a_batch_sent_with_other_rows_is_refused(truth: str) -> None:
    desk, labeler = desk_of(MemoryStore()), Simulated(truth)
    labeler.dispatch(batch(rows=[1]), desk)
    with pytest.raises(LabelerError, match="sent before, with other rows"):
        labeler.dispatch(batch(rows=[2]), desk)


def test_the_note_is_json_with_ids_as_they_are(truth: str) -> None:
    store = MemoryStore()
    Simulated(truth).dispatch(batch(rows=["ü", "b"]), desk_of(store, integer_ids=False))
    ((key, data),) = store.objects.items()
    assert key == "simulated/campaign-000003-0a1b2c3d.json"
    assert json.loads(data) == {"format": 1, "batch": "campaign-000003-0a1b2c3d", "ids": ["ü", "b"]}


def test_a_lost_note_is_an_error(truth: str) -> None:
    sent = batch()
    ticket = Ticket(sent.id, 1, sent.created_at, 1, {"key": "simulated/lost.json"})
    with pytest.raises(FileNotFoundError):
        Simulated(truth).collect([ticket], Cursor(9), desk_of(MemoryStore()))


def test_promises(truth: str) -> None:
    assert Simulated(truth, annotators=3).answers_per_row == 3
    assert Simulated(truth).answers_by_itself


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"labels": "x", "noise": 1.1},
        {"labels": "x", "abstain": -0.1},
        {"labels": "x", "annotators": 0},
        {"labels": "x", "delay_rounds": 0.5},
        {"labels": "x", "lead_time_s": float("inf")},
        {"labels": "x", "noize": 0.1},
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LABELERS.build("simulated", params)
