"""JSON over HTTP to a service that may be slow, busy, broken or gone: tried again with patience.

Tried again, under the same idempotency key: no answer in time, a connection that failed or was cut, an
answer that is no JSON, and the statuses 408, 409 (the first try is still at work), 425, 429 and 5xx.
The n-th wait is drawn from the upper half of (0, backoff_s * 2^(n-1)] and never shorter than the
service's Retry-After; a wait of more than max_wait_s is not taken. Every other failure is final.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import httpx

from lamplighter import rng
from lamplighter.errors import LabelerRefused
from lamplighter.labelers.parameters import address, positive, texts, whole
from lamplighter.labelers.questions import Unanswered

MOST_BYTES = 32 * 2**20  #: of one answer; more is no answer to a batch of labels
_AGAIN = frozenset({408, 409, 425, 429})
_REFUSED = frozenset({401, 403, 404, 405, 407, 410})
_SHOWN = 200


@dataclass(frozen=True)
class Patience:
    """How a service is treated.

    Attributes
    ----------
    timeout_s
        Seconds for connecting, for sending and for the whole answer.
    attempts
        Tries of one request.
    backoff_s
        The first wait between tries, at most; each further one doubles it.
    max_wait_s
        The longest wait.
    requests_per_s
        Requests that may start in a second; None: as many as there are.
    """

    timeout_s: float = 30.0
    attempts: int = 5
    backoff_s: float = 0.5
    max_wait_s: float = 60.0
    requests_per_s: float | None = None

    def __post_init__(self) -> None:
        whole("attempts", self.attempts, 1)
        for name in ("timeout_s", "backoff_s", "max_wait_s"):
            positive(name, getattr(self, name))
        if self.requests_per_s is not None:
            positive("requests_per_s", self.requests_per_s)

    def wait(self, key: str, attempt: int, asked_for: float | None) -> float:
        """Give the seconds to wait after a failed try, counted from 1; the same for the same request."""
        # A campaign's rounds are repeatable, and its waits too; different requests still spread out.
        share = rng.key(0, attempt, f"backoff/{key}") / 2**64
        longest = min(self.backoff_s * 2.0 ** min(attempt - 1, 60), self.max_wait_s)
        return max((0.5 + share / 2) * longest, asked_for or 0.0)


class Failed(Exception):
    """One try failed. `wait_s` is what the service asked for; `lost`: it may have done its work."""

    def __init__(self, why: str, *, wait_s: float | None = None, lost: bool = False) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.lost = lost


class Pace:
    """Lets requests start at even distances, whichever thread they come from."""

    def __init__(self, per_second: float | None) -> None:
        self.distance = 1 / per_second if per_second else 0.0
        self.next = 0.0
        self.lock = threading.Lock()

    def keep(self) -> None:
        """Wait for the next free moment."""
        with self.lock:
            now = monotonic()
            start = max(now, self.next)
            self.next = start + self.distance
        if start > now:
            sleep(start - now)


@dataclass(frozen=True)
class Sent:
    """The JSON that came back, and how many earlier tries may have been worked on in vain."""

    value: Any
    seconds: float
    lost: int


@dataclass(frozen=True)
class Wire:
    """An open line to one address. Threads may share it.

    Attributes
    ----------
    client
        With the headers of every request.
    url
        The address; messages name its host alone, since the rest may hold a secret.
    patience
        How to treat it.
    pace
        When requests may start.
    scrubbed
        Takes secrets out of a text.
    """

    client: httpx.Client
    url: str
    patience: Patience
    scrubbed: Callable[[str], str] = str
    pace: Pace = field(default_factory=lambda: Pace(None))

    def post(self, body: Mapping[str, Any] | bytes, key: str) -> Sent:
        """Send JSON until it is answered.

        Raises
        ------
        Unanswered
            The tries are used up, or this request was refused.
        LabelerRefused
            The service refuses whatever comes from here.
        """
        data = body if isinstance(body, bytes) else encoded(body)
        lost = 0
        for attempt in range(1, self.patience.attempts + 1):
            self.pace.keep()
            started = monotonic()
            try:
                return Sent(self._once(data, key), monotonic() - started, lost)
            except Failed as failed:
                lost += failed.lost
                why = self.scrubbed(str(failed))
                wait = self.patience.wait(key, attempt, failed.wait_s)
            except Unanswered as refused:
                refused.lost += lost
                raise
            if wait > self.patience.max_wait_s:
                raise Unanswered(f"{why}; it wants a wait of {wait:.0f} s", outage=True, lost=lost)
            if attempt < self.patience.attempts:
                sleep(wait)
        raise Unanswered(f"{why} (tried {self.patience.attempts} times)", outage=True, lost=lost)

    def _once(self, data: bytes, key: str) -> Any:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        with (
            answering(self._host, self.patience),
            self.client.stream("POST", self.url, content=data, headers=headers) as response,
        ):
            body = body_of(response, self.patience, MOST_BYTES)
        self._check(response, body)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Failed(f"{self._host} answered what is no JSON: {excerpt(body)}", lost=True) from error

    def _check(self, response: httpx.Response, body: bytes) -> None:
        status = response.status_code
        if response.is_success:
            return
        said = f"{self._host} answered {status}: {excerpt(body)}"
        if status in _AGAIN or status >= 500:
            raise Failed(said, wait_s=retry_after(response.headers.get("Retry-After")))
        if status in _REFUSED or response.has_redirect_location:
            raise LabelerRefused(f"{self.scrubbed(said)}; check the address and the credentials")
        raise Unanswered(self.scrubbed(said))

    @property
    def _host(self) -> str:
        return urlsplit(self.url).netloc


@contextmanager
def wire(
    url: str, headers: Mapping[str, str], patience: Patience, scrubbed: Callable[[str], str]
) -> Iterator[Wire]:
    """Open a line; it is closed with the block."""
    with httpx.Client(headers=dict(headers), timeout=patience.timeout_s) as client, hushed():
        yield Wire(client, url, patience, scrubbed, Pace(patience.requests_per_s))


@contextmanager
def answering(host: str, patience: Patience) -> Iterator[None]:
    """Raise what goes wrong on the way to a host as Failed, by whether anything may have arrived."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Failed(f"{host} cannot be reached: {named(error)}") from error
    except httpx.TimeoutException as error:
        raise Failed(f"{host} gave no answer within {patience.timeout_s:g} s", lost=True) from error
    except httpx.RequestError as error:
        raise Failed(f"the connection to {host} failed: {named(error)}", lost=True) from error


