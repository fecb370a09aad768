"""What goes wrong while a batch is sent and answers are collected, each at a moment drawn at random."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from lamplighter.labelers.base import Batch, Ticket
from tests.labelers.label_studio import drivers
from tests.labelers.label_studio.crooked import Fault
from tests.labelers.label_studio.trials import Mishap, Trial
from tests.servers.label_studio import LabelStudio, Refused
from tests.servers.label_studio_template import ANNOTATORS

IMPORT = "/import?"
#: Requests that a trial makes from where it begins to go wrong, about.
_REQUESTS = 14
_, _, CID = ANNOTATORS


def on_the_line(*faults: Fault) -> Mishap:
    """Let one to four requests go wrong, one of them an import."""

    @contextmanager
    def mishap(trial: Trial) -> Iterator[None]:
        draw = trial.draw
        trial.proxy.slow_s = draw.uniform(3.2, 4.5)  # after nobody waits any more
        trial.proxy.play(IMPORT, draw.choice(faults), draw.randrange(3))
        for _ in range(draw.randrange(4)):
            trial.proxy.play("/api/", draw.choice(faults), draw.randrange(_REQUESTS))
        yield

    return mishap


@contextmanager
def server_killed(trial: Trial) -> Iterator[None]:
    """Kill the server while it imports, one to three times; it is back after up to a second."""
    draw, deaths = trial.draw, list[threading.Thread]()
    server, lock = trial.server, threading.Lock()

    def die(moment: float, away: float) -> None:
        time.sleep(moment)
        with lock:
            server.kill()
            time.sleep(away)
            server.start()

    def strike(moment: float, away: float) -> None:
        deaths.append(threading.Thread(target=die, args=(moment, away)))
        deaths[-1].start()

    def mend() -> None:
        for death in [*deaths]:
            death.join()
        server.start()

    trial.mend = mend
    for _ in range(draw.randint(1, 3)):
        # An import takes a tenth of a second or two.
        moment, away = draw.uniform(0, 0.2), draw.uniform(0, 1)
        trial.proxy.errand(IMPORT, draw.randrange(3), lambda m=moment, a=away: strike(m, a))  # type: ignore[misc]  # defaults bind what the loop names
    yield
    trial.proxy.quiet()
    mend()


@contextmanager
def driver_killed(trial: Trial) -> Iterator[None]:
    """Kill the driver one to three times, then let another finish."""

    def drive(batch: Batch) -> Ticket:
        for number in range(trial.draw.randint(1, 3)):
            driver = drivers.start(trial.orders(f"killed-{number}", batch))
            driver.join(trial.draw.uniform(0.05, 1.2))
            driver.kill()
            driver.join()
        return trial.dispatch(batch)

    trial.drive = drive
    yield


@contextmanager
def two_drivers(trial: Trial) -> Iterator[None]:
    """Let two processes send the same batch at the same moment."""

    def drive(batch: Batch) -> Ticket:
        together = drivers.barrier(2)
        orders = [trial.orders(name, batch) for name in ("one", "other")]
        processes = [drivers.start(order, together) for order in orders]
        for process in processes:
            process.join(120)
        one, other = (order.ticket for order in orders)
        trial.told += orders[0].told + orders[1].told
        assert one == other
        return one

    trial.drive = drive
    yield


@contextmanager
def token_revoked(trial: Trial) -> Iterator[None]:
    """End the token in the middle; whoever reads the error gives another one."""
    if trial.draw.random() < 0.5:
        yield from _legacy_switched_off(trial)
    else:
        yield from _personal_ended(trial)


def _legacy_switched_off(trial: Trial) -> Iterator[None]:
    personal = trial.server.personal_token()

    def switch(on: bool) -> None:
        access = trial.server.request("/api/token/refresh/", {"refresh": personal}, by=None)["access"]
        said = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": on}
        trial.server.request("/api/jwt/settings", said, by=f"Bearer {access}")

    trial.mend = lambda: switch(True)
    trial.proxy.errand("/api/", trial.draw.randrange(_REQUESTS), lambda: switch(False))
    try:
        yield
    finally:
        trial.proxy.quiet()
        switch(True)


def _personal_ended(trial: Trial) -> Iterator[None]:
    token = trial.params["token"] = trial.server.personal_token(CID)

    def end() -> None:
        trial.server.revoke(token, CID)
        # What it was exchanged for would be good for some minutes more.
        trial.proxy.play("/api/", "401 before")

    def mend() -> None:
        trial.params["token"] = trial.server.personal_token(CID)

    trial.mend = mend
    trial.proxy.errand("/api/", trial.draw.randrange(_REQUESTS), end)
    yield


@contextmanager
def project_deleted(trial: Trial) -> Iterator[None]:
    """Delete the project during the dispatch, or before answers are collected."""

    def delete() -> None:
        project = trial.newest_project()
        if project is not None:
            _delete(trial.server, project)
            trial.people.forget(project)

    def drive(batch: Batch) -> Ticket:
        trial.dispatch(batch)
        delete()
        return trial.dispatch(batch)

    # Nobody asks anew about a batch that was sent long ago.
    trial.both, trial.again = False, True
    if trial.draw.random() < 0.7:
        trial.proxy.errand("/api/", trial.draw.randrange(_REQUESTS - 4), delete)
        yield
    else:
        trial.drive = drive
        yield


@contextmanager
def choices_edited(trial: Trial) -> Iterator[None]:
    """Rename a choice in the middle; whoever reads the error puts it right."""
    project = trial.newest_project()
    path = f"/api/projects/{project}"
    config = trial.server.request(path)["label_config"]

    def put(text: str) -> None:
        trial.server.request(path, {"label_config": text}, "PATCH")

    trial.mend = lambda: put(config)
    # At its beginning a dispatch looks at the interface.
    after = trial.draw.randrange(trial.draw.choice((3, _REQUESTS)))
    trial.proxy.errand("/api/", after, lambda: put(config.replace('"dog"', '"hound"')))
    yield
    trial.proxy.quiet()
    put(config)


def _delete(server: LabelStudio, project: int) -> None:
    """Delete a project in spite of people who answer in it, which may make the server fail."""
    for _ in range(20):
        with suppress(Refused):
            server.request(f"/api/projects/{project}", method="DELETE")
        try:
            server.request(f"/api/projects/{project}")
        except Refused as refused:
            if refused.status == 404:
                return
    raise AssertionError(f"project {project} cannot be deleted")


CUT: Sequence[Fault] = ("cut while", "cut after", "cut within")
MISHAPS: Mapping[str, Mishap] = {
    "server killed during an import": server_killed,
    "connection cut after the request was sent": on_the_line(*CUT),
    "connection cut before the server heard": on_the_line("cut before"),
    "500, 502, 503, 429, garbage": on_the_line("500 before", "502 after", "503 before", "429", "garbage"),
    "slow answers": on_the_line("too slow", "late"),
    "token revoked": token_revoked,
    "project deleted": project_deleted,
    "choices edited": choices_edited,
    "driver killed": driver_killed,
    "two drivers": two_drivers,
    "anything on the line": on_the_line(*CUT, "cut before", "500 before", "502 after", "too slow", "late"),
}
#: They need a server that nobody shares.
DEADLY = frozenset({"server killed during an import"})
