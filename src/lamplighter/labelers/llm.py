"""A labeler that asks a language model, through any OpenAI-compatible /chat/completions endpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lamplighter.errors import ConfigError, LabelerRefused
from lamplighter.labelers.base import BatchRow, Desk
from lamplighter.labelers.bills import Bills
from lamplighter.labelers.completions import Interview
from lamplighter.labelers.metering import Meter, Prices, check_prices
from lamplighter.labelers.parameters import between, mapping, switch, text, whole
from lamplighter.labelers.prompts import INSTRUCTIONS, PROMPT, Prompts, answer_schema, read_examples
from lamplighter.labelers.questions import Ask, Work
from lamplighter.labelers.remote import Remote
from lamplighter.labelers.replies import Replies
from lamplighter.labelers.shelf import kept
from lamplighter.labelers.wire import check_line, secrets_in, wire
from lamplighter.redaction import SECRET

log = logging.getLogger("lamplighter")

_OURS = ("model", "messages", "response_format", "temperature", "max_tokens", "seed", "n", "stream")


@dataclass(frozen=True)
class Llm(Remote):
    """Asks a language model about each row, and keeps every reply, so that none is paid twice.

    Attributes
    ----------
    model
        As the endpoint names it; also the annotator's name.
    base_url
        Of the endpoint, without /chat/completions.
    api_key
        Sent as a bearer token; "" for none. Write ${OPENAI_API_KEY}, never the key itself.
    headers
        Further ones, such as another kind of credentials.
    instructions, prompt
        Templates of the system's and the user's message: see `Prompts`.
    examples
        Rows with their labels to show: a list, or the path of a file of JSON lines.
    structured
        Whether to hold the model to the classes with response_format json_schema.
    temperature
        None leaves it out, for models that take none.
    max_tokens
        Of one reply; None leaves it out.
    options
        More of the request's body, such as {max_completion_tokens: 500, reasoning_effort: low}.
    votes
        Replies per row. From 2 on their share is the answer's confidence; all but the first carry
        a "seed", and a temperature above 0 makes them differ.
    input_price, output_price
        Of a million tokens.
    max_cost
        Of the whole campaign: requests that could go beyond it are not sent.
    parallel
        Requests that may be under way at once.
    batch_rows
        Rows whose answers are kept on one page.
    timeout_s, attempts, backoff_s, max_wait_s, requests_per_s
        See `Patience`.
    show_prediction
        Whether the templates know the model's guess.
    """

    name: ClassVar[str] = "llm"

    model: str
    base_url: str = field(default="https://api.openai.com/v1", repr=False)
    api_key: str = field(default="", repr=False, metadata=SECRET)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, metadata=SECRET)
    instructions: str = INSTRUCTIONS
    prompt: str = PROMPT
    examples: str | Sequence[Mapping[str, Any]] = ()
    structured: bool = True
    temperature: float | None = 0.0
    max_tokens: int | None = 200
    options: Mapping[str, Any] = field(default_factory=dict)
    votes: int = 1
    input_price: float = 0.0
    output_price: float = 0.0
    max_cost: float | None = None
    parallel: int = 4
    batch_rows: int = 50
    timeout_s: float = 60.0
    attempts: int = 5
    backoff_s: float = 0.5
    max_wait_s: float = 60.0
    requests_per_s: float | None = None
    show_prediction: bool = False

    def __post_init__(self) -> None:
        text("model", self.model)
        if not isinstance(self.api_key, str):
            raise ConfigError("api_key must be a text: write ${NAME}, and put the key into that variable")
        if not isinstance(self.examples, str | list | tuple):
            raise ConfigError(
                f"examples is {self.examples!r}; allowed: a list of rows, or a file of JSON lines"
            )
        check_line(self.base_url, self.headers)
        for name in ("votes", "parallel", "batch_rows"):
            whole(name, getattr(self, name), 1)
        for name in ("structured", "show_prediction"):
            switch(name, getattr(self, name))
        self._check_request()
        check_prices(self.input_price, self.output_price, self.max_cost)
        if self.max_cost is not None and self._most_output is None:
            raise ConfigError("max_cost needs a limit of each reply: give max_tokens")
        _ = self.patience, self.prompts

    def _check_request(self) -> None:
        if self.max_tokens is not None:
            whole("max_tokens", self.max_tokens, 1)
        if self.temperature is not None:
            between("temperature", self.temperature, 2)
        mapping("options", self.options)
        taken = sorted({*self.options} & {*_OURS})
        if taken:
            raise ConfigError(f"options holds {', '.join(taken)}, which the labeler sets itself; take it out")

    @property
    def prompts(self) -> Prompts:
        """The templates."""
        return Prompts(self.instructions, self.prompt)

    @property
    def prices(self) -> Prices:
        """What tokens cost."""
        return Prices(self.input_price, self.output_price)

    @property
    def answers_as(self) -> str:
        """The model."""
        return self.model

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key and the headers' values."""
        return (self.api_key, *secrets_in(self.headers))

    def rehearse(self, rows: Sequence[BatchRow], desk: Desk) -> None:
        """Read the examples, and write the prompt for the first row that has one; raises ConfigError."""
        examples, wrong = read_examples(self.examples, desk.classes), []
        for row in rows:
            try:
                self.prompts.messages(self.shown(kept(row)), desk.classes, examples)
            except LabelerRefused as error:
                wrong.append(error)
            else:
                return
        if wrong:
            raise ConfigError(str(wrong[0])) from wrong[0]

    @contextmanager
    def asking(self, work: Work) -> Iterator[Ask]:
        """Open a line to the endpoint, and a meter that knows what the campaign has paid so far."""
        store = work.desk.store
        bills = Bills(store) if self.input_price or self.output_price else None
        meter = Meter(self.max_cost, bills.total() if bills else 0.0)
        examples = read_examples(self.examples, work.desk.classes)
        key = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        with wire(url, {**key, **self.headers}, self.patience, self.scrubbed) as line:
            yield Interview(self, line, Replies(store), bills, meter, self.prompts, examples).ask
        log.info("labeler 'llm': %s has cost %.6g in this campaign so far", self.model, meter.spent)

    def request(self, messages: Sequence[Mapping[str, str]], classes: Sequence[str]) -> dict[str, Any]:
        """Give the body of a request."""
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        body |= {} if self.temperature is None else {"temperature": self.temperature}
        body |= {} if self.max_tokens is None else {"max_tokens": self.max_tokens}
        body |= {"response_format": answer_schema(classes)} if self.structured else {}
        return body | dict(self.options)

    def most_cost(self, body: bytes) -> float:
        """Give what a request can cost at most: no token is shorter than a byte."""
        return self.prices.of(len(body), self._most_output or 0)

    @property
    def _most_output(self) -> int | None:
        limits = (self.max_tokens, self.options.get("max_completion_tokens"))
        return next((limit for limit in limits if isinstance(limit, int)), None)
