"""The rule per row: which automated answers are taken, and which of them people look at all the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lamplighter import rng
from lamplighter.labelers.base import Annotation, Batch, BatchRow, Desk, Status
from lamplighter.labelers.parameters import between, switch, whole
from lamplighter.tables import as_ids


@dataclass(frozen=True)
class Rule:
    """When an automated answer is taken.

    Attributes
    ----------
    confidence
        An answer that is less sure, or does not say how sure it is, is not taken; None: any is.
    agreement
        Whether all automated labelers are asked about every row, and only what they agree on is taken.
    audit
        Share of the rows with a taken answer that people label all the same, drawn at random.
    tries
        Rounds in which an automated labeler is asked about a row, before the row moves on without it.
    holdout_to_people
        Whether people label the holdout, whatever the machines can do.
    """

    confidence: float | None = 0.9
    agreement: bool = False
    audit: float = 0.05
    tries: int = 2
    holdout_to_people: bool = True

    def __post_init__(self) -> None:
        if self.confidence is not None:
            between("confidence", self.confidence, 1)
        switch("agreement", self.agreement)
        between("audit", self.audit, 1)
        whole("tries", self.tries, 1)
        switch("holdout_to_people", self.holdout_to_people)

    def to_people_at_once(self, row: BatchRow) -> bool:
        """Say whether no machine is asked: people are wanted, or measured, or it is of the holdout."""
        people = row.purpose in ("again", "gold") or (row.annotators or 1) > 1
        return people or (self.holdout_to_people and row.purpose == "holdout")

    def taken(self, answers: Sequence[Annotation | None]) -> Annotation | None:
        """Give the answer that is taken: the first, if all are there, are sure, and name one class."""
        said = [answer for answer in answers if answer is not None and self._sure(answer)]
        agreed = len(said) == len(answers) and len({answer.label for answer in said}) == 1
        return said[0] if agreed else None

    def _sure(self, answer: Annotation) -> bool:
        if answer.status is not Status.LABELLED:
            return False
        return self.confidence is None or (
            answer.confidence is not None and answer.confidence >= self.confidence
        )

    def audited(self, batch: str, ids: Iterable[int | str], desk: Desk) -> set[int | str]:
        """Give the rows that people look at although a machine's answer is taken.

        The draw is keyed by campaign, batch and row, so that it is the same whoever makes it, and does
        not depend on the answers.
        """
        rows = list(ids)
        key = rng.key(0, 0, f"route/audit/{desk.campaign}/{batch}")
        draws = rng.row_uniform(as_ids(rows, desk.integer_ids), key)
        return {row for row, draw in zip(rows, draws, strict=True) if draw < self.audit}


def suggestions(answers: Sequence[Annotation | None]) -> list[Annotation]:
    """Give the labels among answers that are not taken, as what they are then."""
    labels = [answer for answer in answers if answer is not None and answer.status is Status.LABELLED]
    return [replace(answer, status=Status.SUGGESTED) for answer in labels]


def first_stop(batch: Batch, rule: Rule) -> tuple[list[int | str], list[int | str]]:
    """Split a batch: rows that machines see first, and rows that people see at once."""
    people = [row.id for row in batch.rows if rule.to_people_at_once(row)]
    skipping = set(people)
    return [row.id for row in batch.rows if row.id not in skipping], people
