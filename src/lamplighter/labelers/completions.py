"""Asking a language model about the rows of a question: several at once, each request paid once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from hashlib import sha256
from operator import add
from time import monotonic
from typing import TYPE_CHECKING, Any

from lamplighter.labelers.base import Problem
from lamplighter.labelers.bills import Bills
from lamplighter.labelers.metering import Meter
from lamplighter.labelers.prompts import Example, Prompts, label_in
from lamplighter.labelers.questions import Question, Reply, Unanswered
from lamplighter.labelers.replies import LONGEST, Replies, Said
from lamplighter.labelers.session import PATIENCE
from lamplighter.labelers.shelf import Answer, Row, Usage
from lamplighter.labelers.wire import Wire, encoded

if TYPE_CHECKING:
    from lamplighter.labelers.llm import Llm


@dataclass(frozen=True)
class Request:
    """One vote about one row: where its reply is kept, and what is sent for it."""

    key: str
    row: int | str
    body: bytes


@dataclass
class Interview:
    """One collect's requests to a model. Threads share it.

    Attributes
    ----------
    labeler
        With the prompts and the model's settings.
    line
        To the endpoint.
    replies
        Those that are paid.
    bills
        What they cost; None where nothing has a price.
    meter
        Of the cost.
    prompts, examples
        What the model is told and shown.
    halted
        Why no further request may start.
    spent
        Whether that is because of the cap.
    """

    labeler: Llm
    line: Wire
    replies: Replies
    bills: Bills | None
    meter: Meter
    prompts: Prompts
    examples: Sequence[Example]
    halted: str | None = None
    spent: bool = False
    outages: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Question) -> Reply:
        """Ask about all rows, every vote of each; raises LabelerError where no request can succeed."""
        started = monotonic()
        wanted = {row["id"]: self._requests(row, question.classes) for row in question.rows}
        # Rows that show the same are one request; the first of them pays.
        distinct: dict[str, Request] = {}
        for request in (request for votes in wanted.values() for request in votes):
            distinct.setdefault(request.key, request)
        with ThreadPoolExecutor(self.labeler.parallel) as pool:
            known = dict(zip(distinct, pool.map(self.replies.get, distinct), strict=True))
            rest = [request for key, request in distinct.items() if known[key] is None]
            new = pool.map(lambda request: self._guarded(request, question.batch), rest)
            found = {**known, **dict(zip((request.key for request in rest), new, strict=True))}
        return self._summed(question, wanted, found, monotonic() - started)

    def _requests(self, row: Row, classes: Sequence[str]) -> list[Request]:
        body = self.labeler.request(self.prompts.messages(row, classes, self.examples), classes)
        digest = sha256(self.labeler.base_url.encode() + b"\n" + encoded(body)).hexdigest()
        seeds: list[Mapping[str, Any]] = [{}, *({"seed": vote} for vote in range(1, self.labeler.votes))]
        return [
            Request(Replies.key(digest, vote), row["id"], encoded({**body, **seed}))
            for vote, seed in enumerate(seeds)
        ]

    def _guarded(self, request: Request, batch: str) -> Said | Unanswered | None:
        """Give a new reply, or why there is none; None when nothing more may be asked."""
        try:
            return self._new_reply(request, batch)
        except BaseException:
            self.halted = "it failed"  # the others need not start
            raise

    def _new_reply(self, request: Request, batch: str) -> Said | Unanswered | None:
        most = self.labeler.most_cost(request.body)
        if self.halted or not self.meter.reserve(most):
            if not self.halted:
                self.halted = f"max_cost {self.labeler.max_cost:g} leaves no room for another request"
                self.spent = True
            return None
        cost = 0.0
        try:
            said = self._said(request, batch, most)
            cost = said.cost
            self.outages = 0
        except Unanswered as why:
            cost = most * why.lost
            self._note(why)
            return why
        finally:
            self.meter.settle(most, cost)
            if self.bills and cost:  # whatever becomes of the row, the cap is to know
                self.bills.add(request.key, cost)
        return self.replies.keep(request.key, said)

    def _note(self, why: Unanswered) -> None:
        with self.lock:
            self.outages += why.outage
            if self.outages >= PATIENCE:
                self.halted = self.halted or f"it failed {PATIENCE} times in a row"

    def _said(self, request: Request, batch: str, most: float) -> Said:
        sent = self.line.post(request.body, sha256(request.key.encode()).hexdigest())
        told, used = read_completion(sent.value, sent.lost)
        text = self.labeler.scrubbed(told.encode("utf-8", "replace").decode())[:LONGEST]
        cost = most if used is None else self.labeler.prices.of(*used)
        return Said(
            model=self.labeler.model,
            batch=batch,
            row=request.row,
            text=text,
            input_tokens=used[0] if used else None,
            output_tokens=used[1] if used else None,
            cost=cost + sent.lost * most,
            lost=sent.lost,
            answered_at=datetime.now(UTC),
            seconds=round(sent.seconds, 6),
        )

    def _summed(
        self,
        question: Question,
        wanted: Mapping[int | str, Sequence[Request]],
        found: Mapping[str, Said | Unanswered | None],
        seconds: float,
    ) -> Reply:
        answers, failures, usages, outage, passes = [], [], [], False, False
        for row_id, requests in wanted.items():
            replies = [found[request.key] for request in requests]
            said = [reply for reply in replies if isinstance(reply, Said)]
            if len(said) == len(replies):
                answers.append(elected(row_id, [reply.text for reply in said], question.classes))
                usages += [r.usage for r in said if (r.batch, r.row) == (question.batch, row_id)]
            for why in [reply for reply in replies if isinstance(reply, Unanswered)][:1]:
                failures.append(Problem(f"batch {question.batch}, row {row_id!r}", str(why)))
                outage |= why.outage
                passes |= why.passes
        usage = reduce(add, usages, Usage())
        return Reply(tuple(answers), seconds, usage, tuple(failures), outage, passes, self.halted, self.spent)


def read_completion(value: Any, lost: int = 0) -> tuple[str, tuple[int, int] | None]:
    """Give the text of a chat completion, and its tokens if they are reported; raises Unanswered.

    `lost` tries came before it.
    """
    try:
        message = value["choices"][0]["message"]
        text = message.get("content") or message.get("refusal") or ""
        if isinstance(text, list):  # in parts, as some endpoints do
            text = "".join(part.get("text") or "" for part in text)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        what = "the answer is no chat completion"
        raise Unanswered(what, outage=True, passes=False, lost=lost + 1) from error
    return str(text), _tokens(value.get("usage"))


def _tokens(usage: Any) -> tuple[int, int] | None:
    if not isinstance(usage, Mapping):
        return None
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    if not all(type(count) is int and count >= 0 for count in counts):
        return None
    return (counts[0], counts[1])  # type: ignore[return-value]  # checked just above


def elected(row_id: int | str, texts: Sequence[str], classes: Sequence[str]) -> Answer:
    """Count the votes: the class that most of them name, of tied ones the one named first.

    The confidence is its share of all votes, also of those that name no class; None for a single vote.
    When more votes name no class than any one, the row is abstained.
    """
    labels = [label_in(text, classes) for text in texts]
    ballot = Counter(label for label in labels if label is not None)
    winner, votes = max(ballot.items(), key=lambda item: item[1], default=(None, 0))
    if winner is None or votes < labels.count(None):
        return Answer(row_id, None, said=texts[labels.index(None)])
    return Answer(row_id, winner, votes / len(texts) if len(texts) > 1 else None)
