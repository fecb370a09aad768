"""Ours beside the peers' on one crowd: how often labels are equal, and how far numbers are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from benchmarks.quality_crowds import Crowd
from lamplighter.arrays import F64
from lamplighter.learner.calibration import apply_temperature
from lamplighter.quality.active_lab import labelled_scores, unlabelled_scores
from lamplighter.quality.agreement import agreement
from lamplighter.quality.answers import Answers
from lamplighter.quality.consensus import TIE, Consensus
from lamplighter.quality.crowdlab import crowdlab
from lamplighter.quality.dawid_skene import DawidSkene, dawid_skene
from lamplighter.quality.majority import majority
from lamplighter.quality.weighted import wawa, weighted


@dataclass(frozen=True)
class Row:
    """One method on one crowd.

    `equal` is the share of equal labels of the `rows` compared, `apart` the largest difference of a
    number; None where there is none.
    """

    crowd: str
    method: str
    peer: str
    rows: int
    equal: float | None
    apart: float | None


@dataclass(frozen=True)
class Ranking:
    """ActiveLab and CROWDLAB's quality as cleanlab has them by default, beside ours.

    `correlation` and `lowest` (share of equal rows among the lowest tenth) are of ActiveLab's scores;
    `scaled` is the correlation if ours get cleanlab's temperature; `ours` and `theirs` are the chance
    that a right label has a higher quality than a wrong one.
    """

    crowd: str
    correlation: float
    scaled: float
    lowest: float
    ours: float
    theirs: float


def stepped(answers: Answers, steps: int) -> DawidSkene:
    """Take as many steps of EM as crowd-kit, with no smoothing to speak of, as it has none."""
    return dawid_skene(answers, smoothing=1e-10, steps=steps, tolerance=1e-300)


def rows(crowd: Crowd, peer: Mapping[str, Any]) -> list[Row]:
    """Compare every method that the peers ran."""
    return _aggregated(crowd, peer) + (_assisted(crowd, peer) if crowd.proba is not None else [])


def right(crowd: Crowd) -> dict[str, float]:
    """Give the share of right labels of each of our methods, and of the model alone."""
    if crowd.proba is None or crowd.truth is None:
        return {}
    answers = crowd.answers()
    labels = {
        "majority": majority(answers).label,
        "wawa": wawa(answers).consensus.label,
        "weighted": weighted(answers).consensus.label,
        "dawid_skene": dawid_skene(answers).consensus.label,
        "crowdlab": crowdlab(answers, crowd.proba).consensus.label,
        "the model alone": crowd.proba.argmax(axis=1),
    }
    return {name: float((label == crowd.truth).mean()) for name, label in labels.items()}


def ranking(crowd: Crowd, peer: Mapping[str, Any]) -> Ranking | None:
    """Compare the order that ActiveLab and CROWDLAB's quality give the answered rows."""
    if crowd.proba is None or crowd.truth is None:
        return None
    answers, theirs, tenth = crowd.answers(), peer["active"], len(peer["active"]) // 10
    scores, found = labelled_scores(answers, crowd.proba), crowdlab(answers, crowd.proba).consensus
    scaled = labelled_scores(answers, apply_temperature(crowd.proba, float(peer["temperature"])))
    lowest = [set(np.argsort(s, kind="stable")[:tenth].tolist()) for s in (scores, theirs)]
    return Ranking(
        crowd.name,
        float(spearmanr(scores, theirs).statistic),
        float(spearmanr(scaled, theirs).statistic),
        len(lowest[0] & lowest[1]) / tenth,
        float(roc_auc_score(found.label == crowd.truth, found.confidence)),
        float(roc_auc_score(peer["crowdlab_label"] == crowd.truth, peer["crowdlab_quality"])),
    )


@dataclass(frozen=True)
class _Comparison:
    crowd: Crowd
    peer: Mapping[str, Any]

    def labels(self, method: str, found: Consensus, key: str) -> Row:
        """Compare labels of rows that are not tied, and, where the peer gives them, probabilities."""
        theirs, proba = self.peer[f"{key}_label"], self.peer.get(f"{key}_proba")
        untied = np.count_nonzero(found.proba >= found.confidence[:, None] - TIE, axis=1) == 1
        return Row(
            self.crowd.name,
            method,
            "cleanlab" if key == "crowdlab" else "crowd-kit",
            int(untied.sum()),
            float((found.label == theirs)[untied].mean()),
            None if proba is None else _largest(found.proba - proba),
        )

    def numbers(self, method: str, library: str, difference: F64) -> Row:
        """Compare numbers."""
        return Row(self.crowd.name, method, library, len(difference), None, _largest(difference))


def _aggregated(crowd: Crowd, peer: Mapping[str, Any]) -> list[Row]:
    answers, compare = crowd.answers(), _Comparison(crowd, peer)
    steps = len(peer["ds_loss"])
    alpha = agreement(answers, seed=0, round=0, resamples=250).alpha or 0.0
    weighed = wawa(answers.of_rows(crowd.untied)).consensus
    return [
        compare.labels("majority", majority(answers), "majority"),
        compare.labels("Wawa, untied rows", weighed, "wawa"),
        compare.labels(f"Dawid-Skene, {steps} steps", stepped(answers, steps).consensus, "ds"),
        compare.labels("Dawid-Skene, defaults", dawid_skene(answers).consensus, "ds_usual"),
        compare.numbers("Krippendorff's alpha", "krippendorff", np.array([alpha - peer["alpha"]])),
    ]


def _assisted(crowd: Crowd, peer: Mapping[str, Any]) -> list[Row]:
    assert crowd.proba is not None
    assert crowd.unlabelled is not None
    answers, compare, once = crowd.answers(), _Comparison(crowd, peer), "cleanlab, 1 pass"
    joined = crowdlab(answers, crowd.proba)
    found, trust, majority_label = joined.consensus, joined.trust, peer["first_label"]
    quality = np.take_along_axis(found.proba, majority_label[:, None], axis=1)[:, 0]
    weights = np.append(trust.annotator - peer["first_weights"], trust.model - peer["first_model"])
    # cleanlab's scores in one pass are of the majority's label, ours of CROWDLAB's.
    same = found.label == majority_label
    scores = labelled_scores(answers, crowd.proba) - peer["plain"]
    new = unlabelled_scores(crowd.unlabelled, trust) - peer["plain_new"]
    return [
        compare.labels("CROWDLAB, labels", found, "crowdlab"),
        compare.numbers("CROWDLAB, weights", once, weights),
        compare.numbers("CROWDLAB, quality", once, quality - peer["first_quality"]),
        compare.numbers("CROWDLAB, quality", "cleanlab", found.confidence - peer["crowdlab_quality"]),
        compare.numbers("ActiveLab, answered rows", once, scores[same]),
        compare.numbers("ActiveLab, new rows", once, new),
    ]


def _largest(difference: F64) -> float:
    return float(np.abs(difference).max(initial=0.0))
