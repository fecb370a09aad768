"""What a backtest leaves behind: its report, its points and its summary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.backtest.evidence import bound, height, needed
from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.report import render
from lamplighter.backtest.rows import StrategyRow, strategies
from lamplighter.backtest.running import Backtest
from lamplighter.backtest.summary import points_csv, summary
from lamplighter.errors import ConfigError
from lamplighter.progress import Progress, tell
from lamplighter.report.text import decimal, duration, shorten

#: The column of p in a table, which stands there without explanation.
HOLM = "p (Holm)"
REPORT, POINTS, SUMMARY = "report.html", "points.csv", "summary.json"


@dataclass(frozen=True)
class Published:
    """Where things lie.

    Attributes
    ----------
    report, points
        Paths or URLs of the HTML file and of the CSV file.
    link
        The report as a URL.
    summary
        All numbers, JSON-ready, with these places.
    """

    report: str
    points: str
    link: str
    summary: dict[str, Any]


def publish(backtest: Backtest, out: str | None = None) -> Published:
    """Write report, points and summary below the runs in the store.

    They replace those of the same strategies and seeds, and no others.

    Parameters
    ----------
    out
        A local folder that gets a copy of them, made where it is missing; what has their names there
        is replaced.

    Raises
    ------
    ConfigError
        The folder cannot be written to.
    """
    tell(Progress.of("writing the report"))
    plan, outcome = backtest.plan, backtest.outcome
    numbers = {**summary(outcome), "rows": _rows(backtest)}
    redactor = plan.campaign.redactor()
    files = {
        REPORT: redactor.redact(render(outcome)),
        POINTS: points_csv(backtest.runs),
        SUMMARY: json.dumps(redactor.redacted(numbers), indent=1, allow_nan=False) + "\n",
    }
    for name, text in files.items():
        plan.driver.store.put(f"{plan.outcome_folder}/{name}", text.encode())
    place = f"{plan.driver.store.url.rstrip('/')}/{plan.outcome_folder}"
    if out is not None:
        place = _copy(Path(out), files)
    return _published(backtest, numbers, place)


def _published(backtest: Backtest, numbers: dict[str, Any], place: str) -> Published:
    report, points = f"{place}/{REPORT}", f"{place}/{POINTS}"
    runs = {"wanted": len(backtest.runs), "new": backtest.new, "folder": backtest.plan.folder}
    link = report if "://" in report else Path(report).resolve().as_uri()
    return Published(report, points, link, {**numbers, "runs": runs, "report": report, "points": points})


def _rows(backtest: Backtest) -> dict[str, Any]:
    gathered, sizes = backtest.plan.gathered, backtest.plan.sizes
    return {
        "used": len(gathered.rows),
        "pool": sizes[0],
        "test": sizes[1],
        "unlabelled": gathered.unlabelled,
        "repeated": gathered.repeated,
        "not_in_pool": gathered.not_found,
        "not_finite": gathered.not_finite,
    }


def _copy(folder: Path, files: dict[str, str]) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror or error}; give another --out"
        ) from error
    return str(folder)


def strategy_table(outcome: Outcome) -> list[dict[str, Any]]:
    """Give the strategies, best first, as rows of short texts for a terminal or a run's page."""
    return [_row(row, outcome.control) for row in strategies(outcome)]


def _row(row: StrategyRow, control: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"strategy": shorten(row.name, 40), "mean": height(row.area)}
    found["end"] = decimal(row.final.value if row.final else None)
    if control is not None:
        found[f"vs {control}"] = f"{row.against.difference:+.4f}" if row.against else None
        found[HOLM] = f"{row.against.corrected:.2g}" if row.against else None
        found["labels"] = needed(row.reach) if row.reach else None
        share = row.reach.share if row.against and row.reach else None
        found["saved"] = None if share is None or row.reach is None else f"{bound(row.reach)}{share:.0%}"
    took = row.seconds["round"]
    return {**found, "a round": None if took is None else duration(took)}
