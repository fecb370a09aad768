"""The browser sees what a page does wrong, and lets nothing out of this machine."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.browser import WatchedPage, chromium, is_local, picture

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (apt-get install chromium)"),
]
PAGES = {
    "/good": "<title>good</title><script>document.title += ' and scripted'</script>",
    "/throws": "<script>throw new Error('no such luck')</script>",
    "/complains": "<script>console.error('not well')</script>",
    "/misses": "<img src='/missing.png'>",
    "/tracks": "<img src='https://tracker.example/pixel.png'><script src='http://192.0.2.1/x'></script>",
    "/leaves": "<script>new WebSocket('wss://tracker.example/socket')</script>",
}


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = "" if self.path == "/favicon.ico" else PAGES.get(self.path)
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class TestPages:
    pytestmark = needs_chromium

    def test_a_good_page_passes(self, browser_page: WatchedPage, site: str, tmp_path: Path) -> None:
        browser_page.page.goto(f"{site}/good", wait_until="networkidle")
        browser_page.check()
        assert browser_page.page.title() == "good and scripted"
        assert picture(browser_page, tmp_path / "p" / "good.png").read_bytes().startswith(b"\x89PNG")

    def test_a_file_passes(self, browser_page: WatchedPage, tmp_path: Path) -> None:
        (tmp_path / "a.html").write_text("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='>")
        browser_page.page.goto((tmp_path / "a.html").as_uri(), wait_until="networkidle")
        browser_page.check()

    @pytest.mark.parametrize(
        ("page", "complaint"),
        [
            ("/throws", "uncaught errors: .*no such luck"),
            ("/complains", "console errors: .*not well"),
            ("/misses", "failed requests: .*missing.png: 404"),
            ("/tracks", "requests to other machines: (?=.*tracker.example/pixel.png).*192.0.2.1/x"),
            ("/leaves", "requests to other machines: .*tracker.example/socket"),
        ],
    )
    def test_a_bad_page_is_told(
        self, browser_page: WatchedPage, site: str, page: str, complaint: str
    ) -> None:
        browser_page.page.goto(site + page, wait_until="networkidle")
        with pytest.raises(AssertionError, match=complaint):
            browser_page.check()


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:4200/api", True),
        ("http://localhost/", True),
        ("ws://[::1]:4200/events", True),
        ("file:///tmp/report.html", True),
        ("data:image/png;base64,AAAA", True),
        ("https://example.org/", False),
        ("http://127.0.0.1.example.org/", False),
        ("http://192.0.2.1/", False),
        ("ftp://127.0.0.1/", False),
    ],
)
def test_is_local(url: str, local: bool) -> None:
    assert is_local(url) is local
