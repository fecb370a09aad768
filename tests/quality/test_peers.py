"""Parity with crowd-kit, cleanlab and krippendorff: their results on small crowds, kept in golden/.

`make bench-quality` writes the files, and compares on larger crowds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import quality_golden, quality_parity
from benchmarks.quality_crowds import Crowd, small
from benchmarks.quality_parity import Row
from lamplighter.quality.active_lab import labelled_scores
from lamplighter.quality.consensus import TIE
from lamplighter.quality.crowdlab import crowdlab
from lamplighter.quality.dawid_skene import dawid_skene
from lamplighter.quality.majority import majority
from lamplighter.quality.weighted import wawa

GOLDEN = Path(__file__).parent / "golden"
#: Numbers are kept with 12 digits.
CLOSE = 1e-10

Golden = tuple[Crowd, dict[str, Any]]


def golden(name: str) -> Golden:
    return quality_golden.read(GOLDEN / f"{name}.json")


def row(found: list[Row], method: str, peer: str) -> Row:
    (one,) = (r for r in found if r.method.startswith(method) and r.peer == peer)
    return one


SHARED = ["anaesthetists", "uneven", "swapped", "level"]
ASSISTED = ["uneven", "swapped", "level"]


def test_the_files_are_of_the_crowds_that_the_benchmark_makes() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(crowd.name for crowd in small())
    assert sum(path.stat().st_size for path in GOLDEN.glob("*.json")) < 60_000
    for crowd in small():
        kept, _ = golden(crowd.name)
        for votes in ("row", "annotator", "label"):
            np.testing.assert_array_equal(getattr(kept, votes), getattr(crowd, votes))


@pytest.mark.parametrize("name", SHARED)
def test_majority_is_crowd_kits(name: str) -> None:
    crowd, peer = golden(name)
    found = majority(crowd.answers())
    np.testing.assert_allclose(found.proba, peer["majority_proba"], atol=CLOSE)
    np.testing.assert_array_equal(found.label[crowd.untied], peer["majority_label"][crowd.untied])


@pytest.mark.parametrize("name", SHARED)
def test_wawa_is_crowd_kits_where_no_vote_is_tied(name: str) -> None:
    crowd, peer = golden(name)
    found = wawa(crowd.answers().of_rows(crowd.untied))
    skill = peer["wawa_skill"]
    np.testing.assert_allclose(found.skill, skill, atol=CLOSE)
    np.testing.assert_allclose(found.consensus.proba, peer["wawa_proba"], atol=CLOSE)
    best = found.consensus.confidence[:, None]
    clear = np.count_nonzero(found.consensus.proba >= best - TIE, axis=1) == 1
    np.testing.assert_array_equal(found.consensus.label[clear], peer["wawa_label"][clear])


@pytest.mark.parametrize("name", SHARED)
def test_dawid_skene_is_crowd_kits_step_by_step(name: str) -> None:
    crowd, peer = golden(name)
    found = quality_parity.stepped(crowd.answers(), len(peer["ds_loss"])).consensus
    # crowd-kit has no smoothing, and cuts counts and beliefs off at 1e-10 instead.
    np.testing.assert_allclose(found.proba, peer["ds_proba"], atol=1e-5)
    np.testing.assert_array_equal(found.label, peer["ds_label"])


def test_crowd_kits_dawid_skene_stops_by_a_number_that_can_fall_ours_by_one_that_cannot() -> None:
    # Its loss counts the prior once for each vote instead of once for each row.
    falls = [np.diff(golden(name)[1]["ds_loss"]).min() for name in SHARED]
    assert min(falls) < -1e-4
    for name in SHARED:
        crowd, peer = golden(name)
        objective = quality_parity.stepped(crowd.answers(), len(peer["ds_loss"])).objective
        assert np.diff(objective).min() > -1e-8


def test_smoothing_moves_dawid_skene_away_from_crowd_kits_which_has_none() -> None:
    crowd, peer = golden("anaesthetists")
    ours = dawid_skene(crowd.answers())
    assert np.abs(ours.consensus.proba - peer["ds_proba"]).max() > 0.02
    # Nobody is certain never to say something: that is what it is for.
    assert ours.confusion.min() > 1e-3


@pytest.mark.parametrize("name", SHARED)
def test_alpha_is_krippendorffs(name: str) -> None:
    crowd, peer = golden(name)
    assert row(quality_parity.rows(crowd, peer), "Krippendorff", "krippendorff").apart == pytest.approx(
        0, abs=CLOSE
    )


@pytest.mark.parametrize("name", ["uneven", "swapped"])
def test_crowdlab_labels_are_cleanlabs(name: str) -> None:
    crowd, peer = golden(name)
    assert crowd.proba is not None
    found = crowdlab(crowd.answers(), crowd.proba).consensus
    np.testing.assert_array_equal(found.label, peer["crowdlab_label"])


@pytest.mark.parametrize("name", ["uneven", "swapped"])
def test_crowdlab_and_active_lab_are_cleanlabs_in_one_pass(name: str) -> None:
    found = quality_parity.rows(*golden(name))
    for method in ("CROWDLAB, weights", "CROWDLAB, quality", "ActiveLab, answered", "ActiveLab, new"):
        one = row(found, method, "cleanlab, 1 pass")
        assert one.rows > 6
        assert one.apart == pytest.approx(0, abs=CLOSE)


def test_cleanlab_estimates_its_weights_once_more_from_the_labels_that_they_made() -> None:
    crowd, peer = golden("uneven")
    assert crowd.proba is not None
    trust = crowdlab(crowd.answers(), crowd.proba).trust
    # The model is judged by labels that it voted for, so it looks better.
    assert peer["crowdlab_model"] > 1.2 * peer["first_model"]
    assert trust.model == pytest.approx(float(peer["first_model"]), abs=CLOSE)


def test_cleanlab_takes_the_chance_error_from_labels_where_the_paper_takes_votes() -> None:
    crowd, peer = golden("level")
    answers = crowd.answers()
    assert crowd.proba is not None
    labels, shared = peer["first_label"], answers.per_row > 1
    votes, most = answers.counts.sum(axis=0).argmax(), np.bincount(labels[shared]).argmax()
    assert votes != most
    errors = [1 - np.mean(labels[shared] == one) for one in (votes, most)]
    trust = crowdlab(answers, crowd.proba).trust
    # 1 - w_j = (1 - s_j) / (1 - a_0): only a_0 differs, and explains all of the difference.
    expected = 1 - (1 - trust.annotator) * errors[0] / errors[1]
    np.testing.assert_allclose(peer["first_weights"], expected, atol=CLOSE)
    assert np.abs(peer["first_weights"] - trust.annotator).max() > 0.01


@pytest.mark.parametrize("name", ASSISTED)
def test_cleanlabs_active_lab_scores_differ_by_its_temperature_and_second_estimate(name: str) -> None:
    crowd, peer = golden(name)
    assert crowd.proba is not None
    assert np.abs(labelled_scores(crowd.answers(), crowd.proba) - peer["active"]).max() > 0.01
    assert peer["temperature"] != pytest.approx(1, abs=0.01)


def test_with_one_vote_a_row_cleanlab_asks_the_model_alone_how_good_a_label_is() -> None:
    crowd, peer = golden("single")
    assert crowd.proba is not None
    answers, p = crowd.answers(), crowd.proba
    own = p[np.arange(len(p)), answers.label]
    np.testing.assert_allclose(peer["active"], (2 * own + 1 / 3) / 3, atol=CLOSE)
    # Ours counts the vote too, as far as votes and model agree in general; the label is the voted one
    # unless the model is surer.
    right = (p.argmax(axis=1) == answers.label).mean()
    voted = np.where(np.eye(3, dtype=bool)[answers.label], right, (1 - right) / 2)
    expected = ((p + voted).max(axis=1) + 1 / 3) / 3
    np.testing.assert_allclose(labelled_scores(answers, p), expected, atol=CLOSE)
