"""A labeler that posts rows as JSON to a service, and reads JSON answers.

`Request` and `Response` are the two messages; docs/labelers.md holds their JSON schemas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError

from lamplighter.labelers.parameters import switch, text, whole
from lamplighter.labelers.questions import Ask, Question, Reply, Unanswered, Work
from lamplighter.labelers.remote import Remote
from lamplighter.labelers.shelf import Answer
from lamplighter.labelers.wire import Sent, Wire, check_line, encoded, secrets_in, wire
from lamplighter.redaction import SECRET

Id = StrictInt | StrictStr


class RequestRow(BaseModel):
    """A row to be labelled. What it is wanted for is not said, so that all rows are treated alike."""

    id: Id = Field(description="the row's id in the pool; answers repeat it")
    display: dict[str, Any] = Field(description="the pool's display columns")
    predicted: str | None = Field(None, description="the model's class; only with show_prediction")
    proba: list[float] | None = Field(
        None, description="the model's probabilities, in the order of the classes"
    )


class Request(BaseModel):
    """What is posted. The header Idempotency-Key is the same whenever the same request is repeated."""

    format: Literal[1] = 1
    campaign: str
    batch: str = Field(description="the batch that the rows belong to")
    classes: list[str] = Field(description="the labels that are allowed")
    rows: list[RequestRow]


class ResponseAnswer(BaseModel):
    """The answer about one row. A label that is no class is counted, and the row taken as abstained."""

    id: Id
    label: StrictStr | None = Field(description="one of the classes; null to abstain")
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None


class Response(BaseModel):
    """What must come back: exactly one answer for each row, in any order. Other keys are ignored."""

    answers: list[ResponseAnswer]


@dataclass(frozen=True)
class HttpService(Remote):
    """Posts batches of rows to an address, with patience.

    Attributes
    ----------
    url
        Where to post.
    headers
        Of every request; secrets as ${NAME}: {Authorization: "Bearer ${LABELS_TOKEN}"}.
    annotator
        The name under which the answers are kept.
    batch_rows
        Rows in a request, at most.
    parallel
        Requests that may be under way at once.
    timeout_s, attempts, backoff_s, max_wait_s, requests_per_s
        See `Patience`.
    show_prediction
        Whether rows carry the model's guess.
    """

    name: ClassVar[str] = "http"

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, metadata=SECRET)
    annotator: str = "http"
    batch_rows: int = 100
    parallel: int = 1
    timeout_s: float = 30.0
    attempts: int = 5
    backoff_s: float = 0.5
    max_wait_s: float = 60.0
    requests_per_s: float | None = None
    show_prediction: bool = False

    def __post_init__(self) -> None:
        check_line(self.url, self.headers)
        text("annotator", self.annotator)
        whole("batch_rows", self.batch_rows, 1)
        whole("parallel", self.parallel, 1)
        switch("show_prediction", self.show_prediction)
        _ = self.patience

    @property
    def questions_at_once(self) -> int:
        """The requests that may be under way."""
        return self.parallel

    @property
    def answers_as(self) -> str:
        """The name from the parameters."""
        return self.annotator

    @property
    def secrets(self) -> tuple[str, ...]:
        """The headers' values."""
        return secrets_in(self.headers)

    @contextmanager
    def asking(self, work: Work) -> Iterator[Ask]:
        """Open a line to the service."""
        with wire(self.url, self.headers, self.patience, self.scrubbed) as line:
            yield lambda question: _ask(line, question)


def _ask(line: Wire, question: Question) -> Reply:
    data = encoded(request_of(question))
    sent = line.post(data, sha256(data).hexdigest())
    return Reply(tuple(_answers(sent, question)), seconds=sent.seconds)


def request_of(question: Question) -> dict[str, Any]:
    """Give the message that asks a question."""
    message = Request.model_validate(
        {
            "campaign": question.campaign,
            "batch": question.batch,
            "classes": list(question.classes),
            "rows": list(question.rows),
        }
    )
    return message.model_dump(mode="json", exclude_unset=True) | {"format": 1}


def _answers(sent: Sent, question: Question) -> Iterator[Answer]:
    """Give the answers in the order of the rows; raises Unanswered unless there is one for each."""
    received = _response(sent.value).answers
    said = {answer.id: answer for answer in received}
    rows = [row["id"] for row in question.rows]
    if len(received) != len(rows) or said.keys() != set(rows):
        strange = [repr(i) for i in said if i not in rows][:5]
        raise Unanswered(
            f"{len(received)} answers, about {len(said.keys() & set(rows))} of {len(rows)} rows"
            + (f", and about rows that were not sent: {', '.join(strange)}" if strange else "")
            + "; there must be exactly one for each row"
        )
    return (_answer(said[row], question.classes) for row in rows)


def _answer(said: ResponseAnswer, classes: tuple[str, ...]) -> Answer:
    if said.label is None or said.label not in classes:
        return Answer(said.id, None, said=said.label)
    return Answer(said.id, said.label, said.confidence)


def _response(value: Any) -> Response:
    try:
        return Response.model_validate(value)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)
        place = ".".join(str(part) for part in wrong[0]["loc"]) or "the answer"
        raise Unanswered(
            f"the answer does not fit its schema at {place}: {wrong[0]['msg']}; {len(wrong)} faults in all"
        ) from None
