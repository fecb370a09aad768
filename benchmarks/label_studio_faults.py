"""Faults between Lamplighter and a real Label Studio, again and again at random moments.

make bench-faults                              # both databases, 50 times each; what got lost or doubled?
make bench-faults BENCH_ARGS="--database sqlite --times 5 --only killed"

Every trial is one line of bench-data/label-studio-faults.jsonl; what is there already is not done again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from tests.labelers.label_studio.mishaps import DEADLY, MISHAPS
from tests.labelers.label_studio.trials import arranged, undergo
from tests.servers.label_studio import LabelStudio, label_studio_running
from tests.servers.label_studio_mortal import Mortal

#: Longer imports, so that a kill hits one.
LARGE = {"rows": 36, "chunk_rows": 12}
DATABASES = ("sqlite", "postgresql")
COLUMNS: Mapping[str, str] = {
    "rows": "rows",
    "tasks": "tasks",
    "lost": "lost",
    "doubled": "doubled",
    "unguessed": "without their guess",
    "answers": "answers",
    "collected": "collected",
    "answers_lost": "lost",
    "answers_doubled": "doubled",
    "told": "errors told",
}
Line: TypeAlias = Mapping[str, Any]


def main() -> None:
    """Run what has not been run, and print the table."""
    options = _arguments()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for database in options.database or DATABASES:
        wanted = [
            (fault, seed)
            for seed in range(options.seed, options.seed + options.times)
            for fault in MISHAPS
            if not options.only or any(word in fault for word in options.only)
        ]
        done = {(line["fault"], line["seed"]) for line in read(options.out) if line["database"] == database}
        left = [each for each in wanted if each not in done]
        if left:
            with _server(database) as server:
                _run(server, left, options.out)
    print(table(read(options.out)))
    print(struck(read(options.out)))


def _run(server: LabelStudio, left: Sequence[tuple[str, int]], out: Path) -> None:
    for fault, seed in left:
        line = trial(server, fault, seed)
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps({name: value for name, value in line.items() if value != 0}), flush=True)


def trial(server: LabelStudio, fault: str, seed: int) -> Line:
    """Let a fault happen once; give its account as JSON."""
    started = time.monotonic()
    line: dict[str, Any] = {"database": server.database, "fault": fault, "seed": seed}
    size = LARGE if fault in DEADLY else {}
    with (
        TemporaryDirectory(prefix="faults-") as folder,
        arranged(server, Path(folder) / "campaign", seed, **size) as each,
    ):
        try:
            line |= asdict(undergo(each, MISHAPS[fault]))
        except Exception as error:  # noqa: BLE001 - counted, and told in the table
            line |= {"broke": repr(error)[:500], "said": each.told[-2:]}
        line |= {"played": each.proxy.played, "problems": sorted(each.problems)}
        line["imports_died"] = sum("/import?" in request for request in each.proxy.unanswered)
    return line | {"seconds": round(time.monotonic() - started, 1)}


def read(path: Path) -> list[Line]:
    """Give the trials that were done."""
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


def table(lines: Sequence[Line]) -> str:
    """Sum the trials up, a line for each database and fault."""
    heads = ["database", "fault", "times", *COLUMNS.values(), "broke off"]
    rows = [heads, ["---"] * len(heads)]
    for database in DATABASES:
        for fault in MISHAPS:
            mine = [line for line in lines if (line["database"], line["fault"]) == (database, fault)]
            if mine:
                sums = [sum(line.get(name, 0) for line in mine) for name in COLUMNS]
                broke = sum("broke" in line for line in mine)
                rows.append([database, fault, *(f"{number:,}" for number in (len(mine), *sums, broke))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def struck(lines: Sequence[Line]) -> str:
    """Say how often a server that was killed had an import under way."""
    deadly = [line for line in lines if line["fault"] in DEADLY]
    hit = sum(line.get("imports_died", 0) > 0 for line in deadly)
    return f"Of {len(deadly)} trials in which the server was killed, an import died with it in {hit}."


@contextmanager
def _server(database: str) -> Iterator[LabelStudio]:
    with (
        TemporaryDirectory(prefix="label-studio-", ignore_cleanup_errors=True) as folder,
        label_studio_running(Path(folder), database, Mortal) as server,
    ):
        yield server
        server.running.end()  # before its folder goes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--database", choices=DATABASES, action="append", help="one alone")
    parser.add_argument("--only", action="append", help="faults with this word in their name")
    parser.add_argument("--times", type=int, default=50, help="trials of each fault")
    parser.add_argument("--seed", type=int, default=0, help="of the first trial; the next ones count on")
    parser.add_argument("--out", type=Path, default=Path("bench-data/label-studio-faults.jsonl"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
