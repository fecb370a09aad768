"""`lamplighter hooks`: takes webhooks as hints, looks at the labeler, announces a labelled batch."""

# No `from __future__ import annotations` here, as in all flow modules.
import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from prefect.settings import PREFECT_API_URL
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from flows.announcing import RoundAtWork, announce
from lamplighter.announcing import Labelled, NotYet, look
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError, LabelerError
from lamplighter.hook_registration import Callback, register
from lamplighter.hooks import ACTIONS, HEADER, LARGEST, Agenda, Pace, action_of, is_secret

log = logging.getLogger("lamplighter.rounds")
PACE = Pace()
BODY_S = 10  #: seconds in which a body must have come
LONGEST_LOOK_S = 600  #: seconds after which a look that hangs is no reason to call the receiver well


@dataclass(frozen=True)
class Watch:
    """What a receiver watches.

    Attributes
    ----------
    file
        The campaign file as this process sees it.
    worker_file
        The same file as the worker sees it: what the event says, and the run is started with.
    deployment
        FLOW/DEPLOYMENT that the automation starts.
    callback
        What the labeler's server is made to call; None: that is somebody else's business.
    """

    file: str
    worker_file: str
    callback: Callback | None = None
    deployment: str = "labeling-round/nightly"
    pace: Pace = PACE

    async def look(self) -> bool:
        """Look once, announce what is labelled; give whether that settles it until the next hint."""
        try:
            found = await asyncio.to_thread(self._ask)
            if isinstance(found, Labelled):
                await self._announce(found)
            else:
                log.info("%s", found.reason)
        except RoundAtWork:
            log.info("labelled, but a run of %s waits or is at work; looking again later", self.deployment)
            return False
        except Exception as error:  # noqa: BLE001 - whatever is down now, the receiver stays
            log.warning("could not look, and will again: %s: %s", type(error).__name__, self._shown(error))
            return False
        return True

    def _ask(self) -> Labelled | NotYet:
        # Read anew each time: the file may be edited, and the ledger grows.
        driver = Driver(load(self.file))
        with driver.campaign.redactor().guard():
            self._register(driver)
            return look(driver)

    def _register(self, driver: Driver) -> None:
        # At every look: the first dispatch may have made the project, and people delete webhooks.
        try:
            for changed in register(driver, self.callback) if self.callback else ():
                log.info("%s", changed)
        except LabelerError as error:
            log.warning("no webhook: %s", self._shown(error))

    async def _announce(self, found: Labelled) -> None:
        gap = timedelta(seconds=self.pace.every)
        number = await announce(found, self.worker_file, self.deployment, gap)
        if number is None:
            log.info("batch %s is labelled; announced before", found.batch)
        else:
            again = f" again ({number + 1})" if number else ""
            log.info("batch %s of %s rows is labelled: announced%s", found.batch, f"{found.rows:,}", again)

    def _shown(self, error: Exception) -> str:
        try:
            return load(self.file).redactor().redact(str(error))
        except ConfigError:
            return "the campaign file cannot be read"


class Lookout:
    """Looks when hints have come, and now and then without: one look at a time."""

    def __init__(self, pace: Pace, look: Callable[[], Awaitable[bool]]) -> None:
        self.look = look
        self.agenda = Agenda(pace, routine=time.monotonic())
        self.looking_since: float | None = None
        self.looks = 0
        self._woken = asyncio.Event()

    def hint(self) -> None:
        """Take in that something changed."""
        self.agenda = self.agenda.hinted(time.monotonic())
        self._woken.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._until_due()
            self.agenda, self.looking_since = self.agenda.begun(), time.monotonic()
            settled = await self.look()
            self.looks += 1
            self.agenda, self.looking_since = self.agenda.ended(time.monotonic(), settled=settled), None

    async def _until_due(self) -> None:
        while (left := self.agenda.due - time.monotonic()) > 0:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._woken.wait()


