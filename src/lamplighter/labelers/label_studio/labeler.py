"""People who label in Label Studio: tasks go out, and what they say comes back.

docs/labelers.md says what is guaranteed, and what happens on which failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from lamplighter.errors import ConfigError, LabelerError
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
from lamplighter.labelers.label_studio import batches
from lamplighter.labelers.label_studio.claims import Claim, TakenOver, claimed
from lamplighter.labelers.label_studio.client import Client, Gone, session
from lamplighter.labelers.label_studio.collecting import Collecting, Elsewhere, by_project, by_server, of_host
from lamplighter.labelers.label_studio.label_config import control_in
from lamplighter.labelers.label_studio.project import Project, Wanted, checked, found_or_made, mark_of
from lamplighter.labelers.label_studio.tasks import OURS, Tasks
from lamplighter.labelers.label_studio.templates import interface
from lamplighter.labelers.parameters import address, switch, text, whole
from lamplighter.labelers.wire import Patience
from lamplighter.redaction import SECRET

T = TypeVar("T")
_TITLE = range(3, 51)
_TURNS = 5


@dataclass(frozen=True)
class LabelStudio(Labeler):
    """Sends rows to a Label Studio project, and collects what people answer there.

    Attributes
    ----------
    url
        The server's address, with the path that it is served under.
    token
        A legacy token or a personal access token, as ${NAME}.
    project
        Number of the project to use; it must ask for the campaign's classes.
    create
        Make a project for this campaign, and find it again.
    title
        Of the project that is made; empty: the campaign's name.
    template
        Its interface: text, image, table, the path or address of an XML file, or None for what suits.
    question
        Stands over the choices of a built-in interface.
    instruction
        Shown to annotators before they begin; may be HTML.
    columns
        Display columns that are sent; none: all.
    annotators_per_row
        How many people see each row.
    show_prediction
        Whether annotators see the model's guess.
    chunk_rows
        Tasks in one import.
    timeout_s, attempts, backoff_s, max_wait_s
        See `Patience`.
    """

    url: str
    token: str = field(repr=False, metadata=SECRET)
    project: int | None = None
    create: bool = False
    title: str = ""
    template: str | None = None
    question: str = ""
    instruction: str = ""
    columns: tuple[str, ...] = ()
    annotators_per_row: int = 1
    show_prediction: bool = True
    chunk_rows: int = 500
    timeout_s: float = 60.0
    attempts: int = 5
    backoff_s: float = 0.5
    max_wait_s: float = 30.0

    def __post_init__(self) -> None:
        address("url", self.url)
        token: object = self.token
        if not isinstance(token, str) or not token.isascii() or not token or token.split() != [token]:
            raise ConfigError("token is no token; give it as ${NAME}, from Account & Settings")
        for name in ("create", "show_prediction"):
            switch(name, getattr(self, name))
        whole("annotators_per_row", self.annotators_per_row, 1)
        whole("chunk_rows", self.chunk_rows, 1)
        self._check_project()
        self._check_texts()
        object.__setattr__(self, "columns", tuple(self.columns))
        _ = self.patience

    def _check_project(self) -> None:
        if self.project is not None:
            whole("project", self.project, 1)
        if (self.project is None) != self.create:
            raise ConfigError("give either project, a project's number, or create: true")
        if self.project is not None and (self.template or self.title or self.question or self.instruction):
            raise ConfigError(
                "title, template, question and instruction are for create: true; "
                f"project {self.project} has its own"
            )

    def _check_texts(self) -> None:
        if self.template is not None:
            text("template", self.template)
        for name in ("title", "question", "instruction"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; allowed: a text")
        if self.title and len(self.title) not in _TITLE:
            raise ConfigError(f"title has {len(self.title)} characters; allowed: 3 to 50")
        columns: object = self.columns
        listed = isinstance(columns, list | tuple) and all(isinstance(name, str) for name in columns)
        if not listed:
            raise ConfigError(f"columns is {self.columns!r}; allowed: a list of columns of pool.display")

    @property
    def follows_up(self) -> bool:
        """Tasks can be shown anew and deleted."""
        return True

    @property
    def answers_per_row(self) -> int:
        """The people who see each row."""
        return self.annotators_per_row

    @property
    def patience(self) -> Patience:
        """How the server is treated."""
        return Patience(self.timeout_s, self.attempts, self.backoff_s, self.max_wait_s)

    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        """Bring the batch's rows into the project, each once.

        Raises
        ------
        LabelerError
            The project cannot be used as it is, or the server refused or failed; run again.
        """
        if not batch.rows:
            return Ticket(batch.id, batch.round, batch.created_at, 0)
        shown = self._shown(batch.rows)

        def send(client: Client, claim: Claim) -> Ticket:
            mark = mark_of(desk)
            project = self._project(client, desk, mark, shown)
            outgoing = batches.Outgoing(
                batch=batch,
                tasks=Tasks(client, project.id, mark),
                project=project,
                columns=tuple(shown),
                per_row=self.annotators_per_row,
                guesses=self.show_prediction,
            )
            return outgoing.send(claim, self.chunk_rows)

        return self._writing(desk, send)

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        """Give answers, edits, skips and deletions of people since the newest stored answer."""
        said: list[Annotation | Problem] = []
        with self._open() as client:
            here, elsewhere = self._servers(client, tickets, desk)
            for collecting in here:
                said += (of_host(each, client) for each in collecting.answers(since))
            said += (each.problem(client) for each in elsewhere)
        return Collected(
            [each for each in said if isinstance(each, Annotation)],
            [each for each in said if isinstance(each, Problem)],
        )

    def refresh(self, rows: Sequence[BatchRow], tickets: Sequence[Ticket], desk: Desk) -> int:
        """Replace the predictions of tasks that nobody has answered; give how many show the newest."""
        if not self.show_prediction or not rows:
            return 0

        def show(client: Client, claim: Claim) -> int:
            return sum(
                batches.refresh(c.tasks, c.tickets, rows) for c in self._projects(client, tickets, desk)
            )

        return self._writing(desk, show)

    def withdraw(
        self, ids: Sequence[int | str], tickets: Sequence[Ticket], desk: Desk
    ) -> Sequence[int | str]:
        """Delete the tasks of these rows that nobody has answered; give the rows that have no task now."""
        if not ids:
            return ()

        def take_back(client: Client, claim: Claim) -> Sequence[int | str]:
            left: set[int | str] = set()
            for collecting in self._projects(client, tickets, desk):
                left |= batches.withdraw(collecting.tasks, collecting.tickets, ids)
            return [row_id for row_id in ids if row_id not in left]

        return self._writing(desk, take_back)

    def finished(self, ticket: Ticket, desk: Desk) -> bool | None:
        """Say whether each task of a batch has as many answers as are wanted; a skip is one."""
        with self._open() as client:
            here, elsewhere = self._servers(client, [ticket], desk)
            if elsewhere:
                return None
            try:
                return all(batches.is_finished(part.tasks, ticket) for part in here)
            except Gone:
                return None

    # What they share

    @contextmanager
    def _open(self) -> Iterator[Client]:
        with session(self.url, self.token, self.patience) as client:
            try:
                yield client
            except LabelerError as error:
                said = client.scrubbed(str(error))
                if said == str(error):
                    raise
                raise type(error)(said) from None

    def _writing(self, desk: Desk, do: Callable[[Client, Claim], T]) -> T:
        """Do something while no other driver writes; anew if one has taken over and is done."""
        for _ in range(_TURNS):
            try:
                with claimed(desk.store) as claim, self._open() as client:
                    return do(client, claim)
            except TakenOver:
                continue
        raise LabelerError(f"other drivers took over {_TURNS} times in a row; let one run at a time")

    def projects_here(self, client: Client, tickets: Sequence[Ticket], desk: Desk) -> set[int]:
        """Give the numbers of the projects that may hold rows: the named one, and those of tickets."""
        named = set() if self.project is None else {self.project}
        return named | {each.tasks.project for each in self._projects(client, tickets, desk)}

    def _projects(self, client: Client, tickets: Sequence[Ticket], desk: Desk) -> list[Collecting]:
        return self._servers(client, tickets, desk)[0]

    def _servers(
        self, client: Client, tickets: Sequence[Ticket], desk: Desk
    ) -> tuple[list[Collecting], list[Elsewhere]]:
        """Give the projects that tickets are about, and tickets of another server."""
        mark = mark_of(desk) if by_project(tickets) else ""
        return by_server(client, tickets, desk, mark)

    def _project(self, client: Client, desk: Desk, mark: str, shown: Mapping[str, object]) -> Project:
        number = self.project
        if number is None:
            xml = interface(self.template, desk.classes, shown, self.question)
            control_in(xml, desk.classes, {*shown, *OURS}, "the template")
            title = self.title or f"{desk.campaign:_<3}"[:50]
            wanted = Wanted(title, xml, self.annotators_per_row, self.instruction)
            number = found_or_made(client, desk, mark, wanted)
        project = checked(client, number, desk, {*shown, *OURS})
        if project.annotations != self.annotators_per_row:
            raise LabelerError(
                f"project {number} shows each task to {project.annotations} people, and annotators_per_row "
                f"is {self.annotators_per_row}; make them equal, or set maximum_annotations of "
                f"the project by PATCH /api/projects/{number}/"
            )
        return project

    def _shown(self, rows: Sequence[BatchRow]) -> Mapping[str, object]:
        """Give the columns that are sent, each as the first row has it that shows something there."""
        there: dict[str, object] = {}
        # Rows that go back may have been picked when other columns were shown.
        for name, value in (cell for row in rows for cell in row.display.items()):
            if there.get(name) is None:
                there[name] = value
        missing = [name for name in self.columns if name not in there]
        if missing:
            raise LabelerError(
                f"labeler.params.columns names '{missing[0]}'; pool.display has {', '.join(there) or 'none'}"
            )
        taken = sorted(OURS & there.keys())
        if taken:
            raise LabelerError(f"pool.display has '{taken[0]}', a name of ours; call that column otherwise")
        return {name: there[name] for name in self.columns or there}
