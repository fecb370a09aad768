"""The labelers that answer by themselves keep the contract, and ask their back-end about no row twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from lamplighter.labelers import LABELERS
from lamplighter.labelers.asking import Automated
from lamplighter.labelers.base import Cursor
from lamplighter.labelers.function import Function
from lamplighter.labelers.http_service import HttpService
from lamplighter.labelers.llm import Llm
from lamplighter.testing import labelers as contract
from lamplighter.testing.labelers import Bench, MakeBench
from tests.labelers import rules
from tests.labelers.memory import MemoryStore, desk_of
from tests.labelers.service import Seen, Service, chat, label_all, label_of, prompt_of

NUMBERS = tuple(range(100, 120))
STRINGS = tuple(f"row/{number}, 'ü'" for number in range(20))
AUTOMATED = ("function", "http", "llm")
Labelers = dict[str, Automated]


@pytest.fixture(scope="module")
def labelers() -> Iterator[Labelers]:
    """Labelers whose back-ends are up."""
    with (
        pytest.MonkeyPatch.context() as patch,
        Service(label_all) as http,
        Service(chat) as llm,
    ):
        patch.setenv("LAMPLIGHTER_TRUSTED_MODULES", "tests")
        yield {
            "function": Function("tests.labelers.rules:agree", batch_rows=6),
            "http": HttpService(http.url, batch_rows=7, show_prediction=True),
            "http_parallel": HttpService(http.url, batch_rows=3, parallel=4),
            "llm": Llm("tiny", base_url=llm.url, prompt="{{ id }}", batch_rows=8),
            "llm_votes": Llm("tiny", base_url=llm.url, prompt="{{ id }}", votes=3, batch_rows=5, parallel=3),
        }


NAMES = ("function", "http", "http_parallel", "llm", "llm_votes")


def bench(labeler: Automated, rows: Sequence[int | str]) -> Bench:
    store = MemoryStore()

    def asked() -> list[int | str]:
        batches = [data for key, data in store.objects.items() if key.endswith("/batch.json")]
        return [row["id"] for data in batches for row in json.loads(data)["rows"]]

    desk = desk_of(store, integer_ids=isinstance(rows[0], int))
    return Bench(labeler, desk, contract.batch(rows=rows), asked)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("rows", [NUMBERS, STRINGS], ids=["numbers", "strings"])
@pytest.mark.parametrize("name", NAMES)
def test_contract(
    name: str, rows: Sequence[int | str], check: Callable[[MakeBench], None], labelers: Labelers
) -> None:
    check(lambda: bench(labelers[name], rows))


def test_every_automated_labeler_is_tried() -> None:
    assert {name.split("_")[0] for name in NAMES} == set(AUTOMATED)
    assert {name for name in LABELERS.names() if issubclass(LABELERS.get(name), Automated)} == set(AUTOMATED)


# What the contract cannot see: the back-end


@pytest.mark.parametrize("rows", [NUMBERS, STRINGS], ids=["numbers", "strings"])
def test_a_function_sees_each_row_once(rows: Sequence[int | str], labelers: Labelers) -> None:
    rules.calls.clear()
    _collect_often(bench(labelers["function"], rows))
    assert [row["id"] for call in rules.calls for row in call] == list(rows)


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("rows", [NUMBERS, STRINGS], ids=["numbers", "strings"])
def test_a_service_sees_each_row_once(rows: Sequence[int | str], parallel: int) -> None:
    with Service(label_all) as service:
        _collect_often(bench(HttpService(service.url, batch_rows=6, parallel=parallel), rows))
        assert sorted(map(str, service.asked)) == sorted(map(str, rows))
        assert len({seen.key for seen in service.seen}) == len(service.seen) == 4


@pytest.mark.parametrize("votes", [1, 3])
def test_a_model_sees_each_row_once_for_each_vote(votes: int) -> None:
    with Service(chat) as service:
        _collect_often(bench(Llm("tiny", base_url=service.url, prompt="{{ id }}", votes=votes), NUMBERS))
        assert Counter(map(prompt_of, service.seen)) == {str(row): votes for row in NUMBERS}
        assert len({seen.key for seen in service.seen}) == len(service.seen)
        assert Counter(map(_seed, service.seen)) == dict.fromkeys([None, 1, 2][:votes], 20)


def _seed(seen: Seen) -> object:
    return seen.body.get("seed")


def _collect_often(at: Bench) -> None:
    """Collect as two drivers would, one after the other, again and again."""
    ticket = at.dispatch()
    for number in (4, 4, 5, 9):
        found = at.labeler.collect([ticket], Cursor(number), at.desk)
        assert {a.id: a.label for a in found.annotations} == {row: label_of(row) for row in _ids(at)}


def _ids(at: Bench) -> list[int | str]:
    return [row.id for row in at.batch.rows]
