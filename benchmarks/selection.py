"""Choosing from a shortlist against the peers, and what each strategy adds to a scan: one run.

    make bench-select
    make bench-select BENCH_ARGS="--rows 20000 --large-rows 0 --scan-rows 500000 --repeats 1"

CPU seconds, one thread. Every choice is made in a process of its own, whose peak memory is given; the
candidates themselves are part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import score_pools, selection_scan
from benchmarks.score import machine
from benchmarks.score_pools import Shape
from benchmarks.selection_ways import WAYS

#: Ours, and who does the same.
PEERS: Mapping[str, str] = {
    "lamplighter facility_location": "plain lazy greedy",
    "lamplighter k_center": "scikit-activeml CoreSet",
    "lamplighter badge": "scikit-activeml Badge",
}
LARGE = "lamplighter cluster_margin"


def main() -> None:
    """Run everything, print the tables, write the JSON."""
    options = arguments()
    size = ["--rows", str(options.rows), "--dim", str(options.dim), "--k", str(options.k)]
    chosen = {way: [_child(way, size) for _ in range(_repeats(way, options))] for way in WAYS}
    result: dict[str, Any] = {
        "machine": machine(),
        "load": os.getloadavg(),
        "rows": options.rows,
        "dim": options.dim,
        "k": options.k,
        "choices": chosen,
    }
    if options.large_rows:
        large = ["--rows", str(options.large_rows), "--dim", "64", "--k", str(options.large_rows // 10)]
        result["large"] = _child(LARGE, large)
    if options.scan_rows:
        pool = score_pools.pool(options.folder, Shape(options.scan_rows, 64, 10), "fixed_binary")
        result["scan"] = selection_scan.measure(pool, options.scan_repeats)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=1))
    show(result)
    print(f"\nAll numbers: {options.json}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection")
    parser.add_argument("--rows", type=int, default=50_000, help="candidates (default 50,000)")
    parser.add_argument("--dim", type=int, default=128, help="features (default 128)")
    parser.add_argument("--k", type=int, default=1_000, help="rows chosen (default 1,000)")
    parser.add_argument("--repeats", type=int, default=3, help="of ours; peers run once (default 3)")
    parser.add_argument("--large-rows", type=int, default=1_000_000, help="for cluster_margin; 0: leave out")
    parser.add_argument("--scan-rows", type=int, default=1_000_000, help="rows scanned; 0: leave out")
    parser.add_argument("--scan-repeats", type=int, default=3, help="scans of each strategy (default 3)")
    parser.add_argument("--folder", type=Path, default=Path("bench-data"), help="where the pool is kept")
    parser.add_argument("--json", type=Path, default=Path("bench-data/select.json"), help="for the numbers")
    return parser.parse_args()


def _repeats(way: str, options: argparse.Namespace) -> int:
    repeats: int = options.repeats if way.startswith("lamplighter") else 1
    return repeats


def _child(way: str, size: Sequence[str]) -> dict[str, Any]:
    print(f"{way} {' '.join(size)}", file=sys.stderr)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.selection_ways", way, *size]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(result: Mapping[str, Any]) -> None:
    """Print the tables."""
    out = Console(width=120)
    choices = result["choices"]
    seconds = {way: median(run["cpu_s"] for run in runs) for way, runs in choices.items()}
    title = f"{result['k']:,} of {result['rows']:,} x {result['dim']}"
    table = Table("way", "CPU s", "against the peer", "objective", "peak MB", title=title)
    for way, runs in choices.items():
        peer = PEERS.get(way)
        ratio = f"{seconds[peer] / seconds[way]:.1f} x faster" if peer else ""
        objective = runs[0].get("objective")
        shown = "" if objective is None else f"{objective:.5g}"
        table.add_row(way, f"{seconds[way]:.2f}", ratio, shown, str(max(r["peak_mb"] for r in runs)))
    out.print(table)
    if large := result.get("large"):
        out.print(
            f"{LARGE}, {large['picked']:,} rows: {large['cpu_s']:.0f} CPU s, peak {large['peak_mb']} MB"
        )
    if scan := result.get("scan"):
        out.print(_scan_table(scan))


def _scan_table(scan: Mapping[str, Any]) -> Table:
    table = Table(
        "strategy", "CPU s", "against margin", title=f"preparing and scanning {scan['rows']:,} rows"
    )
    plain = median(scan["seconds"]["margin"])
    for name, times in sorted(scan["seconds"].items(), key=lambda item: median(item[1])):
        table.add_row(name, f"{median(times):.2f}", f"{median(times) / plain:.2f}")
    return table


if __name__ == "__main__":
    main()
