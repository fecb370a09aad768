"""An HTTP proxy on loopback that lets chosen requests go wrong before or after the server has them."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, get_args
from urllib.parse import urlsplit

Fault = Literal[
    "cut before",  # the server never hears of it
    "cut while",  # the server is at work when the connection goes
    "cut after",  # the server is done, its answer is lost
    "cut within",  # half of the answer arrives
    "500 before",
    "401 before",
    "502 after",
    "503 before",
    "too slow",  # done, but the answer comes after anybody waits for it
    "late",  # the server hears of it when nobody waits any more
    "garbage",  # done, and the answer is a page
    "429",
]
FAULTS: Sequence[Fault] = get_args(Fault)
_HOP = {"connection", "transfer-encoding", "content-length", "server", "date", "keep-alive"}


class Crooked:
    """Stands before a server; requests that match go wrong in turn.

    Parameters
    ----------
    target
        The server's address, http://host:port.
    slow_s
        How long "too slow" and "late" take.
    """

    def __init__(self, target: str, slow_s: float = 2.8) -> None:
        self.target, self.slow_s = urlsplit(target).netloc, slow_s
        self.plan: list[tuple[str, int, Fault]] = []  #: part of method and path, how many pass first, fault
        self.played: list[Fault] = []
        self.seen: list[str] = []
        self.unanswered: list[str] = []  #: what the server itself never answered
        self._errands: list[tuple[str, int, Callable[[], object]]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"crooked": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """The proxy's own address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def play(self, where: str, fault: Fault, after: int = 0, times: int = 1) -> None:
        """Let requests whose "METHOD /path" contains `where` go wrong, once `after` of them have passed."""
        self.plan += [(where, after, fault)] * times

    def errand(self, where: str, after: int, do: Callable[[], object]) -> None:
        """Do something when a matching request arrives, once `after` of them have passed."""
        self._errands.append((where, after, do))

    def quiet(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self.plan.clear()
            self._errands.clear()

    def __enter__(self) -> Crooked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _fault(self, request: str) -> Fault | None:
        with self._lock:
            self.seen.append(request)
            for number, (where, after, fault) in enumerate(self.plan):
                if where in request:
                    if after == 0:
                        del self.plan[number]
                        self.played.append(fault)
                        return fault
                    self.plan[number] = (where, after - 1, fault)
                    return None
        return None

    def _errand(self, request: str) -> Callable[[], object] | None:
        with self._lock:
            for number, (where, after, do) in enumerate(self._errands):
                if where in request:
                    self._errands[number] = (where, after - 1, do)
                    if after == 0:
                        del self._errands[number]
                        return do
        return None


class _Handler(BaseHTTPRequestHandler):
    crooked: Crooked
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        errand = self.crooked._errand(f"{self.command} {self.path}")
        if errand is not None:
            errand()
        fault = self.crooked._fault(f"{self.command} {self.path}")
        with suppress(BrokenPipeError, ConnectionResetError):  # nobody waits any more
            self.act(fault, body)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def act(self, fault: Fault | None, body: bytes | None) -> None:
        if fault in ("401 before", "500 before", "503 before", "429"):
            return self.say(int(fault[:3]), b'{"detail": "made up"}', {})
        if fault == "cut before":
            return self.hang_up()
        if fault == "late":
            time.sleep(self.crooked.slow_s)
        if fault == "cut while":
            threading.Thread(target=self.forward_unheard, args=(body,), daemon=True).start()
            time.sleep(0.05)
            return self.hang_up()
        status, said, headers = self.forward(body)
        if fault == "cut after":
            return self.hang_up()
        if fault == "cut within":
            return self.say(status, said, headers, len(said) // 2)
        if fault == "502 after":
            return self.say(502, b"<html>Bad gateway</html>", {})
        if fault == "garbage":
            return self.say(200, b"<html>Welcome!</html>", {})
        if fault == "too slow":
            time.sleep(self.crooked.slow_s)
        return self.say(status, said, headers)

    def forward(self, body: bytes | None) -> tuple[int, bytes, dict[str, str]]:
        line = http.client.HTTPConnection(self.crooked.target, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        try:
            line.request(self.command, self.path, body, headers)
            answer = line.getresponse()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
            return answer.status, answer.read(), kept
        except ConnectionRefusedError:
            return 502, b"{}", {}
        except (OSError, http.client.HTTPException) as error:  # it died at work
            self.crooked.unanswered.append(f"{self.command} {self.path}")
            self.hang_up()
            raise BrokenPipeError("the server died") from error
        finally:
            line.close()

    def forward_unheard(self, body: bytes | None) -> None:
        with suppress(BrokenPipeError):
            self.forward(body)

    def say(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != http.client.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        pass
