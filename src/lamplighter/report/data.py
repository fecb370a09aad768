"""All that a report shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lamplighter.arrays import F32
from lamplighter.errors import ConfigError
from lamplighter.evaluation import higher_is_better
from lamplighter.labelers.base import BatchRow
from lamplighter.quality.record import QualityRecord
from lamplighter.report.curves import Curve, Saving, saving
from lamplighter.rounds import Metrics, RoundFacts, RoundRecord, facts


@dataclass(frozen=True)
class ReportData:
    """What the report of one round shows. Any text may be hostile: the page escapes all of it.

    Attributes
    ----------
    campaign, strategy, metric
        Names from the campaign file; the metric is one of evaluation.METRICS.
    classes
        C class names, in the campaign's order: the order of `metrics.confusion`.
    records
        Committed rounds, oldest first; the last is the round that the report is about.
    control, control_name
        Rounds of the same campaign under another strategy, and that strategy's name.
    metrics
        The round's metrics document; None when there was nothing to measure.
    batch
        The first rows of the batch, best first; the page shows the first 20. `display` is what the
        labelers see of a row.
    batch_scores, sample_scores
        Scores of the whole batch, and of a fixed hash sample of the pool under the same model;
        infinite ones are left out. None when the round did not score.
    annotators
        Round -> annotator -> answers taken in by that round.
    quality
        Round -> what it said of its labels; no round without any answer.
    quality_bounds
        Measure ("alpha", "gold" or "confirmed") -> bound below which it raises an alarm.
    labeler
        Registered name of the back-end.
    budget
        The limits that are set: any of "labels", "cost", "rounds".
    target
        The value that the stopping rule `target` waits for, if the campaign has that rule.
    cost_per_label
        Price of one labelled row; None without one.
    provenance
        Further lines for the last section: name -> value, such as pool and store addresses (without
        credentials) and versions.
    """

    campaign: str
    strategy: str
    metric: str
    classes: Sequence[str]
    records: Sequence[RoundRecord]
    control: Sequence[RoundRecord] = ()
    control_name: str = "random"
    metrics: Metrics | None = None
    batch: Sequence[BatchRow] = ()
    batch_scores: F32 | None = None
    sample_scores: F32 | None = None
    annotators: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    quality: Mapping[int, QualityRecord] = field(default_factory=dict)
    quality_bounds: Mapping[str, float] = field(default_factory=dict)
    labeler: str = ""
    budget: Mapping[str, float] = field(default_factory=dict)
    target: float | None = None
    cost_per_label: float | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.records:
            raise ConfigError(
                "a report needs a committed round and there is none; run one first: lamplighter round"
            )
        higher_is_better(self.metric)

    @property
    def record(self) -> RoundRecord:
        """The round that the report is about."""
        return self.records[-1]

    @cached_property
    def curve(self) -> Curve:
        """The campaign's learning curve."""
        return self._curve(self.records)

    @cached_property
    def control_curve(self) -> Curve | None:
        """The control's learning curve; None without a control."""
        return self._curve(self.control) if self.control else None

    @cached_property
    def saving(self) -> Saving | None:
        """Labels saved against the control; None without a control that has been matched."""
        control = self.control_curve
        return saving(self.curve, control, self.cost_per_label) if control else None

    @property
    def history(self) -> list[RoundFacts]:
        """What curves and figures see of the rounds."""
        return [facts(r) for r in self.records]

    def _curve(self, records: Sequence[RoundRecord]) -> Curve:
        return Curve.of([facts(r) for r in records], higher_is_better=higher_is_better(self.metric))
