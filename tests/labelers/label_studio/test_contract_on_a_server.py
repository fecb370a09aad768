"""label_studio keeps the contract of labelers, on real servers with either database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from lamplighter.labelers.base import Ticket
from lamplighter.testing import labelers as contract
from lamplighter.testing.labelers import Bench, MakeBench
from tests.labelers.label_studio.desks import made
from tests.servers.label_studio import LabelStudio as Server
from tests.servers.label_studio_template import ANNOTATORS

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label-studio")]
ANN, BOB, _ = ANNOTATORS
ROWS: dict[str, Sequence[int | str]] = {
    "label_studio": tuple(range(100, 120)),
    "label_studio_postgres": (
        "7",
        "07",
        "int:7",
        'q"\\',
        "ü/ß",
        "a,b",
        "",
        " ",
        "日本語",
        "$x",
        "{}",
        "null",
        "x" * 3000,
    ),
}


def bench(server: Server, rows: Sequence[int | str]) -> Bench:
    campaign = made(server, rows, chunk_rows=8, annotators_per_row=2)

    def answer(ticket: Ticket) -> None:
        for task in campaign.tasks()[:6]:
            server.annotate(task["id"], "dog", by=ANN)
            server.skip(task["id"], by=BOB)

    return Bench(campaign.labeler, campaign.desk, contract.batch(rows=rows), campaign.ids, answer)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("server", ROWS)
def test_contract(server: str, check: Callable[[MakeBench], None], request: pytest.FixtureRequest) -> None:
    check(lambda: bench(request.getfixturevalue(server), ROWS[server]))
