"""Labeling interfaces: what is made for the classes, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import LabelerError
from lamplighter.labelers.label_studio.label_config import control_in
from lamplighter.labelers.label_studio.templates import ROW, interface, is_image

CLASSES = ("cat", "dog")
KEYS = {"text", "size"}
LEGIBLE = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)


def choices(inner: str, attributes: str = "") -> str:
    return f'<Choices name="label" toName="row" {attributes}>{inner}</Choices>'


BOTH = '<Choice value="cat"/><Choice value="dog"/>'
SHOWN = '<Text name="row" value="$text"/>'


def view(*parts: str) -> str:
    return f"<View>{''.join(parts)}</View>"


@pytest.mark.parametrize("template", ["text", "image", "table", None])
@given(classes=st.lists(LEGIBLE, min_size=2, max_size=12, unique=True))
def test_what_is_made_asks_for_the_classes(template: str | None, classes: list[str]) -> None:
    display = {"text": "a", "size": 3}
    control = control_in(interface(template, classes, display, "Which?"), classes, {*display, ROW}, "it")
    assert control.variables == (frozenset({ROW}) if template == "table" else {"text", "size"})


@pytest.mark.parametrize(
    ("display", "tags"),
    [
        ({"text": "a"}, ["Text"]),
        ({"caption": "a", "file": "s3://b/a.PNG?x=1"}, ["Text", "Image"]),
        ({"picture": "data:image/png;base64,AAAA"}, ["Image"]),
        ({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}, ["Table"]),
        ({"a b": 1}, ["Table"]),
        ({}, ["Table"]),
    ],
)
def test_a_template_that_suits_the_columns_is_taken(display: Mapping[str, Any], tags: list[str]) -> None:
    xml = interface(None, CLASSES, display, "")
    assert [tag for tag in ("Text", "Image", "Table") if f"<{tag} " in xml] == sorted(
        tags, key=["Text", "Image", "Table"].index
    )


@pytest.mark.parametrize("value", [None, 3, "a.png.txt", "http://[", "text about a.png or so?"])
def test_what_is_no_picture(value: object) -> None:
    assert not is_image(value)


@pytest.mark.parametrize(
    "own",
    [
        view(SHOWN, choices(BOTH)),
        view(
            SHOWN,
            choices('<Choice value="Katze" alias="cat"/><Choice value="dog"/>', 'choice="single-radio"'),
        ),
        view(SHOWN, choices(f"<View>{BOTH}</View>"), '<TextArea name="note" toName="row"/>'),
        view(SHOWN, choices(BOTH), '<Choices name="sure" toName="row"><Choice value="no"/></Choices>'),
        view('<Table name="row" value="$lamplighter_row"/>', '<Header value="$5 a piece"/>', choices(BOTH)),
    ],
)
def test_an_own_interface_may_have_more_than_the_question(own: str) -> None:
    control = control_in(own, CLASSES, {*KEYS, ROW}, "it")
    assert (control.name, control.shown) == ("label", "row")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (view(SHOWN, choices('<Choice value="cat"/>')), 'lacks "dog"'),
        (view(SHOWN, choices(BOTH + '<Choice value="eel"/>')), 'also has "eel", no class'),
        (
            view(SHOWN, choices('<Choice value="Cat"/><Choice value="dog"/>')),
            'lacks "cat" and also has "Cat"',
        ),
        (view(SHOWN, choices(BOTH + '<Choice value="cat"/>')), 'has "cat" twice'),
        (
            view(SHOWN, choices('<Choice value="cat"><Choice value="dog"/></Choice>')),
            "choices inside of choices",
        ),
        (view(SHOWN, choices(BOTH, 'choice="multiple"')), "choice='multiple'; allowed: single"),
        (view(SHOWN, choices(BOTH, 'perRegion="true"')), "asks about regions"),
        (view(SHOWN, choices("", 'value="$choices"')), "takes its choices from the task"),
        (view(SHOWN), "no Choices tag"),
        (view(SHOWN, choices(BOTH), choices(BOTH)), "all ask for the classes"),
        (view(choices(BOTH)), "the name of 0 tags"),
        (view('<Text name="row"/>', choices(BOTH)), "the name of 0 tags"),
        (view(SHOWN, SHOWN, choices(BOTH)), "the name of 2 tags"),
        (
            view('<Text name="row" value="$body"/>', choices(BOTH)),
            'it shows "$body", which tasks do not have',
        ),
        (view(SHOWN, '<Image name="i" value="$file"/>', choices(BOTH)), '"$file"'),
        (view(SHOWN, f'<Choices toName="row">{BOTH}</Choices>'), "has no name"),
        ("<View>", "no XML"),
        ('<!DOCTYPE v [<!ENTITY a "b">]><View/>', "declares a document type"),
    ],
)
def test_an_interface_that_does_not_fit_is_refused(own: str, said: str) -> None:
    with pytest.raises(LabelerError, match="it") as refused:
        control_in(own, CLASSES, KEYS, "it")
    assert said in str(refused.value)


def test_an_own_interface_is_read_from_its_file(tmp_path: Path) -> None:
    own = tmp_path / "own.xml"
    own.write_text(view(SHOWN, choices(BOTH)), "utf-8-sig")
    assert interface(str(own), CLASSES, {}, "") == view(SHOWN, choices(BOTH))


@pytest.mark.parametrize("place", ["nowhere.xml", "http://127.0.0.1:1/own.xml?key=secret"])
def test_a_file_that_cannot_be_read_is_named_without_its_secrets(place: str) -> None:
    with pytest.raises(LabelerError, match="cannot be read") as refused:
        interface(place, CLASSES, {}, "")
    assert place.partition("?")[0] in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_column_that_cannot_be_written_is_named() -> None:
    with pytest.raises(LabelerError, match="column 'my text' cannot be shown by template 'text'"):
        interface("text", CLASSES, {"my text": "a"}, "")


def test_a_template_needs_something_to_show() -> None:
    with pytest.raises(LabelerError, match="nothing to show"):
        interface("image", CLASSES, {}, "")
