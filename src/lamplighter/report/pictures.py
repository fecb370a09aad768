"""Which figures a report shows, and what each says to those who cannot see it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from lamplighter.quality.words import MEASURES
from lamplighter.report import plots
from lamplighter.report.data import ReportData
from lamplighter.report.label_quality import over_rounds
from lamplighter.report.plots.confusion import LARGEST
from lamplighter.report.text import count, decimal


@dataclass(frozen=True)
class Picture:
    """A figure as a data URI of our own making, with its text alternative."""

    uri: Markup
    alt: str


def pictures(data: ReportData) -> dict[str, Picture | None]:
    """Draw every figure that the round has data for; None for the others."""
    return {
        "curve": _curve(data),
        "scores": _scores(data),
        "class_counts": _class_counts(data),
        "confusion": _confusion(data),
        "labels": _labels(data),
        "throughput": _throughput(data),
        "quality": _quality(data),
    }


def _picture(figure: Figure, alt: str) -> Picture:
    # The URI is base64 and as such needs no escaping.
    return Picture(Markup(plots.svg_data_uri(figure)), alt)  # noqa: S704


def _curve(data: ReportData) -> Picture | None:
    if not data.curve.points:
        return None
    figure = plots.learning_curve(
        data.curve,
        data.control_curve,
        metric=data.metric,
        names=(data.strategy, data.control_name),
        saving=data.saving,
        target=data.target,
    )
    first, last = data.curve.points[0], data.curve.points[-1]
    return _picture(
        figure,
        f"Learning curve: {data.metric} from {decimal(first.value)} with {count(first.labels)} labels to "
        f"{decimal(last.value)} with {count(last.labels)}; the table of rounds holds the numbers.",
    )


def _scores(data: ReportData) -> Picture | None:
    sample, batch = data.sample_scores, data.batch_scores
    if sample is None or batch is None or not len(sample) or not len(batch):
        return None
    return _picture(
        plots.score_histogram(sample, batch),
        f"Histogram of {count(len(batch))} batch scores over {count(len(sample))} of a sample of the pool.",
    )


def _class_counts(data: ReportData) -> Picture | None:
    counts = data.record.collect.class_counts
    if not any(counts.values()):
        return None
    every = {name: counts.get(name, 0) for name in data.classes}
    return _picture(plots.class_counts(every), "Labels per class; the table of classes holds the numbers.")


def _confusion(data: ReportData) -> Picture | None:
    if data.metrics is None or len(data.classes) > LARGEST:
        return None
    return _picture(
        plots.confusion_matrix(data.metrics.confusion, data.classes),
        "Confusion matrix of the holdout; the largest confusions are listed beside it.",
    )


def _labels(data: ReportData) -> Picture | None:
    if not any(f.annotations for f in data.history):
        return None
    figure = plots.labels_over_rounds(data.history, data.budget.get("labels"))
    return _picture(figure, f"Answers so far by round: {count(data.history[-1].annotations)} in the last.")


def _throughput(data: ReportData) -> Picture | None:
    if not any(f.annotations for f in data.history):
        return None
    return _picture(
        plots.throughput(data.history, data.annotators),
        "Answers per round by annotator, and outstanding rows; the table beside it holds the totals.",
    )


def _quality(data: ReportData) -> Picture | None:
    figure = quality_figure(data)
    return _picture(figure, f"Label quality over the rounds: {_measured(data)}.") if figure else None


def _measured(data: ReportData) -> str:
    """Say where every measure stood last."""
    last = {name: dots[-1] for name, dots in over_rounds(data.quality).items() if dots}
    return ", ".join(f"{name} {decimal(it.value)} in round {number}" for name, (number, it) in last.items())


def quality_figure(data: ReportData) -> Figure | None:
    """Draw label quality over the rounds; None where no round has measured any."""
    measures = over_rounds(data.quality)
    if not any(measures.values()):
        return None
    bounds = {MEASURES[name]: bound for name, bound in data.quality_bounds.items()}
    return plots.quality_over_rounds(measures, bounds)
