"""The tables of the score benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

#: What is expected against the usual path, per core.
EXPECTED = {"fixed_binary/lamplighter": 4.0, "fixed_size_list/lamplighter": 1.5}
MOST_BYTES = 10**9
MOST_GROWTH = 0.10


def show(result: Mapping[str, Any]) -> None:
    """Print all tables, and whether what is expected was reached."""
    console = Console(width=110)
    console.print(files_table(result))
    console.print(memory_table(result))
    console.print(cluster_table(result["clusters"]))
    for line in verdicts(result):
        console.print(line)


def ratios(result: Mapping[str, Any]) -> dict[str, float]:
    """Give how many times as fast as the baseline each way is, by CPU seconds of the medians."""
    seconds: Mapping[str, Sequence[float]] = result["files"]
    baseline = median(seconds[result["baseline"]])
    return {name: baseline / median(values) for name, values in seconds.items()}


def files_table(result: Mapping[str, Any]) -> Table:
    """Speed from files."""
    table = Table(
        title=f"From files: {result['rows']:,} x {result['dim']} float32, best {result['k']:,} rows"
    )
    for name in ("layout", "way"):
        table.add_column(name)
    for name in ("Mrow/s per core", "GB/s per core", "x the usual path", "spread"):
        table.add_column(name, justify="right")
    times = ratios(result)
    for name, seconds in result["files"].items():
        layout, _, way = name.partition("/")
        rate = result["rows"] / median(seconds) / 1e6
        spread = (max(seconds) - min(seconds)) / median(seconds)
        row = [
            f"{rate:.2f}",
            f"{rate * result['row_bytes'] / 1e3:.2f}",
            f"{times[name]:.2f}",
            f"{spread:.0%}",
        ]
        table.add_row(layout, way, *row, end_section=way == "usual")
    return table


def memory_table(result: Mapping[str, Any]) -> Table:
    """Speed of the peers on rows in memory."""
    memory = result["memory"]
    table = Table(title=f"In memory: {memory['rows']:,} x {result['dim']}, best {memory['k']} rows")
    table.add_column("way")
    for name in ("Mrow/s per core", "lamplighter is faster by"):
        table.add_column(name, justify="right")
    own = median(memory["seconds"]["lamplighter"])
    for name, seconds in memory["seconds"].items():
        spent = median(seconds)
        table.add_row(name, f"{memory['rows'] / spent / 1e6:.3f}", f"{spent / own:.1f}")
    return table


def cluster_table(clusters: Sequence[Mapping[str, Any]]) -> Table:
    """What real clusters found and took."""
    table = Table(title="On Dask worker processes (FIXED_LEN_BYTE_ARRAY)")
    names = ("rows", "workers", "shard MB", "shards", "Mrow/s per core", "driver peak MB", "worker peak MB")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("digest of ids and scores")
    for run in clusters:
        rate = run["rows"] / run["cpu_seconds"] / 1e6
        peaks = [f"{run[name] / 1e6:.0f}" for name in ("driver_peak", "worker_peak")]
        cells = [f"{run['rows']:,}", run["workers"], run["shard_mb"], run["shards"], f"{rate:.2f}", *peaks]
        table.add_row(*map(str, cells), run["digest"])
    return table


def verdicts(result: Mapping[str, Any]) -> list[str]:
    """Say for each expectation whether it was reached."""
    times, clusters = ratios(result), result["clusters"]
    said = [
        _verdict(times[name] >= least, f"{name}: {times[name]:.2f} times the usual path (at least {least})")
        for name, least in EXPECTED.items()
    ]
    said.append(_verdict(result["overlap"] >= 0.999, f"overlap with float64: {result['overlap']:.4f}"))
    digests = {run["digest"] for run in clusters if run["rows"] == result["rows"]}
    said.append(_verdict(len(digests) == 1, "same ids for every number of workers and shard size"))
    peak = max(max(run["driver_peak"], run["worker_peak"]) for run in clusters)
    said.append(_verdict(peak < MOST_BYTES, f"largest peak {peak / 1e6:.0f} MB (under 1 GB)"))
    return said + _growth(result["rows"], clusters)


def _growth(rows: int, clusters: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compare the peaks of the larger pool with those of the same run on the smaller one."""
    larger = [run for run in clusters if run["rows"] != rows]
    if not larger:
        return []
    like = ("workers", "shard_mb")
    (small,) = [run for run in clusters if run["rows"] == rows and all(run[n] == larger[0][n] for n in like)]
    said = []
    for name in ("driver_peak", "worker_peak"):
        grown = larger[0][name] / small[name] - 1
        text = f"{name.replace('_', ' ')} at {larger[0]['rows']:,} rows: {grown:+.1%} (within 10%)"
        said.append(_verdict(abs(grown) <= MOST_GROWTH, text))
    return said


def _verdict(reached: bool, text: str) -> str:
    return f"[{'green' if reached else 'red'}]{'reached' if reached else 'MISSED '}[/] {text}"
