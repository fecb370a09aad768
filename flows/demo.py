"""`make demo`: a campaign on real data, beside the same one with random selection."""

# No `from __future__ import annotations` here, as in all flow modules.
import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from flows.local_server import LocalServer, configured_server
from lamplighter.cli import show
from lamplighter.cli.bars import progress_bar
from lamplighter.cli.flow_commands import run_rounds
from lamplighter.cli.lines import start_lines
from lamplighter.driver import open_driver
from lamplighter.report import Curve, Saving, saving
from lamplighter.reporting import gather, publish_report
from lamplighter.testing.datasets import DemoPool, write_demo_pool

console = Console(stderr=True, highlight=False)


def settings(pool: DemoPool, strategy: str) -> dict[str, Any]:
    """Give the campaign file of one arm; both differ in name, strategy and store alone."""
    name = "letters" if strategy == "margin" else f"letters-{strategy}"
    return {
        "name": name,
        "seed": 7,
        "pool": {"url": str(pool.pool), "features": "embedding", "display": ["text"]},
        "classes": list(pool.classes),
        "learner": {
            "name": "sklearn.ensemble.ExtraTreesClassifier",
            "params": {"n_estimators": 100},
            "scale": False,
            "calibrate": False,
        },
        "strategy": strategy,
        "cold_start": "random",
        "batch_size": 250,
        "labeler": {"name": "simulated", "params": {"labels": str(pool.truth)}},
        "evaluation": {"holdout": 1500, "metric": "accuracy"},
        "stopping": [{"name": "target", "params": {"value": 0.945}}] if strategy == "margin" else [],
        "budget": {"rounds": 14, "cost_per_label": 0.05},
        "store": f"store-{strategy}",
    }


def write_campaigns(folder: Path, pool: DemoPool) -> tuple[str, str]:
    """Write both campaign files; give their paths, the control's last."""
    paths = []
    for strategy in ("margin", "random"):
        shutil.rmtree(folder / f"store-{strategy}", ignore_errors=True)
        told = settings(pool, strategy) | ({"control": "store-random"} if strategy == "margin" else {})
        path = folder / ("campaign.yaml" if strategy == "margin" else "control.yaml")
        path.write_text(yaml.safe_dump(told, sort_keys=False), "utf-8")
        paths.append(str(path))
    return paths[0], paths[1]


@contextmanager
def server(folder: Path, keep: bool) -> Iterator[str]:
    """Use the Prefect server that is configured, or start one and, if wanted, leave it running."""
    if address := configured_server():
        yield address
        return
    with console.status("starting a Prefect server (30 s the first time)"):
        started = LocalServer.start(folder / "prefect")
    try:
        yield started.ui
    except BaseException:
        started.stop()
        raise
    if not keep:
        started.stop()


def main() -> int:
    """Run the demo; give the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("demo"))
    options.add_argument("--stop-server", action="store_true", help="do not leave the Prefect server running")
    chosen = options.parse_args()
    start_lines()
    folder: Path = chosen.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with console.status("writing the pool: 18,668 letters of the UCI letter recognition set"):
        pool = write_demo_pool(folder)
    campaign, control = write_campaigns(folder, pool)
    show.say(f"pool: 18,668 letters of the UCI letter recognition set, 26 classes, in {pool.pool}")
    with server(folder, keep=not chosen.stop_server) as ui, progress_bar(quiet=False):
        show.say(f"Prefect: {ui}")
        run_rounds("flows.campaign", "campaign", campaign=campaign, control=control)
        report = publish_report(open_driver(campaign)).url
    show_result(campaign, report, None if chosen.stop_server else ui)
    return 0


def show_result(campaign: str, report: str, ui: str | None) -> None:
    """Print both curves, what was saved, and where to look."""
    data = gather(open_driver(campaign))
    curve, control = data.curve, data.control_curve
    rows = [[p.round, p.labels, _shown(curve, p.labels), _shown(control, p.labels)] for p in curve.points]
    show.table(
        f"{data.metric} with 95% interval, on {_holdout(curve, data)} random rows",
        ["round", "labels", data.strategy, data.control_name],
        rows,
    )
    saved = saving(curve, control, data.cost_per_label) if control else None
    if saved:
        show.say(_said(saved, data.control_name))
    if data.record.stop:
        show.say(f"stopped by {data.record.stop.rule}: {data.record.stop.reason}")
    show.say(f"report:  {report}")
    if ui:
        show.say(f"Prefect: {ui}   (stop the server with: make demo-stop)")


def _holdout(curve: Curve, data: Any) -> int:
    return data.metrics.holdout_rows if data.metrics else 0


def _shown(curve: Curve | None, labels: int) -> str:
    found = [p for p in curve.points if p.labels == labels] if curve else []
    return show.estimate(found[0].value, found[0].low, found[0].high) if found else "-"


def _said(saved: Saving, control: str) -> str:
    money = f", {saved.cost:,.2f} in money" if saved.cost else ""
    return (
        f"{saved.value:.3f} took {saved.needed:,.0f} labels; {control} selection took "
        f"{saved.control_needed:,.0f}: {saved.share:.0%} saved{money}"
    )


if __name__ == "__main__":
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    sys.exit(main())
