"""A headless Chromium that may reach this machine only, and says what a page did wrong."""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, Route, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    # What the browser asks for by itself finds no host either.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@dataclass
class WatchedPage:
    """A page and what went wrong on it, gathered while it is used."""

    page: Page
    console_errors: list[str] = field(default_factory=list)
    script_errors: list[str] = field(default_factory=list)
    failed_requests: list[str] = field(default_factory=list)  #: those that broke, and answers from 400 on
    foreign_requests: list[str] = field(default_factory=list)  #: those for other machines; none went out

    def check(self) -> None:
        """Fail if the page reported an error, missed something or wanted to leave this machine."""
        assert not self.foreign_requests, f"requests to other machines: {self.foreign_requests}"
        assert not self.script_errors, f"uncaught errors: {self.script_errors}"
        assert not self.failed_requests, f"failed requests: {self.failed_requests}"
        assert not self.console_errors, f"console errors: {self.console_errors}"

    def start_watching(self) -> None:
        """Listen to the page, and stop what it sends to other machines."""
        self.page.context.route("**/*", self._pass)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.script_errors.append(str(error)))
        self.page.on("requestfailed", self._on_failure)
        self.page.on("response", lambda r: self._on_status(r.status, r.url))
        self.page.on("websocket", lambda socket: self._note(socket.url))

    def _pass(self, route: Route) -> None:
        self._note(route.request.url)
        if is_local(route.request.url):
            route.continue_()
        else:
            route.abort("blockedbyclient")

    def _note(self, url: str) -> None:
        if not is_local(url):
            self.foreign_requests.append(url)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console_errors.append(message.text)

    def _on_failure(self, request: Request) -> None:
        # A page that goes elsewhere abandons what it still waits for: no failure.
        if is_local(request.url) and request.failure != "net::ERR_ABORTED":
            self.failed_requests.append(f"{request.url}: {request.failure}")

    def _on_status(self, status: int, url: str) -> None:
        if status >= 400:
            self.failed_requests.append(f"{url}: {status}")


def is_local(url: str) -> bool:
    """Whether a browser needs no other machine for this URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https", "ws", "wss"}:
        return parts.scheme in {"file", "data", "blob", "about"}
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def chromium() -> str | None:
    """The path of an installed Chromium, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def page_open(width: int = 1280, height: int = 900) -> Iterator[WatchedPage]:
    """Open a page in a browser of its own; skip the test where no Chromium is installed.

    As long as it is open, asyncio takes this thread for one with a running loop, and a Prefect flow
    called here would believe itself awaited: run the flow first, then open the page. For the same
    reason no browser is shared between tests; a start takes about a second.
    """
    path = chromium()
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on the PATH; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            watched = WatchedPage(browser.new_page(viewport={"width": width, "height": height}))
            watched.start_watching()
            yield watched
        finally:
            browser.close()


def picture(watched: WatchedPage, path: Path) -> Path:
    """Save the whole page as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    watched.page.screenshot(path=path, full_page=True)
    return path


@pytest.fixture
def browser_page() -> Iterator[WatchedPage]:
    """An open page; the test calls `check()` when it has seen enough."""
    with page_open() as watched:
        yield watched
