"""One scan on a real cluster of worker processes, in a process of its own: what it finds, what it takes.

    python -m benchmarks.score_memory POOL ROWS DIM CLASSES --workers 2

prints one JSON line. Peaks are VmHWM: ru_maxrss is inherited from the process that started this one.
"""

from __future__ import annotations

import argparse
import json
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks import score_pools, score_ways
from benchmarks.score_pools import Shape
from lamplighter import cluster
from lamplighter.config import ClusterConfig
from lamplighter.testing.pools import LayoutName


def peak_bytes() -> int:
    """Give the most memory this process ever had resident."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def cpu_seconds() -> float:
    """Give the CPU time of this process so far."""
    return time.process_time()


def scan_once(task: score_ways.Task, pool: Any, *, workers: int, shard_bytes: int) -> dict[str, Any]:
    """Scan with so many workers; give a digest of what was found, and the peaks."""
    job = score_ways.job(task, pool)
    shards = pool.shards(shard_bytes)
    with cluster.connect(ClusterConfig(workers=workers)) as client:
        bare = client.run(peak_bytes)
        before = sum(client.run(cpu_seconds).values())
        found = cluster.scan_pool(client, job, shards)
        cpu = sum(client.run(cpu_seconds).values()) - before
        peaks = client.run(peak_bytes)
    best = found.shortlist
    digest = sha256(best.ids.to_numpy().tobytes() + best.score.tobytes() + found.sample.predicted.tobytes())
    return {
        "workers": workers,
        "shard_mb": round(shard_bytes / 2**20),
        "shards": len(shards),
        "rows": found.rows,
        "digest": digest.hexdigest()[:16],
        "cpu_seconds": round(cpu, 3),
        "driver_peak": peak_bytes(),
        "worker_peak": max(peaks.values()),
        "worker_idle": max(bare.values()),
    }


def main() -> None:
    """Read the arguments, scan, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("dim", type=int)
    parser.add_argument("classes", type=int)
    parser.add_argument("--layout", default="fixed_binary")
    parser.add_argument("--k", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-mb", type=int, default=128)
    options = parser.parse_args()
    shape = Shape(options.rows, options.dim, options.classes)
    layout: LayoutName = options.layout
    pool = score_pools.pool(options.folder, shape, layout)
    task = score_ways.make_task(shape, options.k)
    taken = scan_once(task, pool, workers=options.workers, shard_bytes=options.shard_mb * 2**20)
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
