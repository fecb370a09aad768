"""A service on a loopback port that answers, or misbehaves, as it is told to."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from lamplighter.testing.labelers import CLASSES


@dataclass(frozen=True)
class Seen:
    """A request that was read."""

    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def ids(self) -> list[int | str]:
        """The ids of the rows it was about."""
        return [row["id"] for row in self.body["rows"]]

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]


@dataclass(frozen=True)
class Act:
    """What is done with a request once it was read."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    piece_s: float = 0.0  #: seconds before each byte of the body
    cut: bool = False  #: close the connection after what was said, if anything


Reply = Callable[[Seen], Act]


def say(value: Any, **more: Any) -> Act:
    """Answer with JSON."""
    return Act(body=json.dumps(value).encode(), **more)


class Service:
    """Serves while the block lasts. `acts` come first, one each, then `usual`."""

    def __init__(self, usual: Reply) -> None:
        self.usual = usual
        self.acts: deque[Act | Reply] = deque()
        self.seen: list[Seen] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.service = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def asked(self) -> list[int | str]:
        """The ids of all rows in all requests."""
        return [row_id for seen in self.seen for row_id in seen.ids]

    def act(self, seen: Seen) -> Act:
        """Note a request, and say what to do."""
        with self.lock:
            self.seen.append(seen)
            upcoming = self.acts.popleft() if self.acts else self.usual
        return upcoming if isinstance(upcoming, Act) else upcoming(seen)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    service: Service

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        act = self.server.service.act(Seen(self.path, dict(self.headers), json.loads(data)))
        self.server.service.closing.wait(act.delay_s)
        if act.cut and not act.body:
            self.close_connection = True
            return
        self.send_response(act.status)
        for name, value in {"Content-Length": str(len(act.body)), **act.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self._write(act)
        self.close_connection |= act.cut

    def _write(self, act: Act) -> None:
        pieces = [bytes([sign]) for sign in act.body] if act.piece_s else [act.body]
        for piece in pieces:
            self.server.service.closing.wait(act.piece_s)
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


# What the services of the labelers answer


def label_of(row_id: int | str) -> str:
    """Give the label that all services of the tests agree on."""
    return CLASSES[sum(str(row_id).encode()) % len(CLASSES)]


def label_all(seen: Seen) -> Act:
    """Answer a request of the http labeler."""
    return say(
        {"answers": [{"id": row_id, "label": label_of(row_id), "confidence": 0.75} for row_id in seen.ids]}
    )


def completion(text: str, *, tokens: tuple[int, int] | None = (100, 10), **more: Any) -> Act:
    """Answer as a chat model does."""
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]} if tokens else None
    message = {"role": "assistant", "content": text}
    return say({"choices": [{"index": 0, "message": message}], "usage": usage}, **more)


def chat(seen: Seen) -> Act:
    """Answer a request of the llm labeler whose prompt is the row's id alone."""
    return completion(json.dumps({"label": label_of(prompt_of(seen))}))


def prompt_of(seen: Seen) -> str:
    """Give the user's message."""
    return str(seen.body["messages"][-1]["content"])
