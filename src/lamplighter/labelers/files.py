"""A labeler for people and programs that exchange files: batches go out, answers come in.

A batch is written once, to ``<outbox>/round-000007-<batch id>.jsonl`` or ``.csv``:

=================  ========================================================================
id                 the row's id. In CSV, ids other than whole numbers of up to 15 digits start with
                   an apostrophe, so that a spreadsheet keeps them as text
your columns       the pool's display columns; one that is called like a column of this table
                   goes out as ``row.<name>``
predicted,         the model's guess and its probability, only with ``show_prediction: true``,
confidence         since a guess that is shown sways the answer
label              empty: to be filled in
annotator          empty: to be filled in with a name, where several people answer
batch              the batch's id
=================  ========================================================================

Rows that a second person is to answer stand also, or only, in ``round-000007-<batch id>-person-2``, and so
on for a third. Give it to somebody else, and let everybody fill in ``annotator``: without a name all
answers are one person's.

CSV is RFC 4180 in UTF-8 with a byte order mark, every cell quoted; a cell that a spreadsheet would run
as a formula starts with an apostrophe. Neither format says which rows are holdout rows.

Answers are every ``.jsonl`` and ``.csv`` object below ``<inbox>/``, in any folder, under any name, one
answer per line. The filled-in batch file is one; these columns (keys) are read, others are ignored:

=================  ========================================================================
id                 the row; also one that was never sent out
label              one of the campaign's classes; ``__skip__`` to abstain; empty: not answered yet
status             optional: labelled, abstained (or skipped), withdrawn (takes an earlier answer back)
annotator          optional: who answered, "anonymous" if empty. Of an annotator's answers about a row
                   the newest counts
created_at         optional: ISO 8601, UTC if without a zone
lead_time_s        optional: seconds that the answer took
=================  ========================================================================

Columns may stand in any order, in CSV also in any case; a byte order mark, any line ends, blank lines,
and ``;`` or tabs between CSV cells are fine. The whole inbox is read every time. A line that cannot be
read is reported with its place and left; once it is put right, or written to its end, the next collect
takes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lamplighter.errors import ConfigError, KeyExists, KeyMissing, unknown
from lamplighter.labelers.answers import annotation
from lamplighter.labelers.base import (
    Annotation,
    Batch,
    BatchRow,
    Collected,
    Cursor,
    Desk,
    Labeler,
    Problem,
    Ticket,
)
from lamplighter.labelers.exchange import LAYOUTS, Layout
from lamplighter.store.keys import checked_prefix

_OURS = ("rounds", "annotations", "reports")
#: Uploads on their way; they come back under their own name.
_UNFINISHED = (".tmp", ".part", ".crdownload", "~")


@dataclass(frozen=True)
class Files(Labeler):
    """Writes batches to an outbox and reads answers from an inbox, both in the campaign's store.

    The formats are described at the top of this module and in docs/formats.md.

    Attributes
    ----------
    format
        Of the batches: "jsonl" or "csv". Answers may be either.
    outbox, inbox
        Prefixes in the store.
    show_prediction
        Whether to send the model's guess along.
    layout
        "plain" as described above, or as another program has it: "doccano" or "potato", jsonl alone.
    """

    format: str = "jsonl"
    outbox: str = "labeling/out"
    inbox: str = "labeling/in"
    show_prediction: bool = False
    layout: str = "plain"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ConfigError(unknown("layout", self.layout, LAYOUTS))
        if self.format not in self._layout.sheets:
            raise ConfigError(unknown(f"format of layout '{self.layout}'", self.format, self._layout.sheets))
        for name in ("outbox", "inbox"):
            self._check_prefix(name, getattr(self, name))
        boxes = [_folder(box) for box in (self.outbox, self.inbox)]
        if boxes[0].startswith(boxes[1]) or boxes[1].startswith(boxes[0]):
            raise ConfigError(
                f"outbox '{self.outbox}' and inbox '{self.inbox}' lie in each other; give two folders"
            )

    @property
    def _layout(self) -> Layout:
        return LAYOUTS[self.layout]

    @staticmethod
    def _check_prefix(name: str, prefix: str) -> None:
        if not checked_prefix(prefix) or prefix.split("/", 1)[0] in _OURS:
            raise ConfigError(f"{name} is '{prefix}'; allowed: a folder outside of {', '.join(_OURS)}")

    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        """Write the batch's file, and one for each further person that rows want, unless they are there."""
        stem = f"{self.outbox.rstrip('/')}/round-{batch.round:06d}-{batch.id}"
        for person, part in _sheets(batch):
            key = f"{stem}.{self.format}" if person == 1 else f"{stem}-person-{person}.{self.format}"
            data = self._layout.sheets[self.format](part, show_prediction=self.show_prediction)
            # A file that is there went out before; somebody may already be filling it in.
            with suppress(KeyExists):
                desk.store.create(key, data)
        params = {"key": f"{stem}.{self.format}", "inbox": self.inbox, "layout": self.layout}
        return Ticket(batch.id, batch.round, batch.created_at, len(batch.rows), params)

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        """Read the whole inbox, whatever batch its lines belong to, and those that earlier batches had."""
        read = [said for box in self._inboxes(tickets, desk) for said in _read_all(box, desk)]
        return Collected(
            annotations=[said for said in read if isinstance(said, Annotation)],
            problems=[said for said in read if isinstance(said, Problem)],
        )

    def _inboxes(self, tickets: Sequence[Ticket], desk: Desk) -> Iterator[_Box]:
        """Give the files of the inbox, then those that lie in no inbox before."""
        boxes = {_folder(self.inbox): self._layout}
        for ticket in reversed(tickets):
            if "inbox" in ticket.params:  # tickets did not always keep it
                layout = LAYOUTS.get(ticket.params["layout"], self._layout)
                boxes.setdefault(_folder(ticket.params["inbox"]), layout)
        seen: set[str] = set()
        for prefix, layout in boxes.items():
            # What goes out may by now lie where answers once came in.
            keys = [key for key in desk.store.list(prefix) if not key.startswith(_folder(self.outbox))]
            yield _Box(layout, [key for key in keys if key not in seen])
            seen.update(keys)


@dataclass(frozen=True)
class _Box:
    """The files of an inbox, and how they are read."""

    layout: Layout
    keys: Sequence[str]


def _folder(prefix: str) -> str:
    return f"{prefix.rstrip('/')}/"


def _sheets(batch: Batch) -> Iterator[tuple[int, Batch]]:
    """Give the rows for the first person, then those that want a second, and so on."""
    most = max((_people(row) for row in batch.rows), default=1)
    for person in range(1, most + 1):
        rows = tuple(row for row in batch.rows if row.answered < person <= _people(row))
        if rows or person == 1:
            yield person, replace(batch, rows=rows)


def _people(row: BatchRow) -> int:
    return row.annotators or row.answered + 1


def _read_all(box: _Box, desk: Desk) -> Iterator[Annotation | Problem]:
    whole = [key for key in box.keys if not key.lower().endswith(_UNFINISHED)]
    for key in box.layout.chosen(whole):
        yield from _read(key, desk, box.layout)


def _read(key: str | Problem, desk: Desk, layout: Layout) -> Iterator[Annotation | Problem]:
    if isinstance(key, Problem):
        yield key
        return
    try:
        data = desk.store.get(key)
    except KeyMissing:
        yield Problem(key, "the file was taken away while it was being read")
        return
    for line in layout.lines(key, data):
        said = line if isinstance(line, Problem) else annotation(line, desk)
        if said is not None:
            yield said
