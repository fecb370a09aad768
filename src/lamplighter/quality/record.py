"""What a round says of its labels: a JSON document beside the metrics."""

from __future__ import annotations

from lamplighter.rounds import Estimate, Record


class AnnotatorRecord(Record):
    """One annotator; see `annotators.AnnotatorQuality`."""

    name: str
    votes: int
    gold: Estimate | None = None
    agreement: Estimate | None = None
    median_lead_time_s: float | None = None
    fast: int = 0
    slow: int = 0
    left_out: bool = False  #: of training and measuring, for being below the campaign's bound


class AgreementRecord(Record):
    """Krippendorff's alpha on rows that were not picked for being disputed; None where nothing tells."""

    alpha: float | None
    low: float | None
    high: float | None
    observed: float | None  #: share of the pairs of votes on one row that agree
    rows: int  #: with two votes or more
    votes: int


class Alarm(Record):
    """A measure below the campaign's bound."""

    measure: str  #: "alpha", "gold" or "confirmed"
    value: float
    bound: float
    text: str


class QualityRecord(Record):
    """The quality of all labels so far.

    Attributes
    ----------
    consensus
        How answers were joined.
    rows, votes
        Answered rows and the votes on them, gold rows and annotators left out not counted.
    disputed
        Rows tied or without enough of a majority, whether or not they go back.
    confidence
        Mean confidence of the labels; None where the method gives none.
    gold
        Share of all votes on gold rows that are right.
    confirmed
        Share of the audited automated labels that people confirmed.
    suggested
        The same share among automated answers that were too unsure to be taken: no random sample.
    annotators
        In order of their names.
    warnings
        Annotators below the campaign's bound, in words.
    alarms
        Measures below the campaign's bounds.
    """

    consensus: str
    rows: int
    votes: int
    disputed: int = 0
    confidence: float | None = None
    agreement: AgreementRecord | None = None
    gold: Estimate | None = None
    confirmed: Estimate | None = None
    suggested: Estimate | None = None
    annotators: tuple[AnnotatorRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
