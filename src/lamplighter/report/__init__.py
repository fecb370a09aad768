"""Learning curves and the HTML report."""

from lamplighter.report import plots
from lamplighter.report.curves import Curve, Point, Saving, labels_to_reach, mean_heights, saving
from lamplighter.report.data import ReportData
from lamplighter.report.page import render

__all__ = [
    "Curve",
    "Point",
    "ReportData",
    "Saving",
    "labels_to_reach",
    "mean_heights",
    "plots",
    "render",
    "saving",
]
