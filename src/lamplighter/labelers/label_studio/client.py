"""Label Studio's REST API, spoken to so that nothing is done twice.

Reads, and writes that can be repeated, are tried again with patience. A write that cannot is sent again
only where it surely did not arrive; otherwise `Unclear` says that somebody must look.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import httpx

from lamplighter.errors import LabelerError, LabelerRefused
from lamplighter.labelers.label_studio.access import Access, LegacyToken, PersonalToken, is_personal
from lamplighter.labelers.wire import Failed, Patience, answering, body_of, excerpt, hushed, retry_after

#: How long a write may still be at work after its connection is gone: at least, and at most.
SETTLES_S = (5.0, 15.0)
_SHORTEST_SECRET = 4  # blotting out shorter values would garble ordinary text


class Unclear(Exception):
    """A write may or may not have been done; the message says what happened."""


class Gone(LabelerError):
    """What was asked for does not exist, or no longer."""


@dataclass(frozen=True)
class Call:
    """One request; its path starts with "/api"."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Client:
    """An open session with a server.

    Attributes
    ----------
    http
        The line; it keeps no cookies, so that a token that was revoked is refused.
    url
        The server's address without a slash at its end.
    token
        A legacy token, or a personal access token.
    patience
        How the server is treated.
    """

    http: httpx.Client
    url: str
    token: str = field(repr=False)
    patience: Patience
    server_time: str | None = None  #: the Date of the newest answer

    def __post_init__(self) -> None:
        self.access: Access = (
            PersonalToken(self.token, self._exchange) if is_personal(self.token) else LegacyToken(self.token)
        )

    @property
    def host(self) -> str:
        """What messages call the server."""
        return f"Label Studio at {urlsplit(self.url).netloc}"

    @property
    def address(self) -> str:
        """Where the server is, without anything that could be a credential; tickets keep it."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2].lower()
        return f"{parts.scheme.lower()}://{host}{parts.path.rstrip('/')}"

    @property
    def settles_s(self) -> float:
        """Seconds after which what was sent and not answered has been done, or never will be."""
        least, most = SETTLES_S
        return min(max(self.patience.timeout_s, least), most)

    def read(self, path: str, **params: Any) -> Any:
        """Ask for something, with patience; raises Gone, or LabelerError once the tries are used up."""
        return self.insist(Call("GET", path, params))

    def insist(self, call: Call) -> Any:
        """Do what can be repeated, until it is answered."""
        return self._attempts(call, lambda failed: False)

    def once(self, call: Call) -> Any:
        """Do what must not be repeated; raises Unclear where it may have been done."""
        return self._attempts(call, lambda failed: failed.lost)

    def scrubbed(self, text: str) -> str:
        """Give a text without the token, or what was got for it."""
        for secret in {self.token, *self.access.secrets}:
            text = text.replace(secret, "***") if len(secret) >= _SHORTEST_SECRET else text
        return text

    def _attempts(self, call: Call, unclear: Callable[[Failed], bool]) -> Any:
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return self._authorized(call)
            except Failed as failed:
                why = self.scrubbed(str(failed))
                if unclear(failed):
                    raise Unclear(why) from None
                wait = self.patience.wait(f"{call}", attempt, failed.wait_s)
            if wait > self.patience.max_wait_s or attempt == self.patience.attempts:
                break
            sleep(wait)
        raise LabelerError(f"{why} ({call}, tried {attempt} times); nothing is lost, run again later")

    def _authorized(self, call: Call) -> Any:
        response, body = self._send(call, self.access.header())
        if response.status_code == httpx.codes.UNAUTHORIZED and self.access.renew():
            response, body = self._send(call, self.access.header())
        return self._checked(call, response, body)

    def _exchange(self, refresh: str) -> str:
        """Get an access token for a personal one."""
        response, body = self._send(Call("POST", "/api/token/refresh/", body={"refresh": refresh}), None)
        if response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED):
            raise LabelerRefused(
                f"{self.host} refuses the personal access token: it was revoked, has expired or is another "
                "server's; make a new one under Account & Settings > Personal Access Token"
            )
        return str(self._checked(Call("POST", "/api/token/refresh/"), response, body)["access"])

    def _send(self, call: Call, authorization: str | None) -> tuple[httpx.Response, bytes]:
        headers = {"Authorization": authorization} if authorization else {}
        content = None if call.body is None else json.dumps(call.body, allow_nan=False).encode()
        headers |= {"Content-Type": "application/json"} if content else {}
        try:
            with (
                answering(self.host, self.patience),
                self.http.stream(
                    call.method, self.url + call.path, params=call.params, content=content, headers=headers
                ) as response,
            ):
                body = body_of(response, self.patience)
        finally:
            self.http.cookies.clear()
        self.server_time = response.headers.get("Date", self.server_time)
        return response, body

    def _checked(self, call: Call, response: httpx.Response, body: bytes) -> Any:
        if not response.is_success:
            self._refused(call, response, body)
        if not body:
            return None
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            said = f"{self.host} answered {call} with what is no JSON: {excerpt(body)}"
            raise Failed(said, lost=True) from error

    def _refused(self, call: Call, response: httpx.Response, body: bytes) -> None:
        status, said = response.status_code, f"{self.host} answered {call} with {response.status_code}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise Failed(said, wait_s=retry_after(response.headers.get("Retry-After")))
        if status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.CONFLICT) or status >= 500:
            wait = retry_after(response.headers.get("Retry-After"))
            raise Failed(f"{said}: {excerpt(body)}", wait_s=wait, lost=True)
        if status == httpx.codes.NOT_FOUND:
            raise Gone(self.scrubbed(f"{said}: {_detail(body)}"))
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise LabelerRefused(self.scrubbed(f"{said}: {_detail(body)}; {self.access.remedy}"))
        if response.has_redirect_location:
            raise LabelerRefused(f"{said}, a redirect; give the address that it leads to as url")
        raise LabelerRefused(self.scrubbed(f"{said}: {_detail(body)}"))


@contextmanager
def session(url: str, token: str, patience: Patience) -> Iterator[Client]:
    """Open a session; it is closed with the block."""
    with httpx.Client(timeout=patience.timeout_s) as http, hushed():
        yield Client(http, url.rstrip("/"), token, patience)


def _detail(body: bytes) -> str:
    """Give what an error says: its detail and what did not pass a check."""
    try:
        said = json.loads(body)
        faults = said.get("validation_errors")
        return f"{said['detail']}{f': {json.dumps(faults)[:1000]}' if faults else ''}"
    except (ValueError, KeyError, AttributeError, TypeError):
        return excerpt(body)
