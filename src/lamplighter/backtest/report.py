"""The HTML report of a backtest: one file, no scripts, nothing loaded from anywhere."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from lamplighter.backtest import rows
from lamplighter.backtest.evidence import bound, chance, height, needed, plain
from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.pictures import pictures
from lamplighter.report import text

#: Tables longer than this fold away.
FOLDED = 40


def render(outcome: Outcome) -> str:
    """Give the report as one HTML document.

    Everything foreign is escaped by the template engine, and characters that cannot be seen are
    spelled out, at one place each; a content security policy in the page forbids scripts and
    network to anything that would get past both.
    """
    listed = rows.strategies(outcome)
    pick = outcome.recommendation.strategy
    return _template().render(
        outcome=outcome,
        setting=outcome.setting,
        metric=plain(outcome.setting.metric),
        recommendation=outcome.recommendation,
        chosen=next(row for row in listed if row.name == pick),
        strategies=listed,
        matrices=_matrices(outcome),
        recalls=rows.recalls(outcome),
        pictures=pictures(outcome),
        facts=_facts(outcome),
        folded=FOLDED,
    )


def _matrices(outcome: Outcome) -> list[rows.Matrix]:
    metric, rarest = plain(outcome.setting.metric), outcome.setting.rarest
    if len(outcome.strategies) < 2:
        return []
    found = [
        rows.matrix(outcome, outcome.area, f"Mean {metric} over the curve"),
        rows.matrix(outcome, outcome.final, f"{metric.capitalize()} at the end"),
    ]
    if outcome.rare is not None:
        title = f"Mean recall of the rarest class, {text.shorten(rarest or '', 40)}, over the curve"
        found.append(rows.matrix(outcome, outcome.rare, title))
    return found


def _facts(outcome: Outcome) -> list[tuple[str, str]]:
    setting, labels = outcome.setting, outcome.curves.labels
    seeds = outcome.runs.seeds
    lines = [
        ("campaign", setting.campaign),
        ("learner", setting.learner or "–"),
        ("metric", plain(setting.metric) + ("" if outcome.higher_is_better else ", less is better")),
        ("seeds", f"{len(seeds)}: {_listed(seeds)}"),
        ("rows", f"{setting.pool_rows:,} to choose from, {setting.test_rows:,} to test on, in each split"),
        ("start set", f"{setting.seed_rows:,} rows"),
        ("batch", f"{setting.batch_size:,} rows"),
        ("labels", f"{labels[0]:,.0f} to {labels[-1]:,.0f}, at {len(labels)} points"),
    ]
    if setting.cost_per_label is not None:
        lines.append(("price of a label", f"{setting.cost_per_label:g}"))
    return [*lines, *setting.facts.items()]


def _listed(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


@cache
def _template() -> Template:
    environment = Environment(
        # The style sheet is that of a round's report.
        loader=ChoiceLoader(
            [PackageLoader("lamplighter", "backtest"), PackageLoader("lamplighter", "report")]
        ),
        # By name, .html.j2 would not be taken for HTML.
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("count", "decimal", "percent", "money", "shorten"):
        environment.filters[name] = getattr(text, name)
    for function in (bound, chance, height, needed):
        environment.filters[function.__name__] = function
    environment.filters["duration"] = _duration
    return environment.get_template("backtest.html.j2")


def _finalize(value: Any) -> Any:
    """Let no text through that cannot be seen; markup of our own macros is done already."""
    return text.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else text.duration(seconds)
