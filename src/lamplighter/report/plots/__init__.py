"""The figures of a report, and of the artifacts of a run."""

from lamplighter.report.plots.confusion import confusion_matrix
from lamplighter.report.plots.curve import learning_curve
from lamplighter.report.plots.distributions import class_counts, score_histogram
from lamplighter.report.plots.progress import labels_over_rounds, throughput
from lamplighter.report.plots.quality import quality_over_rounds
from lamplighter.report.plots.style import png, png_data_uri, svg, svg_data_uri

__all__ = [
    "class_counts",
    "confusion_matrix",
    "labels_over_rounds",
    "learning_curve",
    "png",
    "png_data_uri",
    "quality_over_rounds",
    "score_histogram",
    "svg",
    "svg_data_uri",
    "throughput",
]
