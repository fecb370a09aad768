"""A progress bar for long steps, on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from lamplighter.progress import Progress, listening
from lamplighter.report.text import duration

#: Seconds of work before it is said how long the rest will take.
SOON = 5.0


@contextmanager
def progress_bar(quiet: bool) -> Iterator[None]:
    """Show a bar for whatever tells its progress inside the block."""
    if quiet:
        yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar, listening(_Bars(bar)):
        yield


class _Bars:
    """One bar: the work that is under way."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.task: TaskID | None = None
        self.what = ""
        self.first: tuple[float, int] | None = None

    def __call__(self, progress: Progress) -> None:
        if progress.what != self.what or self.task is None:
            self._begin(progress.what)
        if progress.measured and self.task is not None:
            done = f"{progress.rows:,} of {progress.total_rows:,} {progress.unit}{self._left(progress)}"
            self.bar.update(self.task, completed=progress.rows, total=progress.total_rows, done=done)

    def _begin(self, what: str) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task, self.what, self.first = self.bar.add_task(what, total=None, done=""), what, None

    def _left(self, progress: Progress) -> str:
        """Say how long the rest will take, at the pace since the bar came up."""
        now = monotonic()
        self.first = self.first or (now, progress.rows)
        elapsed, done = now - self.first[0], progress.rows - self.first[1]
        left = progress.total_rows - progress.rows
        return f", {duration(elapsed / done * left)} left" if elapsed >= SOON and done and left else ""
