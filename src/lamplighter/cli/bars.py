"""A progress bar for long steps, on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from lamplighter.progress import Progress, listening


@contextmanager
def progress_bar(quiet: bool) -> Iterator[None]:
    """Show a bar for whatever tells its progress inside the block."""
    if quiet:
        yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar, listening(_Bars(bar)):
        yield


class _Bars:
    """One bar per kind of work, shown as long as it is under way."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.task: TaskID | None = None
        self.what = ""

    def __call__(self, progress: Progress) -> None:
        if progress.what != self.what or self.task is None:
            self.task = self.bar.add_task(progress.what, total=progress.total_rows)
            self.what = progress.what
        self.bar.update(
            self.task,
            completed=progress.rows,
            total=progress.total_rows,
            visible=progress.share < 1,
        )
