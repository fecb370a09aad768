"""A receiver on a loopback port, in a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

import httpx
import uvicorn

from flows.hooks import Watch, address_of, listening, settings
from lamplighter.hooks import HEADER, Pace

SECRET = "0123456789abcdef-of-the-tests"
#: Looks come at once after a hint, and by themselves only where a test wants it.
QUICK = Pace(quiet=0.1, longest=0.5, every=3600, retry=0.2)


@dataclass(frozen=True)
class Serving:
    """A running receiver."""

    url: str

    def hook(
        self, action: str = "ANNOTATION_CREATED", secret: str | None = SECRET, body: bytes | None = None
    ) -> httpx.Response:
        """Send what Label Studio sends, or something worse."""
        headers = {} if secret is None else {HEADER: secret}
        return httpx.post(
            self.url, content=body or f'{{"action": "{action}"}}'.encode(), headers=headers, timeout=30
        )

    def health(self) -> httpx.Response:
        """Ask how it is."""
        return httpx.get(f"{self.url}health", timeout=30)

    def looks(self) -> int:
        """Give how many looks it has ended."""
        return int(self.health().json()["looks"])

    def wait_for_looks(self, number: int) -> None:
        """Wait until it has ended so many looks."""
        wait_until(lambda: self.looks() >= number, f"fewer than {number} looks")


@contextmanager
def receiving(file: str, pace: Pace = QUICK, **watch: str) -> Iterator[Serving]:
    """Run a receiver for a campaign file; it has ended its first look when the block begins."""
    door = listening("127.0.0.1", 0)
    server = uvicorn.Server(settings(Watch(file, watch.pop("worker_file", file), pace=pace), SECRET.encode()))
    here = copy_context()  # the Prefect settings of the test
    thread = threading.Thread(target=here.run, args=(server.run, [door]))
    thread.start()
    try:
        serving = Serving(address_of(door))
        serving.wait_for_looks(1)
        yield serving
    finally:
        server.should_exit = True
        thread.join(60)
        door.close()
        assert not thread.is_alive()


def wait_until(done: Callable[[], bool], otherwise: str, seconds: float = 200) -> None:
    """Wait until something holds; fails with `otherwise` when it does not come about."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
