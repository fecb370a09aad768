"""What a model is told, and how its answer is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError, LabelerError
from lamplighter.labelers.prompts import Example, Prompts, answer_schema, label_in, read_examples

CLASSES = ("cat", "dog", "eel")
ROW = {"id": 7, "display": {"text": 'a "tail" & <ears>\nü', "size": 2}}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('{"label": "dog"}', "dog"),
        ('  {"label": "dog"}\n', "dog"),
        ('{"why": "it barks, unlike a cat", "label": "dog"}', "dog"),
        ('```json\n{"label": "dog"}\n```', "dog"),
        ('Sure! Here it is: {"label": "dog"}. A cat it is not.', "dog"),
        ('{not json} {"a": {"label": "cat"}} ', "cat"),
        ('{"label": "dog"} {"label": "cat"}', "dog"),
        ('{"label": "Dog "}', "dog"),
        ("dog", "dog"),
        (" **Dog**. ", "dog"),
        ('"dog"', "dog"),
        ("It is a dog.", "dog"),
        ("DOG! Surely a dog.", "dog"),
        ("It is a dog, not a cat.", None),
        ("It is a hotdog.", None),
        ("A fox.", None),
        ('{"label": "fox"}', None),
        ('{"label": "fox"} or a dog', None),
        ('{"label": null}', None),
        ('{"label": 3}', None),
        ("", None),
        ("{" * 4000, None),
        ('{"label": "do', None),
    ],
)
def test_the_label_in_an_answer(text: str, label: str | None) -> None:
    assert label_in(text, CLASSES) == label


def test_classes_within_classes() -> None:
    classes = ("spam", "not spam", "C++", "c")
    assert label_in("I say: not spam", classes) == "not spam"
    assert label_in("I say: spam", classes) == "spam"
    assert label_in("I say: C++!", classes) == "C++"
    assert label_in("spam, or not spam", classes) is None


def test_classes_that_differ_in_case_alone() -> None:
    classes = ("us", "US")
    assert label_in('{"label": "US"}', classes) == "US"
    assert label_in("us", classes) == "us"
    assert label_in("Us", classes) is None


@given(
    st.text(max_size=60) | st.recursive(st.text(), lambda s: st.dictionaries(st.text(), s)).map(json.dumps)
)
def test_whatever_is_said_is_read_as_a_class_or_none(text: str) -> None:
    assert label_in(text, CLASSES) in {*CLASSES, None}


@given(st.sampled_from(CLASSES), st.dictionaries(st.text(min_size=1), st.integers()))
def test_structured_answers_are_always_understood(label: str, more: dict[str, int]) -> None:
    assert label_in(json.dumps({**more, "label": label}), CLASSES) == label


def test_the_default_prompt() -> None:
    system, user = Prompts().messages(ROW, CLASSES, (Example({"text": "purrs"}, "cat"),))
    assert (system["role"], user["role"]) == ("system", "user")
    assert "- cat\n- dog\n- eel\n" in system["content"]
    assert user["content"] == (
        'Row: {"text": "purrs"}\nAnswer: {"label": "cat"}\n\n'
        'Row: {"text": "a \\"tail\\" & <ears>\\nü", "size": 2}\nAnswer:'
    )


def test_templates_of_ones_own() -> None:
    prompts = Prompts("", "{{ row.text | upper }}/{{ id }}/{{ classes | join('|') }}/{{ predicted }}")
    (message,) = prompts.messages({"id": 1, "display": {"text": "x"}, "predicted": "eel"}, CLASSES, ())
    assert message == {"role": "user", "content": "X/1/cat|dog|eel/eel"}


@pytest.mark.parametrize("template", ["{{ row.", "{% for %}", 7])
def test_what_is_no_template_is_refused(template: Any) -> None:
    with pytest.raises(ConfigError, match="no jinja2 template"):
        Prompts("", template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ row.txt }}",
        "{{ predicted }}",
        "{{ 1 / 0 }}",
        "{{ ().__class__.__base__.__subclasses__() }}",
        "{{ examples.__class__ }}",
        "{% for i in range(10000000) %}{% endfor %}",
        "{{ row.update({'text': 'other'}) }}",
    ],
)
def test_a_template_that_fails_or_reaches_out_is_an_error(template: str) -> None:
    with pytest.raises(LabelerError, match=r"cannot be written for row 7: .*; row has text, size"):
        Prompts("", template).messages(ROW, CLASSES, ())


def test_examples_from_a_file_or_a_list(tmp_path: Path) -> None:
    path = tmp_path / "shown.jsonl"
    given: list[dict[str, Any]] = [{"text": "purrs", "label": "cat"}, {"text": "ü", "n": 2, "label": "dog"}]
    path.write_text("\n".join(json.dumps(line) for line in given) + "\n\n", "utf-8")
    expected = (Example({"text": "purrs"}, "cat"), Example({"text": "ü", "n": 2}, "dog"))
    assert read_examples(str(path), CLASSES) == read_examples(given, CLASSES) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        ("not json", "cannot be read as JSON lines"),
        ('["cat"]', "number 1 has no label"),
        ('{"text": "x", "label": "cat"}\n{"text": "y"}', "number 2 has no label"),
        ('{"label": "cta"}', "number 1: unknown class 'cta'; did you mean 'cat'"),
    ],
)
def test_examples_that_cannot_be_used(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.jsonl"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=message):
        read_examples(str(path), CLASSES)


def test_the_schema_holds_a_model_to_the_classes() -> None:
    wanted = answer_schema(CLASSES)
    assert wanted["type"] == "json_schema"
    schema = wanted["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == ["cat", "dog", "eel"]
    assert (schema["required"], schema["additionalProperties"]) == (["label"], False)
