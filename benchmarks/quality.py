"""Label quality against crowd-kit, cleanlab and krippendorff, which run in an environment of their own.

make bench-quality                                   # writes docs/label-quality.md and the golden files
make bench-quality BENCH_ARGS="--no-large"
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import quality_crowds, quality_golden, quality_report
from benchmarks.quality_crowds import Crowd
from benchmarks.quality_parity import ranking, rows

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-quality-peers/bin/python"
#: Everybody gets one thread: CPU seconds are then seconds.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> None:
    """Run the peers and ours, print the tables, write what was asked for."""
    options = arguments()
    if options.golden:
        for crowd in quality_crowds.small():
            quality_golden.write(options.golden, crowd, peers("compare", crowd))
    crowds = quality_crowds.every()
    found = [peers("compare", crowd) for crowd in crowds]
    compared = [row for crowd, peer in zip(crowds, found, strict=True) for row in rows(crowd, peer)]
    rankings = [r for crowd, peer in zip(crowds, found, strict=True) if (r := ranking(crowd, peer))]
    text = quality_report.section(crowds, compared, rankings, ", ".join(map(str, found[0]["versions"])))
    if options.large:
        text += "\n\n" + large()
    print(text)
    if options.write:
        quality_report.put(options.write, text)


def large() -> str:
    """Run the large crowds, ours and the peers'."""
    parts = []
    for crowd, told in (
        (quality_crowds.million(), quality_report.million),
        (quality_crowds.assisted(), quality_report.assisted),
    ):
        ours = run([sys.executable, "-m", "benchmarks.quality_large", crowd.name], crowd)
        parts.append(told(ours, peers(crowd.name, crowd), crowd.truth))
    return "\n\n".join(parts)


def peers(what: str, crowd: Crowd) -> dict[str, Any]:
    """Have the peers do something with a crowd."""
    if not PEERS.exists():
        raise SystemExit(f"{PEERS} is missing; `make bench-quality` makes it")
    return run([str(PEERS), "benchmarks/quality_peers.py", what], crowd)


def run(command: list[str], crowd: Crowd) -> dict[str, Any]:
    """Give a command a crowd's file and a place for its result; read the result."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "crowd.npz", Path(folder) / "result.npz"
        np.savez(source, **crowd.arrays())
        subprocess.run(
            [*command, str(source), str(target)], cwd=ROOT, env=os.environ | ONE_THREAD, check=True
        )
        with np.load(target) as file:
            return {name: file[name] for name in file.files}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--large", action=argparse.BooleanOptionalAction, default=True, help="the large crowds"
    )
    parser.add_argument("--golden", type=Path, help="folder for the peers' results on small crowds")
    parser.add_argument("--write", type=Path, help="Markdown file with the markers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
