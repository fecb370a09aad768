"""Secrets: resolved late, blotted out of text, logs and errors."""

from __future__ import annotations

import logging

import pytest

from lamplighter.errors import ConfigError, LabelerError, LamplighterError
from lamplighter.redaction import Redactor, references, resolve

TOKEN = "s3cr3t-t0ken"


@pytest.fixture
def redactor(monkeypatch: pytest.MonkeyPatch) -> Redactor:
    monkeypatch.setenv("TOKEN", TOKEN)
    return Redactor({"TOKEN"})


def test_references_are_found_at_any_depth() -> None:
    assert references({"a": ["${X}", {"b": "u:${Y}@h"}], "c": 3}) == {"X", "Y"}


def test_resolve_replaces_inside_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "db")
    assert resolve({"url": "http://${HOST}/x", "n": 3, "l": ("${HOST}",)}) == {
        "url": "http://db/x",
        "n": 3,
        "l": ("db",),
    }


def test_unset_variable_names_place_and_remedy() -> None:
    with pytest.raises(
        ConfigError, match=r"labeler: token: environment variable NOT_SET_ANYWHERE is not set"
    ):
        resolve({"token": "${NOT_SET_ANYWHERE}"}, "labeler")


def test_log_records_are_blotted(redactor: Redactor, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("lamplighter.test_redaction")
    caplog.handler.addFilter(redactor)
    try:
        raise ValueError(f"bad token {TOKEN}")
    except ValueError:
        logger.exception("sending %s", TOKEN)
    caplog.handler.removeFilter(redactor)
    assert TOKEN not in caplog.text
    assert "sending ***" in caplog.text
    assert "ValueError: bad token ***" in caplog.text


@pytest.mark.parametrize("error", [LabelerError(f"401 for {TOKEN}"), RuntimeError(f"401 for {TOKEN}")])
def test_errors_are_blotted(redactor: Redactor, error: Exception) -> None:
    with pytest.raises(LamplighterError) as failure, redactor.guard():
        raise error
    assert str(failure.value) == "401 for ***"
    assert failure.value.__cause__ is None


def test_causes_are_looked_at_too(redactor: Redactor) -> None:
    def fail() -> None:
        try:
            raise KeyError(TOKEN)
        except KeyError as cause:
            raise LabelerError("no answer") from cause

    with pytest.raises(LabelerError) as failure, redactor.guard():
        fail()
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


def test_harmless_errors_pass_unchanged(redactor: Redactor) -> None:
    error = ValueError("nothing secret")
    with pytest.raises(ValueError) as failure, redactor.guard():
        raise error
    assert failure.value is error


def test_short_values_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "a")
    assert Redactor({"SHORT"}).redact("banana") == "banana"
