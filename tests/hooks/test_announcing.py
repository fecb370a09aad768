"""Whether there is something to announce, by the ledger and the labeler."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamplighter.announcing import Labelled, NotYet, check_tells, look
from lamplighter.config import load
from lamplighter.driver import Driver, open_driver
from lamplighter.errors import ConfigError, LabelerError
from lamplighter.rounds import Step
from lamplighter.steps import perform
from tests.campaigns import write_campaign, write_pool
from tests.hooks.people import campaign_of_people


def test_nothing_before_the_first_batch(tmp_path: Path) -> None:
    write_pool(tmp_path)
    file = write_campaign(tmp_path, labeler={"name": "people", "params": {"folder": str(tmp_path)}})
    assert look(Driver(load(file))) == NotYet("no batch was dispatched yet")
    assert not (tmp_path / "store").exists()  # looking writes nothing


def test_a_batch_is_announced_when_it_is_labelled(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path)
    before = look(open_driver(campaign.file))
    assert isinstance(before, NotYet)
    assert "not fully labelled" in before.reason
    batch = campaign.label()
    # 20 rows of the batch, and the holdout beside it.
    assert look(open_driver(campaign.file)) == Labelled("fruit", 1, batch, 40)


def test_a_round_that_has_begun_is_not_announced(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path)
    campaign.label()
    perform(open_driver(campaign.file), Step.COLLECT)
    questions = campaign.questions()
    assert look(open_driver(campaign.file)) == NotYet("round 2 has begun")
    assert campaign.questions() == questions


def test_the_next_batch_is_another_one(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path)
    first = campaign.label()
    campaign.round()
    assert isinstance(look(open_driver(campaign.file)), NotYet)
    second = campaign.label()
    found = look(open_driver(campaign.file))
    assert isinstance(found, Labelled)
    assert (found.round, found.batch) == (2, second)
    assert second != first


def test_a_campaign_that_has_stopped_starts_no_round(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path, budget={"rounds": 1})
    campaign.label()
    campaign.round()  # the one that stops
    assert (tmp_path / "asked").exists() is False
    found = look(open_driver(campaign.file))
    assert isinstance(found, NotYet)
    assert "stopped" in found.reason


def test_the_labeler_that_has_the_batch_is_asked(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path)
    batch = campaign.label()
    write_campaign(tmp_path, evaluation={"holdout": 20})  # simulated from now on, which cannot tell
    found = look(open_driver(campaign.file))
    assert isinstance(found, Labelled)
    assert found.batch == batch


def test_a_labeler_that_is_down_is_said(tmp_path: Path) -> None:
    campaign = campaign_of_people(tmp_path)
    (tmp_path / "down").touch()
    with pytest.raises(LabelerError, match="is down"):
        look(open_driver(campaign.file))


def test_a_labeler_that_cannot_tell_is_refused(tmp_path: Path) -> None:
    write_pool(tmp_path)
    with pytest.raises(ConfigError, match="labeler 'simulated' cannot tell when a batch is labelled"):
        check_tells(Driver(load(write_campaign(tmp_path))))
