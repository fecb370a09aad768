"""The round as a pure state machine: what is recorded of each step, and which step comes next.

Recovery needs nothing else: whatever happened, read the history and call `plan` again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from lamplighter.stopping.base import Stop

if TYPE_CHECKING:
    from lamplighter.stopping.base import StoppingRule

FORMAT: Final = 1


class Record(BaseModel):
    """Base of everything the ledger holds: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Step(StrEnum):
    """The steps of a round, in their order."""

    COLLECT = "collect"
    TRAIN = "train"
    EVALUATE = "evaluate"
    SCORE = "score"
    SELECT = "select"
    DISPATCH = "dispatch"
    COMMIT = "commit"


class Artifact(Record):
    """A file of the store: its key, the SHA-256 of its bytes (hex) and its size."""

    key: str
    digest: str
    size: int

    @classmethod
    def of(cls, key: str, data: bytes) -> Artifact:
        """Describe an object by its bytes."""
        return cls(key=key, digest=sha256(data).hexdigest(), size=len(data))


class Estimate(Record):
    """A value with its 95% interval, from n holdout rows."""

    value: float
    low: float
    high: float
    n: int


class Metrics(Record):
    """What the model does on the labelled holdout."""

    primary: str  #: name of the campaign's metric, a key of `estimates`
    estimates: Mapping[str, Estimate]
    recall: Mapping[str, Estimate | None]  #: per class; None where the holdout has no row of it
    confusion: tuple[tuple[int, ...], ...]  #: rows are true classes, columns predicted, in class order
    calibration_error: float
    holdout_rows: int


class StepDone(Record):
    """What every checkpoint says. `writer` is unique to the process that wrote it."""

    format: Literal[1] = FORMAT
    round: int
    writer: str
    started_at: datetime
    finished_at: datetime


class CollectDone(StepDone):
    """Labels taken in; the pool as it will be for the whole round."""

    step: Literal["collect"] = "collect"
    campaign: str  #: digest of the campaign as it was run
    manifest: Artifact
    pool_rows: int
    pool_fingerprint: str
    annotations: Artifact | None = None  #: the new ones
    features: Artifact | None = None  #: of labelled rows that were never dispatched
    consensus: Artifact | None = None  #: the label that counts of every answered row, and how sure it is
    quality: Artifact | None = None  #: a QualityRecord
    new_annotations: int = 0
    annotations_total: int = 0  #: answers that cost money, over all rounds
    cost: float = 0.0
    labelled_rows: int = 0  #: rows with a consensus label, without the holdout
    labelled_holdout: int = 0
    abstained: int = 0
    outstanding: int = 0  #: dispatched rows of which an answer is awaited
    unknown_rows: int = 0  #: labelled ids that are not in the pool, over all rounds
    class_counts: Mapping[str, int] = Field(default_factory=dict)
    problem_count: int = 0
    problems: tuple[str, ...] = ()  #: the first few
    newest: datetime | None = None


class TrainDone(StepDone):
    """The model of the round, or why there is none."""

    step: Literal["train"] = "train"
    model: Artifact | None = None
    committee: tuple[Artifact, ...] = ()  #: its members, where the strategy reads one
    rows: int = 0
    temperature: float | None = None
    warm_start: bool = False
    note: str = ""


class EvaluateDone(StepDone):
    """The metrics on the holdout, and whether to stop."""

    step: Literal["evaluate"] = "evaluate"
    metrics: Artifact | None = None  #: a Metrics document
    metric: Estimate | None = None  #: the campaign's own
    metric_name: str | None = None  #: which one that was; None in rounds of before this was kept
    note: str = ""
    stop: Stop | None = None


class ScoreDone(StepDone):
    """The whole pool scored."""

    step: Literal["score"] = "score"
    shortlist: Artifact
    holdout: Artifact | None = None  #: members of the holdout found by this scan
    sample: Artifact | None = None  #: predictions on the fixed hash sample
    waiting: Artifact | None = None  #: what this scan says of rows that wait at the labeler
    strategy: str
    wanted: int | None = None  #: rows that the shortlist was made for
    campaign: Artifact | None = None  #: the campaign as it was when the pool was scored
    rows: int
    left_out: int = 0  #: rows with NaN or infinity in the features, or invalid probabilities
    churn: float | None = None  #: share of the sample whose predicted class changed since last round
    shards: int = 0


