"""What a person sees: the report, and the run in Prefect, in a real browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lamplighter.driver import open_driver
from lamplighter.reporting import publish_report
from tests.campaigns import write_campaign, write_pool
from tests.servers.browser import page_open
from tests.servers.prefect import PrefectServer

pytestmark = [pytest.mark.prefect_server, pytest.mark.browser, pytest.mark.xdist_group("prefect")]


SCRIPT = "<script>alert(1)</script>"


def found(server: PrefectServer, kind: str, query: Mapping[str, object]) -> str:
    """Give the id of the first thing that a query finds."""
    answer: str = server.request(f"/{kind}/filter", {kind: query})[0]["id"]
    return answer


def test_a_run_and_its_report(prefect_api: PrefectServer, tmp_path: Path) -> None:
    from flows.labeling_round import labeling_round  # noqa: PLC0415 - Prefect reads its settings on import

    write_pool(tmp_path, rows=300)
    name = f"seen-{tmp_path.name.replace('_', '-')}"
    hostile = write_campaign(
        tmp_path, name=name, classes=["apple", "pear", "plum", "<script>alert(1)</script>"]
    )
    for _ in range(2):
        labeling_round(hostile)
    report = publish_report(open_driver(hostile)).url
    run = found(prefect_api, "flow_runs", {"name": {"any_": [f"{name}-round-00002"]}})
    curves = {"key": {"any_": [f"{name}-learning-curve"]}, "flow_run_id": {"any_": [run]}}
    artifact = found(prefect_api, "artifacts", curves)

    with page_open() as watched:
        page = watched.page
        page.goto(f"{prefect_api.url}/runs/flow-run/{run}")
        page.get_by_text(f"{name}-round-00002").first.wait_for()
        page.get_by_text("8 task runs", exact=False).first.wait_for()
        page.get_by_text("round 2: score done").first.wait_for()
        page.goto(f"{prefect_api.url}/artifacts/artifact/{artifact}")
        curve = page.locator("img[src^='data:image/png']").first
        curve.wait_for()
        assert curve.evaluate("image => image.naturalWidth") > 400
        assert not watched.foreign_requests
        assert not watched.script_errors

    with page_open() as watched:
        page = watched.page
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        page.goto(Path(report).as_uri())
        assert "round 2" in page.title()
        assert page.get_by_text(SCRIPT).count() > 0
        broken = page.eval_on_selector_all("img", "all => all.filter(i => i.naturalWidth === 0).length")
        assert broken == 0
        watched.check()
