"""Labels needed: our strategies and the peers' on real labelled sets, from one run.

    make bench-labels                                   # 7 sets, 20 seeds; writes docs/label-efficiency.md
    make bench-labels BENCH_ARGS="--sets letter --seeds 5 --only margin badge 'scikit-activeml Badge'"

Every run is kept below bench-data/label-runs, so that a run that was interrupted goes on, and one of
more seeds makes only the new ones.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.progress import track

from benchmarks import label_report
from benchmarks.label_cases import CASES, OURS, contenders
from benchmarks.label_peers import PEERS
from benchmarks.label_runs import Task, run
from lamplighter.backtest.runs import Run


def main() -> None:
    """Make the missing runs, print the tables, write the page."""
    options = arguments()
    names = options.only or contenders()
    cases = [CASES[name] for name in options.sets]
    # Seed by seed, so that what is there after an interruption is complete for some seeds.
    tasks = [
        Task(case, name, seed)
        for seed in range(options.seeds)
        for case in cases
        for name in names
        if case.takes(name)
    ]
    found: dict[str, list[Run]] = {case.name: [] for case in cases}
    for task, done in track(run(tasks, options.jobs), total=len(tasks), description="runs"):
        found[task.case.name].append(done)
    text = label_report.page([(CASES[name], runs) for name, runs in found.items()], options.seeds)
    print(text)
    if options.write:
        options.write.write_text(text)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labels", description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(CASES), choices=list(CASES), help="data sets")
    parser.add_argument("--seeds", type=int, default=20, help="runs of each (default 20)")
    parser.add_argument("--only", nargs="+", choices=[*OURS, *PEERS], help="strategies (default all shared)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--write", type=Path, help="file for the page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
