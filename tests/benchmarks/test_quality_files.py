"""What the benchmark of label quality keeps: golden files, and its section of the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import quality_golden, quality_report
from benchmarks.quality_crowds import anaesthetists, level
from tests.packaging.sources import ROOT

GOLDEN = ROOT / "tests/quality/golden"


def test_a_golden_file_gives_back_crowd_and_results(tmp_path: Path) -> None:
    crowd = level(12)
    peer = {"versions": np.array(["cleanlab 1"]), "alpha": np.array(1 / 3), "score": np.array([[1e-20, 2.5]])}
    quality_golden.write(tmp_path, crowd, peer)
    again, read = quality_golden.read(tmp_path / "level.json")
    assert crowd.proba is not None
    assert again.proba is not None
    np.testing.assert_array_equal(again.proba, crowd.proba)
    np.testing.assert_array_equal(again.label, crowd.label)
    assert read["alpha"] == pytest.approx(1 / 3, rel=1e-11)
    assert read["score"].tolist() == [[1e-20, 2.5]]


def test_what_nobody_knows_stays_unknown(tmp_path: Path) -> None:
    quality_golden.write(tmp_path, replace(anaesthetists(), name="x"), {"versions": np.array([])})
    again, read = quality_golden.read(tmp_path / "x.json")
    assert (again.truth, again.proba, read) == (None, None, {})


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden_files_are_of_the_locked_peers(path: Path) -> None:
    lock = (ROOT / "requirements/peers-quality.txt").read_text("utf-8")
    for peer in json.loads(path.read_text("utf-8"))["peers"]:
        assert f"\n{peer.replace(' ', '==')} " in "\n" + lock, peer


def test_the_section_is_put_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{quality_report.BEGIN}\nold\n{quality_report.END}\nafter\n", "utf-8")
    quality_report.put(page, "new")
    assert (
        page.read_text("utf-8") == f"before\n{quality_report.BEGIN}\n\nnew\n\n{quality_report.END}\nafter\n"
    )
    page.write_text("no markers", "utf-8")
    with pytest.raises(SystemExit, match="lacks the markers"):
        quality_report.put(page, "new")
    assert page.read_text("utf-8") == "no markers"


def test_the_page_has_the_markers() -> None:
    page = (ROOT / "docs/label-quality.md").read_text("utf-8")
    assert 0 < page.index(quality_report.BEGIN) < page.index(quality_report.END)
