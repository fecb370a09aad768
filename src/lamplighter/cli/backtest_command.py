"""`lamplighter backtest`: which strategy on one's own data. It needs no Prefect."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from lamplighter.backtest.evidence import plain
from lamplighter.backtest.evidence import seeds as seeds_of
from lamplighter.backtest.labelled import LabelSource
from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.planning import Request
from lamplighter.backtest.publishing import Published, publish, strategy_table
from lamplighter.backtest.running import LEFT_OUT, WITHOUT_MODEL, Backtest
from lamplighter.backtest.running import backtest as run_backtest
from lamplighter.cli import show
from lamplighter.cli.bars import progress_bar
from lamplighter.cli.parameters import CampaignPath, Json, guarded, shown
from lamplighter.config import load
from lamplighter.driver import Driver


def backtest(  # noqa: PLR0913, PLR0917 - typer makes options of them
    campaign: CampaignPath,
    labels: Annotated[
        str, typer.Option(help="Parquet file, folder or URL with the ids and the true classes of some rows.")
    ],
    strategies: Annotated[
        str | None,
        typer.Option(
            help="Names, separated by commas; the campaign's own, margin and badge by default. random is "
            "always added."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Runs of each strategy.")] = 20,
    labels_per_run: Annotated[
        int | None, typer.Option(min=1, help="Labels with which a run ends; 20 batches by default.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="The same in batches.")] = None,
    test_share: Annotated[float, typer.Option(help="Share of the rows to measure on.")] = 0.3,
    id_column: Annotated[str, typer.Option(help="Column of ids in the labels.")] = "id",
    label_column: Annotated[str, typer.Option(help="Column of classes in the labels.")] = "label",
    out: Annotated[str | None, typer.Option(help="Local folder for a copy of report and points.")] = None,
    json: Json = False,
) -> None:
    """Replay the campaign on labelled rows, and say which strategy to use.

    What is done stays in the store: run it again to go on after an interruption, or with more seeds.
    """
    request = Request(
        labels=LabelSource(labels, id_column, label_column),
        strategies=names(strategies),
        seeds=seeds,
        labels_per_run=labels_per_run,
        rounds=rounds,
        test_share=test_share,
    )
    driver = Driver(load(campaign))
    # Whatever a cluster class has to say, it is not the answer.
    with guarded(driver), progress_bar(quiet=json), redirect_stdout(sys.stderr):
        done = run_backtest(driver, request)
        published = publish(done, out)
    show.document(shown(driver, published.summary)) if json else _show(driver, done, published)


def names(text: str | None) -> tuple[str, ...]:
    """Take a list of names apart.

    >>> names(" margin, badge,")
    ('margin', 'badge')
    """
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))


def _show(driver: Driver, done: Backtest, published: Published) -> None:
    outcome = done.outcome
    show.out.print("[bold]recommendation[/]: ", end="")
    show.say(shown(driver, outcome.recommendation.sentence))
    show.out.line()
    listed = strategy_table(outcome)
    show.table(_title(outcome), list(listed[0]), [list(row.values()) for row in listed])
    show.out.line()
    for line in [*_left_out(outcome), *outcome.notices]:
        show.out.print("[yellow]note[/] ", end="")
        show.say(shown(driver, line))
    show.say(f"runs:   {done.new:,} made now, {len(done.runs) - done.new:,} were there")
    show.say(f"report: {shown(driver, published.report)}")
    show.say(f"points: {shown(driver, published.points)}")


def _title(outcome: Outcome) -> str:
    setting, labels = outcome.setting, outcome.curves.labels
    reached = f", labels to reach {outcome.control}'s end" if outcome.control else ""
    return (
        f"{setting.campaign}: {plain(setting.metric)} from {labels[0]:,.0f} to {labels[-1]:,.0f} labels"
        f"{reached}; {seeds_of(len(outcome.runs.seeds))}"
    )


def _left_out(outcome: Outcome) -> list[str]:
    facts = outcome.setting.facts
    return [f"{name}: {facts[name]}" for name in (LEFT_OUT, WITHOUT_MODEL) if name in facts]
