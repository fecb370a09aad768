"""What commands print: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lamplighter.cli import quality_lines
from lamplighter.report.text import printable

NOTHING_TO_DO = 3
out = Console(highlight=False, soft_wrap=True)


def document(values: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(_finite(values), indent=2, default=str, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """Give null for numbers that JSON cannot say; a column of the pool may hold any."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(text: str) -> None:
    """Print a line as it is, for use in scripts."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Print a sentence."""
    out.print(escape(text))


def rounds(summaries: list[dict[str, Any]], as_json: bool) -> int:
    """Print what rounds did; give the exit code, 3 when there was nothing to do."""
    ran = [s for s in summaries if s["ran"]]
    if as_json:
        document({"rounds": summaries, "stopped": summaries[-1]["stopped"] if summaries else None})
    else:
        for summary in ran:
            say(_sentence(summary))
        if summaries and summaries[-1]["stopped"]:
            out.print(f"[bold]stopped[/]: {escape(summaries[-1]['stopped'])}")
    return 0 if ran else NOTHING_TO_DO


def _sentence(summary: dict[str, Any]) -> str:
    measured = estimate(summary["metric"], summary["low"], summary["high"])
    return (
        f"round {summary['round']} of {summary['campaign']}: {summary['labels']:,} labels, "
        f"metric {measured}, "
        f"{summary['dispatched']:,} rows dispatched, {summary['outstanding']:,} outstanding"
        + (f"; {printable(summary['note'])}" if summary["note"] else "")
    )


def estimate(value: float | None, low: float | None, high: float | None) -> str:
    """Give a value with its interval, or a dash."""
    return "-" if value is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Print a table; numbers are set right."""
    drawn = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    for position, name in enumerate(columns):
        numeric = all(isinstance(r[position], (int, float, type(None))) for r in rows)
        drawn.add_column(name, justify="right" if numeric and rows else "left")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    out.print(drawn)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape(printable(str(value)))


def pairs(title: str, values: dict[str, Any]) -> None:
    """Print names and values in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")  # a path that is cut off is of no use
    for name, value in values.items():
        grid.add_row(f"[dim]{escape(name)}[/]", _cell(value))
    out.print(f"[bold]{escape(title)}[/]")
    out.print(grid)


def status(found: dict[str, Any]) -> None:
    """Print where a campaign stands."""
    table(
        f"{found['campaign']}: {found['metric']} by round",
        ["round", "labels", "training", "holdout", found["metric"], "asked", "left out", "seconds"],
        [
            [
                r["round"],
                r["labels"],
                r["labelled_rows"],
                r["holdout"],
                estimate(r["value"], r["low"], r["high"]),
                r["dispatched"],
                r["left_out"],
                r["seconds"],
            ]
            for r in found["rounds"]
        ],
    )
    if found["waiting"]:
        columns = ["round", "rows", "waiting"]
        table("Waiting at the labelers", columns, [[w[c] for c in columns] for w in found["waiting"]])
    if found["quality"]:
        _quality(found["quality"])
    pairs("Now", _now(found))
    for line in (*found["notices"], *found["problems"]):
        out.print(f"[yellow]note[/] {escape(printable(line))}")


def _quality(found: dict[str, Any]) -> None:
    record = quality_lines.record_of(found)
    pairs(f"Label quality, round {found['round']}", quality_lines.values(record))
    people = quality_lines.annotators(record)
    if people:
        table("Annotators", quality_lines.COLUMNS, people)
    if 0 < len(people) < len(record.annotators):
        say(f"and {len(record.annotators) - len(people):,} more, in the report")
    for alarm in record.alarms:
        out.print(f"[red]alarm[/] {escape(printable(alarm.text))}")
    for line in record.warnings:
        out.print(f"[yellow]warning[/] {escape(printable(line))}")


def _now(found: dict[str, Any]) -> dict[str, Any]:
    limits, spent = found["budget"]["limits"], found["budget"]["spent"]
    budget = ", ".join(
        f"{k} {spent.get(k, len(found['rounds']))} of {v}" for k, v in limits.items() if k != "cost_per_label"
    )
    upcoming = found["next"]
    return {
        "next": f"round {upcoming['round']}, {upcoming['step']}" if upcoming else "nothing: stopped",
        "stopped": found["stopped"]["reason"] if found["stopped"] else None,
        "budget": budget or "none set",
        "outstanding rows": found["outstanding"],
        "answers not readable": found["problem_count"],
        "labels for unknown rows": found["unknown_rows"],
        "rows left out of the last scan": found["left_out_rows"],
        "store": found["store"],
    }


def check(found: dict[str, Any]) -> None:
    """Print what `check` found."""
    pairs(f"{found['campaign']}: pool", found["pool"])
    pairs("a round", found["round"])
    pairs("store", found["store"])
    for line in found["warnings"]:
        out.print(f"[yellow]warning[/] {escape(line)}")
    out.print("[green]ready[/]")


def explanation(found: dict[str, Any]) -> None:
    """Print why a row was picked, and what was said about it."""
    out.print(f"[bold]row {escape(str(found['row']))}[/]: {escape(found['verdict'])}")
    for pick in found["picks"]:
        proba = pick.pop("proba")
        pairs(f"round {pick['round']}", {k: v for k, v in pick.items() if k != "round"})
        if proba:
            table("probabilities", ["class", "p"], [[c, p] for c, p in list(proba.items())[:10]])
    columns = ["annotator", "label", "status", "created_at", "labeler", "round", "source"]
    if found["annotations"]:
        table("annotations", columns, [[a[c] for c in columns] for a in found["annotations"]])
    pairs("result", {"label": found["label"], "holdout": found["holdout"]})
