"""What is measured is the same whether or not disputed rows go back for one more annotator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter.quality.record import QualityRecord
from lamplighter.standing import Standing
from tests.quality_rounds.crews import batches, crew, quality_of, rounds

OVERLAP = {"overlap": {"share": 0.6, "annotators": 2}}
RELABEL = {"relabel": {"share": 0.5}}
RANDOM: dict[str, Any] = {"strategy": "random", "batch_size": 80}


def after(folder: Path, quality: dict[str, Any], skill: dict[str, float], number: int = 4) -> Standing:
    folder.mkdir()
    return rounds(crew(folder, quality, skill, **RANDOM), number)


def first_votes(standing: Standing) -> dict[int, dict[str, str]]:
    """Give what each row's first two people said of it, by a loop over the stored answers."""
    said: dict[int, dict[str, str]] = {}
    for row in standing.annotations.to_pylist():
        if row["annotator"] in ("ann", "bob"):
            said.setdefault(row["id"], {})[row["annotator"]] = row["label"]
    return said


def asked_of_two(standing: Standing) -> set[int]:
    sent = [row for batch in batches(standing) for row in batch.rows if row.purpose != "again"]
    return {int(row.id) for row in sent if row.annotators == 2}


@pytest.fixture
def torn() -> dict[str, float]:
    return {"ann": 0.75, "bob": 0.75, "cid": 1.0, "dee": 1.0}


def test_agreement_is_that_of_people_who_were_asked_at_random(tmp_path: Path, torn: dict[str, float]) -> None:
    plain = after(tmp_path / "plain", OVERLAP, torn)
    relabelled = after(tmp_path / "relabelled", OVERLAP | RELABEL, torn)
    assert sum(row.purpose == "again" for batch in batches(relabelled) for row in batch.rows) > 40
    without, found = quality_of(plain).agreement, quality_of(relabelled).agreement
    assert without is not None
    assert found is not None
    assert found.alpha is not None
    assert without.low is not None
    assert without.high is not None
    assert without.low < found.alpha < without.high
    # Of each row that two people were sent at first both votes count: none is dropped for being disputed.
    assert found.rows == len(asked_of_two(relabelled) & first_votes(relabelled).keys())


def shares(record: QualityRecord) -> dict[str, tuple[float, int]]:
    return {p.name: (p.agreement.value, p.agreement.n) for p in record.annotators if p.agreement}


def test_nobody_is_blamed_for_deciding_what_others_dispute(tmp_path: Path, torn: dict[str, float]) -> None:
    people = {"annotators": {"bound": 0.45, "measure": "agreement", "leave_out": True}}
    standing = after(tmp_path / "all", OVERLAP | RELABEL | people, torn)
    found = quality_of(standing)
    third = next(person for person in found.annotators if person.name == "cid")
    assert third.votes > 30
    assert (third.agreement, third.left_out) == (None, False)
    asked = asked_of_two(standing)
    both = [votes for row, votes in first_votes(standing).items() if row in asked]
    same = sum(votes["ann"] == votes["bob"] for votes in both)
    assert shares(found) == {name: (same / len(both), len(both)) for name in ("ann", "bob")}
    assert found.warnings == ()
