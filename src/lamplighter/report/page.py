"""The HTML report of a round: one file, no scripts, nothing loaded from anywhere."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from lamplighter.evaluation import higher_is_better
from lamplighter.report import rows, text
from lamplighter.report.curves import Saving, mean_heights
from lamplighter.report.data import ReportData
from lamplighter.report.label_quality import quality
from lamplighter.report.pictures import pictures
from lamplighter.report.plots.confusion import LARGEST

#: Rows of the batch that are listed.
LISTED = 20
#: Tables longer than this fold away; of the classes the worst stay in sight.
FOLDED = 40
WORST = 15
#: A matrix of more classes takes the whole width.
BESIDE = 12


def render(data: ReportData) -> str:
    """Give the report as one HTML document.

    Everything foreign is escaped by the template engine, and characters that cannot be seen are
    spelled out, at one place each; a content security policy in the page forbids scripts and
    network to anything that would get past both.
    """
    return _template().render(
        data=data,
        record=data.record,
        saving=data.saving,
        saving_words=_saving_words(data),
        heights=mean_heights(data.curve, data.control_curve) if data.control_curve else None,
        gain=_gain(data),
        pictures=pictures(data),
        classes=rows.classes(data),
        confusions=rows.confusions(data.metrics, data.classes) if data.metrics else [],
        budget=rows.budget(data),
        annotators=rows.annotators(data),
        quality=quality(data.quality.get(data.record.round)),
        rounds=rows.rounds(data.records),
        provenance=rows.provenance(data),
        notices=rows.notices(data.record),
        steps=rows.STEPS,
        listed=list(data.batch[:LISTED]),
        folded=FOLDED,
        worst=WORST,
        beside=BESIDE,
        largest_matrix=LARGEST,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("lamplighter", "report"),
        # By name, .html.j2 would not be taken for HTML.
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("count", "decimal", "percent", "money", "shorten", "duration"):
        environment.filters[name] = getattr(text, name)
    environment.filters["value"] = _value
    return environment.get_template("report.html.j2")


def _finalize(value: Any) -> Any:
    """Let no text through that cannot be seen; markup of our own macros is done already."""
    return text.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _value(value: object, longest: int = text.LONGEST) -> str:
    """Show one cell of the pool, whatever it holds, in a line."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value):,} bytes"
    return text.shorten(str(value), longest)


def _gain(data: ReportData) -> tuple[float, bool] | None:
    """Change of the metric since the round before that had one, and whether it is for the better."""
    points = data.curve.points
    if len(points) < 2 or points[-1].round != data.record.round:
        return None
    change = points[-1].value - points[-2].value
    return change, change >= 0 if higher_is_better(data.metric) else change <= 0


def _saving_words(data: ReportData) -> str:
    """Say in a sentence what was saved against the control, or why it cannot be said."""
    control, name = data.control_curve, text.shorten(data.control_name, 60)
    if control is None:
        return "No control campaign was given to compare with."
    if not control.points or not data.curve.points:
        return f"Nothing to compare yet: the campaign or its control ({name}) has no metric."
    if data.saving is None:
        return (
            f"The campaign has not yet reached {text.decimal(control.points[-1].value)}, the final "
            f"{data.metric.replace('_', ' ')} of its control ({name})."
        )
    return _compared(data.saving, data)


def _compared(saving: Saving, data: ReportData) -> str:
    word = "saved" if saving.labels >= 0 else "more than the control"
    worth = f", worth {text.money(abs(saving.cost))} at {data.cost_per_label} a label" if saving.cost else ""
    return (
        f"{data.metric.replace('_', ' ').capitalize()} {text.decimal(saving.value)} took "
        f"{text.count(saving.needed)} labels here and {text.count(saving.control_needed)} with "
        f"{text.shorten(data.control_name, 60)}: "
        f"{text.count(abs(saving.labels))} labels ({abs(saving.share):.0%}) {word}{worth}."
    )