class Receiver:
    """The ASGI application: `POST /` for webhooks, `GET /health`."""

    def __init__(self, watch: Watch, secret: bytes) -> None:
        self.watch, self.secret = watch, secret
        self.refused = 0
        self.lookout: Lookout | None = None
        self._task: asyncio.Task[None] | None = None

    def app(self) -> Starlette:
        """Give the application; its lookout runs for as long as it is up."""
        routes = [
            Route("/", self.hook, methods=["POST"]),
            Route("/health", self.health, methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.lookout = Lookout(self.watch.pace, self.watch.look)
        self._task = asyncio.create_task(self.lookout.run())
        try:
            yield
        finally:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def hook(self, request: Request) -> Response:
        """Answer a webhook at once: whoever labels waits for it."""
        if not is_secret(request.headers.get(HEADER), self.secret):
            self._say_refused()
            return PlainTextResponse(f"header {HEADER} is missing or wrong", 401)
        try:
            async with asyncio.timeout(BODY_S):
                body = await body_of(request)
        except (TimeoutError, ClientDisconnect):
            return PlainTextResponse("the body did not come", 408)
        if body is None:
            log.warning("refused a webhook of more than %s bytes; switch its payload off", f"{LARGEST:,}")
            return PlainTextResponse(f"at most {LARGEST} bytes; switch the webhook's payload off", 413)
        action = action_of(body)
        if action is None:
            return PlainTextResponse("the body must be a JSON object with a text `action`", 400)
        if action in ACTIONS and self.lookout:
            self.lookout.hint()
        return Response(status_code=204)

    def _say_refused(self) -> None:
        """Say the 1st, 10th, 100th ... refusal: a stranger must not fill the log."""
        self.refused += 1
        if str(self.refused).strip("0") == "1":
            log.warning("refused %s webhooks without the right secret", f"{self.refused:,}")

    async def health(self, request: Request) -> Response:
        """Say whether it still looks at the labeler."""
        lookout, task = self.lookout, self._task
        if lookout is None or task is None or task.done():
            return JSONResponse({"status": "the lookout has ended"}, 503)
        since = lookout.looking_since
        if since is not None and time.monotonic() - since > LONGEST_LOOK_S:
            return JSONResponse({"status": "a look hangs"}, 503)
        return JSONResponse({"status": "ok", "looks": lookout.looks, "unsettled": lookout.agenda.unsettled})


async def body_of(request: Request) -> bytes | None:
    """Read the body; give None, and no more of it, where it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
    return b"".join(parts)


def serve(watch: Watch, secret: bytes, *, host: str, port: int) -> None:
    """Serve until told to stop.

    Raises
    ------
    ConfigError
        No Prefect server is named, or the address cannot be listened on.
    """
    if not PREFECT_API_URL.value():
        raise ConfigError(
            "no Prefect server is named, so nobody would hear of a labelled batch: export "
            "PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    log.setLevel(logging.INFO)
    with listening(host, port) as door:
        log.info("waiting for webhooks on %s with header %s; health: /health", address_of(door), HEADER)
        with suppress(KeyboardInterrupt):  # what a Ctrl-C becomes when all is shut down
            uvicorn.Server(settings(watch, secret)).run(sockets=[door])
    log.info("stopped")


def settings(watch: Watch, secret: bytes) -> uvicorn.Config:
    """Give how the application is served."""
    return uvicorn.Config(
        Receiver(watch, secret).app(),
        access_log=False,
        log_config=None,
        limit_concurrency=1000,
        timeout_graceful_shutdown=5,
        server_header=False,
    )


def listening(host: str, port: int) -> socket.socket:
    """Listen, so that a port that is taken is said in our words; raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1000)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            f"cannot listen on {host} port {port}: {why}; choose others with --host and --port"
        ) from error


def address_of(door: socket.socket) -> str:
    """Give the address on which a socket listens."""
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
