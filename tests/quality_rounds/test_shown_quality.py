"""What people see of label quality is what the ledger holds: in the report, the status and the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lamplighter.cli import show
from lamplighter.cli.entry import run
from lamplighter.driver import Driver
from lamplighter.label_quality import documents, falls
from lamplighter.labelers import LABELERS
from lamplighter.quality.record import AgreementRecord, Alarm, AnnotatorRecord, QualityRecord
from lamplighter.quality.words import estimate
from lamplighter.reporting import publish_report
from lamplighter.rounds import Record
from lamplighter.standing import Standing
from lamplighter.status import status
from tests.packaging.sources import ROOT
from tests.quality_rounds.crew_labeler import Crew
from tests.quality_rounds.crews import consensus_of, crew, quality_of, rounds
from tests.report.pages import check_loads_nothing, said

QUALITY = {
    "gold": {"url": "gold.parquet", "share": 0.5},
    "overlap": {"share": 1.0, "annotators": 3},
    "relabel": {"share": 0.2},
    "annotators": {"bound": 0.7, "leave_out": True},
    "alarm": {"gold": 0.95, "alpha": 0.01},
}
SKILL = {"ada": 0.97, "grace": 0.9, "<b>noisy</b> nick": 0.2}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Standing:
    """A campaign of three rounds with people of whom one is hardly ever right."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LABELERS.builtin, "crew", Crew)
        return rounds(crew(tmp_path_factory.mktemp("shown"), QUALITY, SKILL, crew={"each": 3}), 3)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Standing:
    """A campaign of two rounds with one annotator, and nothing about quality in its file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LABELERS.builtin, "crew", Crew)
        return rounds(crew(tmp_path_factory.mktemp("alone"), None, {"ada": 0.9}), 2)


def page(driver: Driver, number: int | None = None) -> str:
    return Path(publish_report(driver, number).url).read_text("utf-8")


def terminal(standing: Standing, capsys: pytest.CaptureFixture[str]) -> str:
    path = Path(standing.driver.store.url).parent / "campaign.yaml"
    capsys.readouterr()
    assert run(["status", str(path)]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_report_shows_the_newest_document(judged: Standing) -> None:
    kept, html = quality_of(judged), page(judged.driver)
    text = said(html)
    check_loads_nothing(html)
    assert kept.agreement is not None
    assert kept.agreement.alpha is not None
    assert f"Krippendorff's alpha {kept.agreement.alpha:.3f} (95%: {kept.agreement.low:.3f}" in text
    assert kept.gold is not None
    assert f"gold answers right {estimate(kept.gold)} of {kept.gold.n:,} below the bound of 0.95" in text
    assert f"disputed rows {kept.disputed} of {kept.rows:,}" in text
    for person in kept.annotators:
        assert person.gold is not None
        assert f"{person.name} {person.votes} {person.gold.value:.3f} {person.gold.n}" in text
    assert [person.name for person in kept.annotators if person.left_out] == ["<b>noisy</b> nick"]
    assert "left out" in text
    assert kept.warnings
    assert all(warning in text for warning in (*kept.warnings, kept.alarms[0].text))
    assert "Label quality over the rounds:" in html


def test_earlier_reports_show_what_was_known_then(judged: Standing) -> None:
    assert "No answers have come in yet, so there is nothing to judge." in said(page(judged.driver, 1))
    second = documents(judged)[2]
    assert second.gold is not None
    assert f"gold answers right {estimate(second.gold)} of" in said(page(judged.driver, 2))


def test_the_status_holds_the_whole_document(judged: Standing) -> None:
    found = status(judged.driver)["quality"]
    assert found == {"round": 3, **quality_of(judged).model_dump(mode="json")}
    assert json.loads(json.dumps(found)) == found


def test_the_terminal_is_brief(judged: Standing, capsys: pytest.CaptureFixture[str]) -> None:
    kept, shown = quality_of(judged), terminal(judged, capsys)
    assert kept.gold is not None
    assert f"gold answers right {estimate(kept.gold)} of {kept.gold.n}; below the bound of 0.95" in shown
    assert f"alarm {kept.alarms[0].text}" in shown
    assert f"warning {kept.warnings[0]}" in shown
    assert "<b>noisy</b>" in shown


def test_foreign_text_steers_no_terminal(judged: Standing, capsys: pytest.CaptureFixture[str]) -> None:
    found = status(judged.driver)
    person = found["quality"]["annotators"][0] | {"name": "\x1b[2J[b]"}
    quality = found["quality"] | {"annotators": [person], "warnings": ["\x1b]0;title\x07"]}
    show.status(found | {"quality": quality, "problems": ["\x1b[1A"]})
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[2J[b]" in shown
    assert "\\x1b]0;title\\x07" in shown


def test_a_fall_is_told_in_the_round_that_it_happens(judged: Standing) -> None:
    assert not falls(judged, 1)
    (told,) = falls(judged, 2)
    assert told.resource["prefect.resource.id"] == "lamplighter.campaign.fruit"
    alarm = documents(judged)[2].alarms[0]
    assert told.payload["measure"] == "gold"
    assert told.payload["value"] == round(alarm.value, 4)
    assert (told.payload["round"], told.payload["bound"], told.payload["text"]) == (2, 0.95, alarm.text)
    assert quality_of(judged).alarms
    assert not falls(judged, 3)


def test_the_batch_shown_is_what_was_picked_and_gives_no_gold_row_away(judged: Standing) -> None:
    extra = {row for _, table in judged.extras for row in table.column("id").to_pylist()}
    assert extra
    top = publish_report(judged.driver).top_rows
    assert [row["rank"] for row in top] == list(range(1, len(top) + 1))
    assert not extra & {int(row["id"]) for row in top}


@pytest.mark.parametrize("kind", [QualityRecord, AgreementRecord, AnnotatorRecord, Alarm])
def test_the_formats_name_every_key(kind: type[Record]) -> None:
    page = (ROOT / "docs" / "formats.md").read_text("utf-8")
    told = page[page.index("`quality-*.json` holds") : page.index("## Annotations")]
    named = set(re.findall(r"`(\w+)`", told))
    assert set(kind.model_fields) - named <= ({"name"} if kind is AnnotatorRecord else set())


def test_the_formats_name_every_column_of_a_consensus(judged: Standing) -> None:
    page = (ROOT / "docs" / "formats.md").read_text("utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("| `consensus-*.parquet` |"))
    assert set(consensus_of(judged).column_names) <= set(re.findall(r"`(\w+)`", line))


def test_the_formats_name_every_column_of_the_extra_rows(judged: Standing) -> None:
    page = (ROOT / "docs" / "formats.md").read_text("utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("| `extra-*.parquet` |"))
    columns = {name for _, table in judged.extras for name in table.column_names}
    assert {name for name in columns if not name.startswith("display.")} <= set(re.findall(r"`(\w+)`", line))


def test_every_try_at_a_round_names_the_event_alike(judged: Standing) -> None:
    first, second = falls(judged, 2), falls(judged, 2)
    assert [fall.event_id for fall in first] == [fall.event_id for fall in second]


def test_one_annotator_reads_well(alone: Standing, capsys: pytest.CaptureFixture[str]) -> None:
    text, shown = said(page(alone.driver)), terminal(alone, capsys)
    assert "Krippendorff's alpha not known: no row has two votes" in text
    assert "Krippendorff's alpha not known: no row has two votes" in shown
    assert "Nothing measures yet how good the answers are" in text
    assert "Annotators" not in shown
    published = publish_report(alone.driver)
    assert (published.quality, published.annotators) == ("", [])


def test_a_campaign_without_answers_has_no_quality(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standing = rounds(crew(tmp_path, None, {"ada": 0.9}), 1)
    assert status(standing.driver)["quality"] is None
    assert "Label quality" not in terminal(standing, capsys)
    assert documents(standing) == {}
