"""An annotator in a real browser: what is pressed there comes out of the API."""

from __future__ import annotations

import pytest

from tests.servers.browser import chromium, page_open
from tests.servers.label_studio import LabelStudio
from tests.servers.label_studio_pages import KNOWN_COMPLAINTS, LabelingPage
from tests.servers.label_studio_template import ANNOTATORS
from tests.servers.test_label_studio_server import CONFIG, add

pytestmark = [
    pytest.mark.label_studio,
    pytest.mark.browser,
    pytest.mark.xdist_group("label-studio"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium is installed (apt-get install chromium)"),
]


def test_an_annotator_labels_by_hotkey_and_skips(label_studio: LabelStudio) -> None:
    server = label_studio
    project = server.new_project("Pages", CONFIG, sampling="Sequential sampling")
    first, second, third = add(server, project, "fine", "?", "awful")
    with page_open() as watched:
        page = LabelingPage(watched.page, server, ANNOTATORS[1])
        page.log_in()
        page.open(project)
        assert page.task == first
        page.press("1", "good")
        page.submit()
        assert page.task == second
        page.skip()
        assert page.task == third
        page.press("2", "bad")
        page.submit()
        assert page.task is None
        assert watched.foreign_requests == watched.script_errors == []
        failed = [line.removeprefix(server.url) for line in watched.failed_requests]
        assert [line for line in failed if not line.startswith(KNOWN_COMPLAINTS)] == []
    answers = [task["annotations"][0] for task in server.tasks(project)]
    picked = [[item["value"]["choices"] for item in answer["result"]] for answer in answers]
    assert picked == [[["good"]], [], [["bad"]]]
    assert [answer["was_cancelled"] for answer in answers] == [False, True, False]
    assert len({answer["completed_by"] for answer in answers}) == 1
