"""The score step against the usual path and its peers, from one run on one machine.

    make bench-score                        # 4,000,000 x 64 in three layouts, 16,000,000 for memory
    make bench-score BENCH_ARGS="--rows 500000 --memory-rows 0 --repeats 3"

Speed is rows per CPU second of one core: wall time means little on a shared machine. Repeats of all
ways are interleaved, so that what else the machine does falls on all of them; medians are given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks import score_peers, score_pools, score_report, score_ways
from benchmarks.score_pools import Shape
from lamplighter.pool import Pool
from lamplighter.testing.pools import LayoutName

#: The usual path: what the ratios are against.
BASELINE = ("fixed_size_list", "usual")
RUNS = ((1, 128), (2, 128), (4, 128), (2, 32), (2, 500))
MEMORY_RUN = (2, 128)


def main() -> None:
    """Run everything and print the tables; write the JSON."""
    options = arguments()
    shape = Shape(options.rows, options.dim, options.classes)
    task = score_ways.make_task(shape, options.k)
    pools = {layout: score_pools.pool(options.folder, shape, layout) for layout in score_pools.LAYOUTS}
    result: dict[str, Any] = {
        "rows": shape.rows,
        "dim": shape.dim,
        "classes": shape.classes,
        "k": options.k,
        "repeats": options.repeats,
        "row_bytes": 4 * shape.dim + 8,
        "baseline": "/".join(BASELINE),
        "machine": machine(),
        "load_before": os.getloadavg(),
        "files": from_files(task, pools, options.repeats),
        "memory": in_memory(task, min(options.peer_rows, shape.rows), options.repeats),
        "overlap": overlap(task, pools["fixed_binary"]),
        "clusters": on_clusters(options),
        "load_after": os.getloadavg(),
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=1))
    score_report.show(result)
    print(f"\nAll numbers: {options.json}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.score", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=4_000_000, help="rows of the pools (default 4,000,000)")
    parser.add_argument("--dim", type=int, default=64, help="features (default 64)")
    parser.add_argument("--classes", type=int, default=10, help="classes (default 10)")
    parser.add_argument("--k", type=int, default=10_000, help="rows selected (default 10,000)")
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats of each way (default 5)")
    parser.add_argument("--peer-rows", type=int, default=200_000, help="rows in memory for the peers")
    parser.add_argument(
        "--memory-rows", type=int, default=16_000_000, help="a larger pool for peak memory; 0 for none"
    )
    parser.add_argument("--folder", type=Path, default=Path("bench-data"), help="where the pools are kept")
    parser.add_argument(
        "--json", type=Path, default=Path("bench-data/score.json"), help="where the numbers go"
    )
    return parser.parse_args()


def from_files(task: score_ways.Task, pools: Mapping[LayoutName, Pool], repeats: int) -> dict[str, Any]:
    """Time what reads files: CPU seconds of each repeat, by layout and way."""
    ways: dict[str, Callable[[], object]] = {}
    for layout, pool in pools.items():
        ways[f"{layout}/lamplighter"] = partial(score_ways.ours, task, pool)
        ways[f"{layout}/lamplighter, scores only"] = partial(score_ways.ours, task, pool, bare=True)
        ways[f"{layout}/pyarrow decode"] = partial(score_ways.decode, pool)
        ways[f"{layout}/usual"] = partial(score_ways.usual, task, pool)
    return timed(ways, repeats)


def in_memory(task: score_ways.Task, rows: int, repeats: int) -> dict[str, Any]:
    """Time ours and the peers on the same rows in memory, with a batch they can pick."""
    ids, x = score_pools.chunk(task.shape, 0)
    ids, x = ids[:rows], x[:rows]
    small = score_ways.make_task(task.shape, min(100, rows))
    seconds = timed(score_peers.ways(small, np.ascontiguousarray(x), ids), max(2, repeats // 2))
    return {"rows": len(x), "k": small.k, "seconds": seconds}


def timed(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Run all ways in turn, again and again; one untimed turn first fills caches."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with Progress(transient=True) as bar:
        doing = bar.add_task("timing", total=len(ways) * (repeats + 1))
        for turn in range(repeats + 1):
            for name, way in ways.items():
                bar.update(doing, description=name)
                start = time.process_time()
                way()
                if turn:
                    seconds[name].append(time.process_time() - start)
                bar.advance(doing)
    return seconds


def overlap(task: score_ways.Task, pool: Pool) -> float:
    """Give the share of the float64 reference's ids that our shortlist holds."""
    found = set(score_ways.ours(task, pool, bare=True).shortlist.ids.to_pylist())
    wanted = set(score_ways.reference(task, pool).tolist())
    return len(found & wanted) / len(wanted)


def on_clusters(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Scan on real clusters, each in a fresh process: 1, 2 and 4 workers, several shard sizes, more rows."""
    runs = [(options.rows, *run) for run in RUNS]
    if options.memory_rows:
        runs.append((options.memory_rows, *MEMORY_RUN))
    return [_scan_in_child(options, rows, workers, shard_mb) for rows, workers, shard_mb in runs]


def _scan_in_child(options: argparse.Namespace, rows: int, workers: int, shard_mb: int) -> dict[str, Any]:
    shape = Shape(rows, options.dim, options.classes)
    score_pools.pool(options.folder, shape, "fixed_binary")  # written here, not in the process measured
    command = [sys.executable, "-m", "benchmarks.score_memory", str(options.folder)]
    command += [str(rows), str(options.dim), str(options.classes), "--k", str(options.k)]
    command += ["--workers", str(workers), "--shard-mb", str(shard_mb)]
    print(f"scanning {rows:,} rows with {workers} worker(s), shards of {shard_mb} MB", file=sys.stderr)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> dict[str, Any]:
    """Say what the numbers were made on."""
    cpu = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
    return {
        "cpu": cpu[0].partition(": ")[2] if cpu else "unknown",
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "numpy": np.__version__,
    }


if __name__ == "__main__":
    main()
