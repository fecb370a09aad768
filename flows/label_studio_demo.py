"""`make labelstudio`: label real pictures in Label Studio, and see the next round learn from it."""

# No `from __future__ import annotations` here, as in all flow modules.
import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console
from rich.markup import escape

from flows import local_label_studio
from flows.child_server import stop_earlier
from flows.demo import server as prefect_server
from flows.local_label_studio import LocalLabelStudio
from flows.local_server import PROGRAM as PREFECT
from lamplighter.announcing import Labelled, look
from lamplighter.cli import show
from lamplighter.cli.bars import progress_bar
from lamplighter.cli.flow_commands import run_rounds
from lamplighter.cli.lines import start_lines
from lamplighter.driver import open_driver
from lamplighter.errors import LamplighterError
from lamplighter.reporting import publish_report
from lamplighter.stopping.base import Stop
from lamplighter.testing.datasets import DemoPool
from lamplighter.testing.digits import DIGITS, write_digit_pool

NAME = "digits"
TOKEN = "LABEL_STUDIO_TOKEN"  # noqa: S105 - a name, not a secret
LOOK_S = 3.0
INTERRUPTED = 130
WRITTEN = ("label-studio", "prefect", "pool", "truth", "store")  #: folders that the demo makes in its own
console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Demo:
    """The campaign, and the servers that it runs with."""

    campaign: str
    people: LocalLabelStudio
    ui: str

    def round(self) -> None:
        """Run the next round, or finish the one that was interrupted; say where to look."""
        with progress_bar(quiet=False):
            show.rounds(run_rounds("flows.labeling_round", "labeling_round", campaign=self.campaign), False)
        self.say_where()

    def say_where(self) -> None:
        """Print the addresses."""
        report = publish_report(open_driver(self.campaign)).url
        people = self.people
        show.say(f"label:   {self.project()}   (log in as {local_label_studio.EMAIL}, {people.password})")
        show.say('         press "Label All Tasks"; keys 1 to 9 and 0 choose, Ctrl+Enter submits')
        show.say(f"report:  {report}")
        show.say(f"Prefect: {self.ui}   (stop the servers with: make labelstudio-stop)")

    def project(self) -> str:
        """Give the address of the newest project of the campaign."""
        found = [p["id"] for p in self.people.projects() if p["title"] == NAME]
        return f"{self.people.url}/projects/{found[0]}/data" if found else self.people.url

    def is_due(self) -> bool:
        """Say whether a round may run: none has, one was cut off, or all rows of the last are labelled."""
        driver = open_driver(self.campaign)
        history = driver.history()
        return not history.records or bool(history.open.steps) or isinstance(look(driver), Labelled)

    def stopped(self) -> str | None:
        """Give why the campaign has stopped, if it has."""
        driver = open_driver(self.campaign)
        upcoming = driver.plan(driver.history())
        return upcoming.reason if isinstance(upcoming, Stop) else None

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait until people have labelled what waits for them."""
        with console.status("waiting for labels; Ctrl+C ends this, the servers stay") as status:
            while True:
                try:
                    if self.is_due():
                        return
                    status.update(f"{self.progress()}; Ctrl+C ends this, the servers stay")
                except (LamplighterError, httpx.HTTPError) as error:
                    status.update(f"trying again: {escape(str(error))}")
                sleep(LOOK_S)

    def progress(self) -> str:
        """Say how much is labelled."""
        found = [p for p in self.people.projects() if p["title"] == NAME]
        done, all_ = (found[0][n] for n in ("finished_task_number", "task_number")) if found else (0, 0)
        return f"{done} of {all_} tasks are labelled"


def settings(pool: DemoPool, url: str) -> dict[str, Any]:
    """Give the campaign file: a first round of 50 pictures, then 20 at a time."""
    return {
        "name": NAME,
        "seed": 3,
        "pool": {"url": str(pool.pool), "features": "embedding", "display": ["image"]},
        "classes": list(pool.classes),
        "learner": {"name": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 500}},
        "strategy": "margin",
        "batch_size": 20,
        "labeler": {
            "name": "label_studio",
            "params": {
                "url": url,
                "token": f"${{{TOKEN}}}",
                "create": True,
                "template": "image",
                "question": "Which digit is it?",
                "show_prediction": False,  # people who see a guess tend to agree with it
            },
        },
        "evaluation": {"holdout": 30, "metric": "accuracy"},
        "budget": {"rounds": 8},
        "store": "store",
        "cluster": {"workers": 1, "params": {"processes": False}},
    }


def write_campaign(folder: Path, url: str) -> str:
    """Write the pool, if it is not there, and the campaign file with the server's address; give its path."""
    path = folder / "campaign.yaml"
    pool = DemoPool(folder / "pool", folder / "truth" / "labels.parquet", DIGITS, rows=0)
    told = settings(pool if pool.truth.exists() else write_digit_pool(folder), url)
    path.write_text(yaml.safe_dump(told, sort_keys=False), "utf-8")
    return str(path)


def write_token(folder: Path, token: str) -> Path:
    """Write the token for a shell to read, readable by the owner alone; give the file."""
    file = folder / "token.env"
    file.touch(mode=0o600)
    file.write_text(f"export {TOKEN}={token}\n")
    os.environ[TOKEN] = token
    return file


def go_on(demo: Demo, wait: bool) -> None:
    """Run rounds, each when the rows of the one before are labelled, until the campaign stops."""
    if demo.is_due() and demo.stopped() is None:
        demo.round()
    else:
        demo.say_where()
    while wait and (reason := demo.stopped()) is None:
        demo.wait()
        demo.round()
    if wait:
        show.say(f"stopped: {reason}")


def stop(folder: Path) -> int:
    """Stop both servers; give the exit code."""
    ended = [local_label_studio.stop(folder / "label-studio"), stop_earlier(folder / "prefect", PREFECT)]
    show.say("stopped; labels and rounds are kept" if any(ended) else "no server of the demo is running")
    return 0 if any(ended) else 1


def main() -> int:
    """Run the demo; give the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("demo/labelstudio"))
    options.add_argument("--no-wait", action="store_true", help="run a round if one is due, and end")
    options.add_argument("--fresh", action="store_true", help="throw away the rounds and labels of before")
    options.add_argument("--stop", action="store_true", help="stop the servers, and end")
    chosen = options.parse_args()
    folder: Path = chosen.folder.resolve()
    if chosen.stop:
        return stop(folder)
    start_lines()
    if chosen.fresh:
        stop(folder)
        for name in WRITTEN:
            shutil.rmtree(folder / name, ignore_errors=True)
    try:
        run(folder, wait=not chosen.no_wait)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def run(folder: Path, wait: bool) -> None:
    """Start what does not run yet, and go on with the campaign."""
    with console.status("starting Label Studio (the first time a minute or more)"):
        people = LocalLabelStudio.start(folder / "label-studio")
    campaign, token = write_campaign(folder, people.url), write_token(folder, people.token)
    with prefect_server(folder, keep=True) as ui:
        command = Path(sys.executable).with_name("lamplighter")
        show.say(f"a round by hand: . {token} && {command} round {campaign}")
        with suppress(KeyboardInterrupt):  # in here, so that the servers stay
            go_on(Demo(campaign, people, ui), wait)
    show.say("the servers stay until `make labelstudio-stop`; `make labelstudio` goes on from here")


if __name__ == "__main__":
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    sys.exit(main())
