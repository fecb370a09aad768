"""Judge: what the answers add up to, how good they are, and which rows somebody else should look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from lamplighter import learner, tables, votes
from lamplighter.annotations import Table
from lamplighter.arrays import F64
from lamplighter.awaited import audited_rows
from lamplighter.errors import TooFewClasses
from lamplighter.label_sections import QualityConfig
from lamplighter.labelers import is_automated
from lamplighter.labelled_rows import Labelled
from lamplighter.quality.active_lab import labelled_scores
from lamplighter.quality.agreement import agreement
from lamplighter.quality.alarms import alarms, gold_share
from lamplighter.quality.annotators import AnnotatorQuality, Verdict, annotator_quality, below
from lamplighter.quality.answers import Answers
from lamplighter.quality.confirmed import Confirmed, confirmations
from lamplighter.quality.consensus import Consensus
from lamplighter.quality.crowdlab import crowdlab
from lamplighter.quality.dawid_skene import dawid_skene
from lamplighter.quality.majority import MEDIAN_ANSWERS, MEDIAN_VOTES, majority, preferred
from lamplighter.quality.record import AgreementRecord, AnnotatorRecord, QualityRecord
from lamplighter.quality.relabel import disputed
from lamplighter.quality.weighted import weighted
from lamplighter.rounds import Artifact
from lamplighter.standing import Standing
from lamplighter.steps.sampled import first_answers


@dataclass(frozen=True)
class Judged:
    """The consensus, and the files that hold it and its quality; all None without any answer."""

    labels: votes.Labels | None = None
    consensus: Artifact | None = None
    quality: Artifact | None = None


def judge(standing: Standing) -> Judged:
    """Join the answers of a round that has just collected, and measure them."""
    if not len(standing.annotations):
        return Judged()
    bench = _Bench(standing)
    ledger, number = standing.driver.ledger, standing.number
    record = bench.record().model_dump_json(indent=1).encode()
    quality = ledger.write(number, "quality", "json", record)
    if standing.driver.campaign.quality is None:
        return Judged(quality=quality)
    labels = replace(bench.consensus.labels, confidence=bench.consensus.confidence)
    table = votes.labels_table(labels, standing.driver.campaign.classes)
    sure = pa.nulls(len(labels), pa.float64()) if bench.certainty is None else pa.array(bench.certainty)
    table = table.append_column("certainty", sure)
    return Judged(labels, ledger.write(number, "consensus", "parquet", tables.to_parquet(table)), quality)


@dataclass(frozen=True, eq=False)
class _Bench:
    """All answers, and what follows from them, each found once."""

    standing: Standing

    @cached_property
    def section(self) -> QualityConfig:
        return self.standing.driver.campaign.quality or QualityConfig()

    @cached_property
    def answers(self) -> Answers:
        """The votes of everybody about everything, gold included."""
        return Answers.read(self.standing.annotations, self.standing.driver.campaign.classes)

    @cached_property
    def gold(self) -> votes.Labels | None:
        return self.standing.driver.gold.labels if self.standing.driver.gold else None

    @cached_property
    def first(self) -> Answers:
        """The votes that rows had before they went back for one more: what measures agreement."""
        if len(self.first_answers) == len(self.standing.annotations):
            return self.answers
        return Answers.read(self.first_answers, self.standing.driver.campaign.classes)

    @cached_property
    def first_answers(self) -> Table:
        return first_answers(self.standing)

    @cached_property
    def people(self) -> tuple[AnnotatorQuality, ...]:
        return annotator_quality(self.answers, self.gold, compared=self.first)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        asked = self.section.annotators
        if asked is None:
            return ()
        if asked.measure == "gold":
            return below(self.people, asked.bound)
        return below(self.people, 0.0, agreement_bound=asked.bound)

    @cached_property
    def left_out(self) -> frozenset[str]:
        leave = self.section.annotators is not None and self.section.annotators.leave_out
        return frozenset(verdict.name for verdict in self.verdicts) if leave else frozenset()

    @cached_property
    def counted(self) -> Answers:
        """The votes that make labels."""
        return self._counted(self.answers)

    def _counted(self, answers: Answers) -> Answers:
        """Leave out gold rows and who is left out."""
        if self.gold is not None:
            answers = answers.of_rows(~tables.is_in(answers.ids, self.gold.ids))
        return answers.without(sorted(self.left_out))

    @cached_property
    def seed(self) -> int:
        return self.standing.driver.campaign.seed

    @cached_property
    def proba(self) -> F64:
        """(n, C) probabilities by models that have not seen the row; NaN for rows without any.

        Rows of the holdout have none: a model that helps to find the labels it is measured on would
        praise itself.
        """
        campaign, ids = self.standing.driver.campaign, self.counted.ids
        found = np.full((len(ids), len(campaign.classes)), np.nan)
        plain = majority(self.counted, seed=self.seed)
        place = tables.positions(ids, self.standing.known_ids)
        labelled = Labelled(ids, plain.label, place).part((place >= 0) & ~self.standing.may_be_holdout(ids))
        rows = self.standing.with_features(labelled)
        try:
            out = learner.out_of_fold(
                campaign.learner,
                rows.x,
                rows.label,
                campaign.classes,
                seed=self.seed,
                round=self.standing.number,
                ids=rows.ids,
            )
        except TooFewClasses:
            return found
        found[tables.positions(rows.ids, ids)] = out
        return found

    @cached_property
    def method(self) -> str:
        """The method wanted, or majority where the votes cannot carry Dawid and Skene's."""
        wanted = self.section.consensus
        return preferred(self.counted) if wanted == "dawid_skene" else wanted

    @cached_property
    def consensus(self) -> Consensus:
        method = self.method
        if method == "crowdlab":
            return crowdlab(self.counted, self.proba, seed=self.seed).consensus
        if method == "dawid_skene":
            return dawid_skene(self.counted, seed=self.seed).consensus
        if method == "weighted":
            return weighted(self.counted, seed=self.seed).consensus
        return majority(self.counted, seed=self.seed)

    @cached_property
    def certainty(self) -> F64 | None:
        """(n,) ActiveLab's score of every answered row, lowest first to be asked again; None if unwanted."""
        if self.section.relabel is None:
            return None
        return labelled_scores(self.counted, self.proba, seed=self.seed)

    @cached_property
    def confirmations(self) -> Confirmed:
        """What people said of automated labels: of those taken, where a route had drawn them for it."""
        names = self.standing.annotations.column("labeler").unique().to_pylist()
        machines = frozenset(filter(is_automated, names))
        if not machines:
            return Confirmed(None, {}, None)
        return confirmations(self.first_answers, machines, audited=audited_rows(self.standing))

    def record(self) -> QualityRecord:
        """Give the round's document of label quality."""
        enough = self.section.relabel.enough if self.section.relabel else 0.5
        record = QualityRecord(
            consensus=self.method,
            rows=len(self.counted.ids),
            votes=len(self.counted),
            disputed=int(disputed(self.counted, enough).sum()),
            confidence=float(self.consensus.confidence.mean()) if len(self.consensus) else None,
            agreement=self._agreement(),
            gold=gold_share(self.people),
            confirmed=self.confirmations.taken,
            suggested=self.confirmations.suggested,
            annotators=tuple(self._annotator(person) for person in self.people),
            warnings=(*(str(verdict) for verdict in self.verdicts), *self._instead()),
        )
        return record.model_copy(update={"alarms": alarms(record, self.section.alarm)})

    def _instead(self) -> Iterator[str]:
        """Say that another method than the one wanted made the labels."""
        if self.method != self.section.consensus:
            yield (
                f"labels by {self.method}: {self.section.consensus} needs {MEDIAN_VOTES} votes on the median "
                f"row and {MEDIAN_ANSWERS} of the median annotator, and would make up labels with fewer"
            )

    def _agreement(self) -> AgreementRecord:
        found = agreement(self._counted(self.first), seed=self.seed, round=self.standing.number)
        return AgreementRecord(**vars(found))

    def _annotator(self, person: AnnotatorQuality) -> AnnotatorRecord:
        return AnnotatorRecord(**vars(person), left_out=person.name in self.left_out)
