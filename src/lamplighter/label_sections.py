"""Sections of the campaign file about labels: how good they are, and how long to wait for them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from lamplighter.sections import Section

ConsensusMethod = Literal["majority", "dawid_skene", "weighted", "crowdlab"]


class GoldConfig(Section):
    """Rows whose label is known, blended into every batch, to see how good the answers are.

    The file, Parquet, holds id, label and the pool's display columns; gold rows need not be in the pool, are
    never trained on and never part of the holdout.
    """

    url: str
    id: str = "id"
    label: str = "label"
    share: float = Field(default=0.05, gt=0, lt=1)  #: of each batch, beside its rows


class OverlapConfig(Section):
    """A random share of every batch that several people answer, to see how far they agree."""

    share: float = Field(default=0.1, gt=0, le=1)
    annotators: int = Field(default=2, ge=2)


class RelabelConfig(Section):
    """Answered rows that go back for one more annotator: disputed ones first, then the least sure."""

    share: float = Field(default=0.1, gt=0, lt=1)  #: of each batch
    enough: float = Field(default=2 / 3, gt=0, le=1)  #: share of the votes that settles a row
    most: int = Field(default=5, ge=2)  #: people who have seen a row after which it is left alone


class AnnotatorsConfig(Section):
    """What is expected of every annotator, and what follows where it is not met."""

    bound: float = Field(gt=0, lt=1)
    measure: Literal["gold", "agreement"] = "gold"
    leave_out: bool = False  #: of training and measuring, as long as they are below


class AlarmConfig(Section):
    """Bounds below which label quality raises an event."""

    alpha: float | None = Field(default=None, gt=-1, lt=1)  #: Krippendorff's
    gold: float | None = Field(default=None, gt=0, lt=1)  #: share of gold answers that are right
    confirmed: float | None = Field(default=None, gt=0, lt=1)  #: share of audited automated labels

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if self.alpha is None and self.gold is None and self.confirmed is None:
            raise ValueError("an alarm without a bound never goes off; give alpha, gold or confirmed")
        return self


class QualityConfig(Section):
    """How answers become labels, and how their quality is watched."""

    consensus: ConsensusMethod = "majority"
    weights: bool = False  #: whether a label weighs in training what its consensus is sure of
    gold: GoldConfig | None = None
    overlap: OverlapConfig | None = None
    relabel: RelabelConfig | None = None
    annotators: AnnotatorsConfig | None = None
    alarm: AlarmConfig | None = None

    @model_validator(mode="after")
    def _what_is_measured_is_there(self) -> Self:
        by_gold = self.annotators is not None and self.annotators.measure == "gold"
        if by_gold and self.gold is None:
            raise ValueError(
                "annotators are measured on gold rows, and there are none; give gold, or measure: agreement"
            )
        if self.alarm and self.alarm.gold is not None and self.gold is None:
            raise ValueError("alarm.gold watches gold rows, and there are none; give gold")
        return self


class WaitingConfig(Section):
    """What becomes of rows that were sent out and not answered."""

    expire_after_days: float | None = Field(default=None, gt=0)
    then: Literal["ask_again", "drop"] = "ask_again"  #: of expired rows
    unwanted: Literal["keep", "withdraw"] = "keep"  #: of rows that the newest model would not pick
    refresh: bool = True  #: whether waiting rows get the newest model's predictions