class SelectDone(StepDone):
    """The batch."""

    step: Literal["select"] = "select"
    batch: Artifact
    features: Artifact
    extra: Artifact | None = None  #: gold rows, and rows for one more annotator, that go out among them
    rows: int
    extra_rows: int = 0
    holdout_rows: int = 0
    holdout_below: int | None = None  #: rows with a smaller holdout hash are the holdout, for ever
    wanted: int | None = None  #: rows of the batch that the limits left room for
    notices: tuple[str, ...] = ()
    facts: Mapping[str, float | int | str] = Field(default_factory=dict)  #: what the strategy says of it


class DispatchDone(StepDone):
    """The labeler's receipt."""

    step: Literal["dispatch"] = "dispatch"
    ticket: Artifact | None = None
    rows: int = 0
    withdrawn: Artifact | None = None  #: rows of earlier rounds that were taken back before
    withdrawn_rows: int = 0
    refreshed: int = 0  #: waiting rows that got the newest model's predictions
    labeler: str = ""  #: who was asked, by registered name
    params: Mapping[str, Any] = Field(default_factory=dict)  #: the labeler's, `${NAME}` unresolved
    answers_per_row: int | None = None  #: people who answer a row that does not say how many


AnyStep = CollectDone | TrainDone | EvaluateDone | ScoreDone | SelectDone | DispatchDone
STEP_RECORD: TypeAdapter[AnyStep] = TypeAdapter(Annotated[AnyStep, Field(discriminator="step")])


class RoundRecord(Record):
    """One committed round: the checkpoints of its steps. A stopped round ends with `evaluate`."""

    format: Literal[1] = FORMAT
    round: int
    writer: str
    committed_at: datetime
    collect: CollectDone
    train: TrainDone
    evaluate: EvaluateDone
    score: ScoreDone | None = None
    select: SelectDone | None = None
    dispatch: DispatchDone | None = None

    @property
    def stop(self) -> Stop | None:
        """Why the campaign stopped in this round, if it did."""
        return self.evaluate.stop


@dataclass(frozen=True)
class RoundFacts:
    """What stopping rules, the status table and the curves see of a round."""

    round: int
    labelled_rows: int
    annotations: int
    cost: float
    outstanding: int
    metric: Estimate | None
    churn: float | None  #: known once the round has scored: None for the current round
    selected: int | None  #: rows picked, None for the current round
    pool_rows: int = 0
    wanted: int | None = None  #: rows that were to be picked; 0 where a limit left no room


@dataclass(frozen=True)
class OpenRound:
    """The round in work: checkpoints by step."""

    round: int
    steps: Mapping[Step, AnyStep] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """Everything the ledger says: committed rounds in order, and the checkpoints of the next one."""

    records: tuple[RoundRecord, ...] = ()
    open: OpenRound = OpenRound(1)


@dataclass(frozen=True)
class Next:
    """The step to do, in which round."""

    round: int
    step: Step


def plan(history: History, rules: Sequence[StoppingRule]) -> Next | Stop:
    """Give the next step, or the reason why there is none.

    A committed stop is asked again with the rules of today, so that a raised budget or target goes
    on where the campaign stood.
    """
    done = history.open.steps
    if not done and history.records and history.records[-1].stop:
        stop = decide([facts(r) for r in history.records], rules)
        if stop:
            return stop
    for step in (Step.COLLECT, Step.TRAIN, Step.EVALUATE):
        if step not in done:
            return Next(history.open.round, step)
    evaluated = done[Step.EVALUATE]
    if isinstance(evaluated, EvaluateDone) and evaluated.stop:
        return Next(history.open.round, Step.COMMIT)
    for step in (Step.SCORE, Step.SELECT, Step.DISPATCH):
        if step not in done:
            return Next(history.open.round, step)
    return Next(history.open.round, Step.COMMIT)


def decide(history: Sequence[RoundFacts], rules: Sequence[StoppingRule]) -> Stop | None:
    """Give the first rule's reason to stop, in the order of the campaign file."""
    return next((stop for rule in rules if (stop := rule.decide(history))), None)


def facts(record: RoundRecord) -> RoundFacts:
    """Give what the rules see of a committed round."""
    return replace(
        facts_so_far(record.collect, record.evaluate.metric),
        churn=record.score.churn if record.score else None,
        selected=record.select.rows if record.select else None,
        wanted=record.select.wanted if record.select else None,
    )


def facts_so_far(collected: CollectDone, metric: Estimate | None) -> RoundFacts:
    """Give what the rules see of a round that was just evaluated."""
    return RoundFacts(
        round=collected.round,
        labelled_rows=collected.labelled_rows,
        annotations=collected.annotations_total,
        cost=collected.cost,
        outstanding=collected.outstanding,
        metric=metric,
        churn=None,
        selected=None,
        pool_rows=collected.pool_rows,
    )
