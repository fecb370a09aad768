"""A TCP proxy on loopback that loses answers, holds requests or hangs up, when told to."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Literal
from urllib.parse import urlsplit

CHUNK = 65536
Fault = Literal["none", "lose reply", "hold reply", "hold request", "hang up"]


class Proxy:
    """Stands before a server, and plays one fault after the other.

    Parameters
    ----------
    target
        The server's address, http://host:port.
    """

    def __init__(self, target: str) -> None:
        self.target = (urlsplit(target).hostname, urlsplit(target).port)
        self.fault: Fault = "none"
        self.times = 0  #: how often the fault still happens
        self.seen = 0  #: how often it did
        self.happened = threading.Event()
        self._ended = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """The proxy's own address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def play(self, fault: Fault, times: int = 1) -> None:
        """Let the next `times` occasions go wrong."""
        self.fault, self.times = fault, times
        self.happened.clear()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for each in [self._listener, *self._sockets]:
            _hang_up(each)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                client = self._listener.accept()[0]
                server = socket.create_connection(self.target)
            except OSError:
                continue
            self._sockets += [client, server]
            if self._strikes("hang up"):
                _hang_up(client)
                _hang_up(server)
                continue
            for source, sink, way in ((client, server, "request"), (server, client, "reply")):
                threading.Thread(target=self._pump, args=(source, sink, way), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        passed = 0
        try:
            while data := source.recv(CHUNK):
                passed += len(data)
                if way == "request" and passed > CHUNK and self._strikes("hold request"):
                    self._ended.wait()
                interim = data.startswith(b"HTTP/1.1 100")
                if way == "reply" and not interim and self._strikes("hold reply"):
                    self._ended.wait()
                if way == "reply" and not interim and self._strikes("lose reply"):
                    break
                sink.sendall(data)
        except OSError:
            pass  # the other pump hung up
        _hang_up(source)
        _hang_up(sink)

    def _strikes(self, fault: Fault) -> bool:
        strikes = self.fault == fault and self.times > 0
        if strikes:
            self.times -= 1
            self.seen += 1
            self.happened.set()
        return strikes


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):  # never connected, or closed already
        end.shutdown(socket.SHUT_RDWR)
    end.close()
