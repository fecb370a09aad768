"""What sending rows to a real Label Studio and collecting what people said costs, and whose time it is.

    python -m benchmarks.label_studio --rows 10000 --annotators 3 --json speed.json

A server on SQLite is started on loopback, from .venv-labelstudio. Answers are written into its database
past its API, as if people had given them: 30,000 requests would take the server an hour. "Waiting" is the
wall time in which this process used no CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lamplighter import annotations as annotation_table
from lamplighter.labelers.base import Batch, BatchRow, Cursor, Desk
from lamplighter.labelers.label_studio import LabelStudio
from lamplighter.store.local import LocalStore
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio import label_studio_running

CLASSES = ("cat", "dog", "eel")
#: What people submit, as the server keeps it.
ANSWER = """
INSERT INTO task_completion (result, was_cancelled, created_at, updated_at, task_id, prediction, lead_time,
    result_count, completed_by_id, updated_by_id, ground_truth, project_id, unique_id, bulk_created)
SELECT :result, 0, :now, :now, task.id, '{}', 2.5, 1, :user, :user, 0, task.project_id,
    lower(hex(randomblob(16))), 0 FROM task
"""


@dataclass(frozen=True)
class Cost:
    """What one operation took: seconds on the clock, of our CPU and of the server's."""

    what: str
    items: int
    unit: str
    wall_s: float
    our_cpu_s: float
    server_cpu_s: float

    @property
    def waiting(self) -> float:
        """Share of the time in which this process did nothing."""
        return 1 - self.our_cpu_s / self.wall_s

    @property
    def per_s(self) -> float:
        """Items in a second."""
        return self.items / self.wall_s


def batch_of(rows: int) -> Batch:
    """Make a batch of short texts with guesses."""
    made = tuple(
        BatchRow(
            id=number,
            purpose="batch",
            rank=number + 1,
            score=0.5,
            predicted=CLASSES[number % 3],
            proba=(0.5, 0.3, 0.2),
            display={"text": f"Row {number}. " + "A sentence of some words that a person reads. " * 4},
        )
        for number in range(rows)
    )
    return Batch("bench-000001-0a1b2c3d", 1, datetime.now(UTC), CLASSES, made)


def measure(folder: str, rows: int, annotators: int) -> list[Cost]:
    """Dispatch, dispatch again, collect everything, and collect what is new; each checked."""
    with _started(folder) as server:
        labeler = LabelStudio(url=server.url, token=server.token, create=True, annotators_per_row=annotators)
        desk = Desk(LocalStore(f"{folder}/store"), "bench", CLASSES)
        batch, costs = batch_of(rows), list[Cost]()
        timed = _timer(server, costs)
        ticket = timed("dispatch", "rows", rows, lambda: labeler.dispatch(batch, desk))
        _check_sent(server, rows)
        timed("dispatch again", "rows", rows, lambda: labeler.dispatch(batch, desk))
        timed("refresh", "rows", rows, lambda: labeler.refresh(_changed(batch), [ticket], desk))
        answer_all(server, annotators)
        said = timed("collect", "answers", rows * annotators, lambda: _collect(labeler, ticket, desk))
        assert len({(a.id, a.annotator) for a in said}) == rows * annotators
        known = annotation_table.from_parquet(annotation_table.to_parquet(said, 2, True))
        again = timed(
            "collect, nothing new",
            "answers",
            rows * annotators,
            lambda: _collect(labeler, ticket, desk, known),
        )
        assert again == []
        return costs


@contextmanager
def _started(folder: str) -> Iterator[Server]:
    with label_studio_running(Path(folder) / "server") as server:
        yield server
        server.running.end()


def answer_all(server: Server, annotators: int) -> None:
    """Let so many people answer each task hours ago, the last task later than the others."""
    value = {"from_name": "label", "to_name": "row", "type": "choices", "value": {"choices": ["dog"]}}
    then, later = (_text(datetime.now(UTC) - timedelta(hours=hours)) for hours in (3, 2))
    with _database(server) as database:
        for user in range(1, annotators + 1):
            database.execute(ANSWER, {"result": json.dumps([value]), "now": then, "user": user})
        done = "UPDATE task SET is_labeled = 1, total_annotations = ?, updated_at = ?"
        database.execute(done, (annotators, then))
        last = "(SELECT max(id) FROM task)"
        database.execute(f"UPDATE task SET updated_at = ? WHERE id = {last}", (later,))  # noqa: S608 - a number of ours
        database.execute(f"UPDATE task_completion SET updated_at = ? WHERE task_id = {last}", (later,))  # noqa: S608 - a number of ours


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


@contextmanager
def _database(server: Server) -> Iterator[sqlite3.Connection]:
    (path,) = server.folder.rglob("label_studio.sqlite3")
    database = sqlite3.connect(path, timeout=60)
    try:
        with database:
            yield database
    finally:
        database.close()


def _check_sent(server: Server, rows: int) -> None:
    with _database(server) as database:
        sent = "SELECT count(*), count(DISTINCT json_extract(data, '$.lamplighter_id')) FROM task"
        assert database.execute(sent).fetchone() == (rows, rows)
        guesses = "SELECT count(*), count(DISTINCT task_id) FROM prediction"
        assert database.execute(guesses).fetchone() == (rows, rows)


def _changed(batch: Batch) -> tuple[BatchRow, ...]:
    turned = {CLASSES[n]: CLASSES[(n + 1) % 3] for n in range(3)}
    return tuple(
        BatchRow(row.id, row.purpose, row.rank, predicted=turned[str(row.predicted)], proba=(0.4, 0.3, 0.3))
        for row in batch.rows
    )


def _collect(labeler: LabelStudio, ticket: Any, desk: Desk, known: Any = None) -> list[Any]:
    collected = labeler.collect([ticket], Cursor(2, known=known), desk)
    assert not collected.problems
    return list(collected.annotations)


def _timer(server: Server, costs: list[Cost]) -> Callable[[str, str, int, Callable[[], Any]], Any]:
    def timed(what: str, unit: str, items: int, do: Callable[[], Any]) -> Any:
        before = (time.perf_counter(), time.process_time(), _cpu(server))
        result = do()
        after = (time.perf_counter(), time.process_time(), _cpu(server))
        wall, ours, theirs = (round(b - a, 3) for a, b in zip(before, after, strict=True))
        costs.append(Cost(what, items, unit, wall, ours, theirs))
        return result

    return timed


def _cpu(server: Server) -> float:
    fields = Path(f"/proc/{server.running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table_of(costs: list[Cost]) -> Table:
    """Give the costs as a table."""
    table = Table(title="Label Studio on SQLite, loopback")
    for name in ("", "items", "seconds", "a second", "our CPU s", "server's CPU s", "waiting"):
        table.add_column(name, justify="left" if not name else "right")
    for cost in costs:
        numbers = (f"{cost.wall_s:.1f}", f"{cost.per_s:,.0f}", f"{cost.our_cpu_s:.1f}")
        more = (f"{cost.server_cpu_s:.1f}", f"{cost.waiting:.0%}")
        table.add_row(cost.what, f"{cost.items:,} {cost.unit}", *numbers, *more)
    return table


def main() -> None:
    """Run it as a command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--annotators", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        costs = measure(folder, arguments.rows, arguments.annotators)
    Console(width=110).print(table_of(costs))
    if arguments.json:
        said = [asdict(cost) | {"per_s": cost.per_s, "waiting": cost.waiting} for cost in costs]
        arguments.json.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
