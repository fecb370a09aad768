"""What an annotator does in Label Studio's pages, in a real browser."""

from __future__ import annotations

import re
from contextlib import suppress

from playwright.sync_api import Page, Response, TimeoutError

from tests.servers.label_studio import LabelStudio
from tests.servers.label_studio_template import ANNOTATORS, Person

#: What answers 404 and is no failure: advertisements that the server cannot fetch, and an empty queue.
KNOWN_COMPLAINTS = ("/heidi-tips", "/api/dm/actions?id=next_task")
NOTHING_LEFT = "No More Tasks Left in Queue"


class LabelingPage:
    """A labeling page, and who sits before it.

    Attributes
    ----------
    task
        The id of the task that is shown; None once nothing is left.
    """

    def __init__(self, page: Page, server: LabelStudio, person: Person = ANNOTATORS[0]) -> None:
        self.page, self._server, self._person = page, server, person
        self.task: int | None = None

    def log_in(self) -> None:
        """Log in as the person."""
        self.page.goto(f"{self._server.url}/user/login")
        self.page.fill("input[name=email]", self._person.email)
        self.page.fill("input[name=password]", self._person.password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "/user/login" not in url)

    def open(self, project: int) -> None:
        """Open the project and ask for its queue, as its button does.

        A link to `.../data?labeling=1` would give the tasks in the order of their ids instead.
        """
        self.page.goto(f"{self._server.url}/projects/{project}/data")
        with self.page.expect_response(_is_next) as following:
            self.page.get_by_role("button", name="Label All Tasks").click()
        self._show(following.value)

    def press(self, key: str, choice: str) -> None:
        """Pick a choice by its hotkey."""
        picked = self.page.locator(f'input[name="{choice}"]:checked')
        with suppress(TimeoutError):  # a key that comes before the page listens is lost
            self.page.keyboard.press(key)
            picked.wait_for(state="attached", timeout=10_000)
            return
        self.page.keyboard.press(key)
        picked.wait_for(state="attached", timeout=10_000)

    def submit(self) -> None:
        """Send the answer and wait for the next task."""
        self._answer("bottombar-submit-button")

    def skip(self) -> None:
        """Skip the task and wait for the next one."""
        self._answer("bottombar-skip-button")

    def _answer(self, button: str) -> None:
        with self.page.expect_response(_is_next) as following, self.page.expect_response(_is_answer) as sent:
            self.page.get_by_test_id(button).click()
        assert sent.value.ok, f"{sent.value.status}: {sent.value.text()}"
        self._show(following.value)

    def _show(self, answer: Response) -> None:
        if answer.status == 404:
            self.task = None
            self.page.get_by_text(NOTHING_LEFT).wait_for()
            return
        self.task = int(answer.json()["id"])
        number = self.page.locator(
            ".lsf-current-task__task-id", has_text=re.compile(rf"^{self.task}\d+ of \d+$")
        )
        number.wait_for()
        self.page.get_by_test_id("bottombar-submit-button").wait_for()


def _is_next(answer: Response) -> bool:
    return "/api/dm/actions" in answer.url and "id=next_task" in answer.url


def _is_answer(answer: Response) -> bool:
    return answer.request.method == "POST" and "/annotations" in answer.url
