"""The llm labeler: what it sends, and what it makes of replies and faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter.errors import ConfigError, LabelerError
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Status
from lamplighter.labelers.llm import Llm
from lamplighter.testing.labelers import CLASSES
from tests.labelers.memory import MemoryStore
from tests.labelers.model import DOG, IDS, SECRET, collect, labels, service
from tests.labelers.service import Act, Seen, Service, chat, completion, label_of, prompt_of, say

__all__ = ["service"]


def by_row(*texts: str) -> Any:
    """Reply about a row (the whole prompt) with each of the texts in turn."""
    asked: dict[str, int] = {}

    def reply(seen: Seen) -> Act:
        turn = asked[prompt_of(seen)] = asked.get(prompt_of(seen), -1) + 1
        return completion(texts[turn % len(texts)])

    return reply


# What is sent


def test_the_request(service: Service) -> None:
    found = collect(
        service,
        rows=[100],
        prompt="{{ examples | length }}: {{ row.text }}",
        instructions="{{ classes | join(', ') }}",
        examples=[{"text": "x", "label": "eel"}],
        api_key=SECRET,
        headers={"X-Team": "owls"},
        options={"top_p": 0.5},
    )
    (seen,) = service.seen
    assert seen.path == "/v1/chat/completions"
    assert (seen.headers["Authorization"], seen.headers["X-Team"]) == (f"Bearer {SECRET}", "owls")
    assert seen.body.pop("response_format")["json_schema"]["schema"]["properties"]["label"]["enum"] == [
        *CLASSES
    ]
    assert seen.body == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "cat, dog, eel"},
            {"role": "user", "content": "1: text of 100"},
        ],
        "temperature": 0.0,
        "max_tokens": 200,
        "top_p": 0.5,
    }
    assert found.annotations[0].annotator == "tiny"


def test_what_a_model_may_not_take_can_be_left_out(service: Service) -> None:
    collect(service, rows=[100], temperature=None, max_tokens=None, structured=False, instructions="")
    assert service.seen[0].body.keys() == {"model", "messages"}
    assert "Authorization" not in service.seen[0].headers


def test_examples_from_a_file(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "shown.jsonl"
    path.write_text('{"text": "purrs", "label": "cat"}\n')
    collect(
        service, rows=[100], examples=str(path), prompt="{% for e in examples %}{{ e.row.text }}{% endfor %}"
    )
    assert prompt_of(service.seen[0]) == "purrs"


# What is made of the replies


def test_labels(service: Service) -> None:
    found = collect(service)
    assert labels(found) == {row: label_of(row) for row in IDS}
    assert {a.confidence for a in found.annotations} == {None}
    assert found.problems == []


@pytest.mark.parametrize(
    ("texts", "label", "confidence"),
    [
        ([DOG, DOG, DOG], "dog", 1.0),
        ([DOG, "cat", DOG], "dog", 2 / 3),
        (["cat", DOG, DOG], "dog", 2 / 3),
        (["cat", "dog", "eel"], "cat", 1 / 3),
        (["fox", "dog", "dog"], "dog", 2 / 3),
        (["dog", "fox"], "dog", 0.5),
        (["fox", "dog"], "dog", 0.5),
        (["fox", "dog", "wolf"], None, None),
        (["fox", "wolf"], None, None),
    ],
)
def test_votes(service: Service, texts: list[str], label: str | None, confidence: float | None) -> None:
    service.usual = by_row(*texts)
    found = collect(service, rows=[100], votes=len(texts))
    (said,) = found.annotations
    assert (said.label, said.confidence) == (label, confidence)
    assert said.status is (Status.LABELLED if label else Status.ABSTAINED)
    assert len(found.problems) == (label is None)


def test_more_votes_pay_for_the_further_ones_alone(service: Service) -> None:
    store = MemoryStore()
    collect(service, store=store, votes=1)
    found = collect(service, store=store, votes=3, rounds=(5, 6))
    assert len(service.seen) == 30
    assert {a.confidence for a in found.annotations} == {1.0}


def test_what_is_no_class_is_counted_and_not_asked_again(service: Service) -> None:
    service.usual = lambda seen: completion("fox" if prompt_of(seen) == "103" else DOG)
    store = MemoryStore()
    found = collect(service, store=store)
    assert [a.id for a in found.annotations if a.status is Status.ABSTAINED] == [103]
    assert found.problems[0].where.endswith("row 103")
    assert "unknown class 'fox'" in found.problems[0].what
    assert collect(service, store=store, rounds=(3, 5)).problems == []
    assert len(service.seen) == len(IDS)


@pytest.mark.parametrize(
    ("message", "label"),
    [
        ({"content": None, "refusal": "I cannot say"}, None),
        ({"content": ""}, None),
        ({}, None),
        ({"content": [{"type": "text", "text": '{"label": '}, {"type": "text", "text": '"eel"}'}]}, "eel"),
        ({"content": "half of a pair: \ud800, an eel"}, "eel"),
    ],
)
def test_odd_messages(service: Service, message: dict[str, Any], label: str | None) -> None:
    service.usual = lambda seen: say({"choices": [{"message": message}]})
    assert labels(collect(service, rows=[100])) == {100: label}


@pytest.mark.parametrize(
    "value", [{}, [], 7, {"choices": []}, {"choices": [{"text": "dog"}]}, {"choices": 1}]
)
def test_what_is_no_completion_is_an_outage(service: Service, value: Any) -> None:
    service.usual = lambda seen: say(value)
    with pytest.raises(
        LabelerError, match=r"none of the 10 rows .*row 100: the answer is no chat completion"
    ):
        collect(service)
    assert len(service.seen) == 3


# Faults


def test_a_busy_or_broken_endpoint_is_tried_again_under_the_same_key(service: Service) -> None:
    service.acts += [Act(429, headers={"Retry-After": "1"}), Act(500), Act(cut=True), Act(200, b"<html>")]
    assert labels(collect(service, rows=[100, 101])) == {row: label_of(row) for row in (100, 101)}
    assert len({seen.key for seen in service.seen[:5]}) == 1
    assert service.seen[5].key != service.seen[0].key


def test_a_row_that_is_refused_stays_open_alone(service: Service) -> None:
    service.usual = lambda seen: Act(400, b"filtered") if prompt_of(seen) == "104" else chat(seen)
    store = MemoryStore()
    found = collect(service, store=store)
    assert {*labels(found)} == {*IDS} - {104}
    assert [(p.where.split()[-1], p.what) for p in found.problems] == [
        ("104", f"{service.url.removeprefix('http://')} answered 400: 'filtered'")
    ]
    service.usual = chat
    assert labels(collect(service, store=store))[104] == label_of(104)
    assert len(service.seen) == 11


def test_an_outage_leaves_the_rest(service: Service) -> None:
    service.usual = lambda seen: Act(503) if int(prompt_of(seen)) >= 104 else chat(seen)
    found = collect(service, attempts=2, batch_rows=8)
    assert {*labels(found)} == {100, 101, 102, 103}
    assert len(service.seen) == 4 + 3 * 2
    assert found.problems[-1].what.startswith("3 rows were not asked about: it failed 3 times in a row")


def test_wrong_credentials_end_the_collect_and_lose_nothing(service: Service) -> None:
    service.usual = lambda seen: Act(401) if prompt_of(seen) == "105" else chat(seen)
    store = MemoryStore()
    with pytest.raises(LabelerError, match="answered 401: nothing; check the address and the credentials"):
        collect(service, store=store)
    assert len(service.seen) == 6
    service.usual = chat
    assert labels(collect(service, store=store)) == {row: label_of(row) for row in IDS}
    assert len(service.seen) == 11


def test_a_prompt_that_cannot_be_written_asks_nothing(service: Service) -> None:
    with pytest.raises(LabelerError, match=r"cannot be written for row 100: UndefinedError: .*'txt'"):
        collect(service, prompt="{{ row.txt }}")
    assert service.seen == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"model": ""}, "model is ''"),
        ({"base_url": "localhost"}, "no address"),
        ({"votes": 0}, "votes is 0"),
        ({"parallel": 0}, "parallel is 0"),
        ({"structured": 1}, "structured is 1"),
        ({"temperature": 3}, "temperature is 3; allowed: a number from 0 to 2"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"options": ["x"]}, "options is a list"),
        ({"options": {"stream": True, "n": 2}}, "options holds n, stream, which the labeler sets itself"),
        ({"prompt": "{{"}, "no jinja2 template"),
        ({"max_cost": 1.0}, "max_cost needs input_price"),
        ({"max_cost": 1.0, "input_price": 1.0, "max_tokens": None}, "give max_tokens"),
        ({"headers": {"a": 1}}, "headers must map"),
        ({"api_key": 7}, "api_key"),
        ({"examples": 7}, "examples"),
        ({"modle": "x"}, "did you mean 'model'"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LABELERS.build("llm", {"model": "tiny", **params})
    assert message in str(caught.value)


def test_a_cap_with_another_limit_of_a_reply() -> None:
    capped = Llm("o", max_tokens=None, options={"max_completion_tokens": 50}, max_cost=1.0, output_price=1e6)
    assert capped.most_cost(b"") == 50.0