def body_of(response: httpx.Response, patience: Patience, most: float = float("inf")) -> bytes:
    """Read an answer; raises httpx.ReadTimeout where it takes too long, Failed where it is too long."""
    # The client's own timeout is for each piece of an answer; one that trickles could take for ever.
    until, body = monotonic() + patience.timeout_s, bytearray()
    for piece in response.iter_bytes():
        body += piece
        if monotonic() > until:
            raise httpx.ReadTimeout("trickled")
        if len(body) > most:
            raise Failed(f"{response.url.netloc.decode()} answered more than {most:,} bytes", lost=True)
    return bytes(body)


def check_line(url: object, headers: object) -> None:
    """Raise ConfigError unless an address and headers can be used."""
    address("url", url)
    texts("headers", headers)


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Give what must not be shown of headers: their values, and what follows a word such as Bearer."""
    values = headers.values()
    return (*values, *(value.rpartition(" ")[2] for value in values))


def encoded(body: Mapping[str, Any]) -> bytes:
    """Write JSON; equal content gives equal bytes."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, sort_keys=True).encode()


def retry_after(value: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date; None if there is none that can be read."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (aware - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if isfinite(seconds) else None


@contextmanager
def hushed() -> Iterator[None]:
    """Keep httpx from logging each request with its whole address, which may hold a key."""
    log = logging.getLogger("httpx")

    def only_trouble(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    log.addFilter(only_trouble)
    try:
        yield
    finally:
        log.removeFilter(only_trouble)


def named(error: Exception) -> str:
    """Say what an error is and what it says."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def excerpt(body: bytes) -> str:
    """Give the start of an answer on one line, in quotes."""
    text = " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return repr(text[:_SHOWN]) if text else "nothing"
