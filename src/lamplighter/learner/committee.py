"""Committees: several models that saw the labels differently, and whose disagreement is informative.

Query by committee: Seung, Opper and Sompolinsky 1992, doi:10.1145/130385.130417. By resampling:
Abe and Mamitsuka 1998, "Query learning strategies using boosting and bagging", ICML.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lamplighter import rng
from lamplighter.arrays import F32, F64, I32, I64
from lamplighter.errors import ModelError
from lamplighter.learner.fitting import fit
from lamplighter.learner.model import Model
from lamplighter.strategies.base import Output

if TYPE_CHECKING:
    from lamplighter.config import CommitteeConfig, LearnerConfig

#: Training rows on which a member shows that it gives probabilities at all.
_TRIED = 1000


@dataclass(frozen=True, eq=False)
class Committee:
    """The members, two or more, and what a reader should know about their fits; empty if nothing."""

    members: tuple[Model, ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Finite labelled rows: (n, D), (n,), (n,) or None."""

    x: F32
    labels: I32
    weights: F32 | F64 | None

    def take(self, rows: I64) -> _Rows:
        return _Rows(self.x[rows], self.labels[rows], None if self.weights is None else self.weights[rows])


def fit_committee(
    config: CommitteeConfig,
    main: Model,
    x: F32,
    labels: I32,
    *,
    seed: int,
    round: int,
    weights: F32 | F64 | None = None,
) -> Committee:
    """Fit the members of a committee, each afresh, whatever the learner says of warm starts.

    Members by number are models of the main model's learner on bootstrap samples, drawn class by class so
    that every class keeps its rows. They share the main model's temperature: the same learner on as
    many rows is about as overconfident, and calibrating each of them would take five times the fits.
    Members by list are fitted on all rows, and calibrated where their own `calibrate` says so.

    A member that cannot be fitted, or whose fit diverged, is left out, and the note says so.

    Parameters
    ----------
    config
        The campaign's committee.
    main
        The round's model, fitted on the same rows.
    x
        (n, D) float32 features; rows with NaN or infinity are left out.
    labels
        (n,) int32 positions in the classes.
    seed, round
        Key all randomness, with the member's number.
    weights
        (n,) positive sample weights; a drawn row keeps its own.

    Raises
    ------
    ModelError
        Fewer than two members are left.
    UntrustedType, ConfigError
        As `fit`.
    """
    rows = _Rows(x, labels, weights).take(np.flatnonzero(np.isfinite(x).all(axis=1)))
    members, notes, lost = [], [], []
    for number, (learner, own) in enumerate(_samples(config, main, rows, (seed, round))):
        try:
            member = _member(learner, main, own, rng.key(seed, round, f"committee member {number}"))
            _try(member, rows.x[:_TRIED])
        except ModelError as error:
            lost.append(f"member {number} left out: {error}")
            continue
        members.append(member if config.learners else _sharing_temperature(member, main))
        notes.append(member.note)
    if len(members) < 2:
        raise ModelError(
            f"a committee needs 2 members, {len(members)} could be fitted: {'; '.join(lost)}. Give it other"
            " learners, or take a strategy that needs no committee"
        )
    said = [f"committee: {note}" for note in dict.fromkeys([*lost, *notes]) if note]
    return Committee(tuple(members), "; ".join(said))


def bootstrap(labels: I32, generator: np.random.Generator) -> I64:
    """Draw as many rows as there are, with replacement within each class: (n,) positions.

    Every class keeps its number of rows, so the rarest is in every sample. O(n log n).
    """
    order = np.argsort(labels, kind="stable")
    _, first, count = np.unique(labels[order], return_index=True, return_counts=True)
    within = generator.integers(np.repeat(count, count))
    return np.asarray(order[np.repeat(first, count) + within], np.int64)


def _samples(
    config: CommitteeConfig, main: Model, rows: _Rows, key: tuple[int, int]
) -> Iterator[tuple[LearnerConfig, _Rows]]:
    """Give each member's learner and rows."""
    for learner in config.learners or ():
        yield learner.model_copy(update={"warm_start": False}), rows
    for number in range(config.members or 0):
        generator = rng.generator(*key, f"committee sample {number}")
        plain = main.config.model_copy(update={"calibrate": False, "warm_start": False})
        yield plain, rows.take(bootstrap(rows.labels, generator))


def _member(learner: LearnerConfig, main: Model, rows: _Rows, seed: int) -> Model:
    return fit(learner, rows.x, rows.labels, main.classes, seed=seed, round=0, weights=rows.weights)


def _sharing_temperature(member: Model, main: Model) -> Model:
    config = main.config.model_copy(update={"warm_start": False})
    return replace(member, config=config, temperature=main.temperature)


def _try(member: Model, x: F32) -> None:
    """Raise ModelError for a member that gives no probabilities on rows it was fitted on."""
    with np.errstate(all="ignore"):
        sound = member.scorer().outputs(x, frozenset({Output.PROBA})).valid.any()
    if not sound:
        raise ModelError(f"{member.config.name} gives no probabilities that sum to 1; its fit diverged")
