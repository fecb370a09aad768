"""What `make bench-labels` runs: per set the learner, the sizes and the metric; per name who picks.

Everybody gets the same: split, start set, learner, batch size, model of the round, committee. Only the
picks differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import label_sets
from benchmarks.label_peers import NEED_COMMITTEE, PEERS, SHARED, PickState
from lamplighter import rng
from lamplighter.arrays import F32, I64
from lamplighter.backtest.picking import LabelledRows, Moment, Picker, StrategyPicker
from lamplighter.config import Campaign
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.balance import Balanced
from lamplighter.strategies.base import Output, Strategy
from lamplighter.strategies.geometry import standardised

LOGISTIC, TREES = "logistic regression", "extra trees"
LEARNERS: Mapping[str, Mapping[str, Any]] = {
    LOGISTIC: {
        "name": "sklearn.linear_model.LogisticRegression",
        "params": {"C": 1.0, "max_iter": 500},
    },
    TREES: {"name": "sklearn.ensemble.ExtraTreesClassifier", "params": {"n_estimators": 60}},
}
#: A committee of five: bootstraps of the learner, or, of forests, smaller ones.
COMMITTEES: Mapping[str, Any] = {
    TREES: [{"name": "sklearn.ensemble.ExtraTreesClassifier", "params": {"n_estimators": 12}}] * 5
}
MEMBERS = 5


@dataclass(frozen=True)
class Case:
    """How one set is run.

    Attributes
    ----------
    learner
        One of LEARNERS.
    rows
        Rows used of the set, test rows among them.
    start, batch
        Rows of the start set, and of every batch.
    labels
        Labels at the end of a run.
    rare
        Classes that the imbalance-aware strategies are told of.
    """

    name: str
    learner: str
    rows: int
    start: int
    batch: int
    labels: int
    metric: str = "accuracy"
    rare: tuple[str, ...] = ()
    test_share: float = 0.4

    def takes(self, name: str) -> bool:
        """Say whether a strategy makes sense here: those that are told of rare classes need some."""
        if name == "expected_gradient_length":
            return self.learner != TREES  # it needs a last layer
        return name not in AWARE or bool(self.rare)

    def rows_of(self) -> LabelledRows:
        """Load the set; tables are scaled column by column, as the peers' distances need it."""
        found = label_sets.load(self.name)
        x = found.x[: self.rows]
        scaled = x if found.embedding else standardised(x)
        return LabelledRows(pa.array(np.arange(len(x))), np.ascontiguousarray(scaled), found.y[: self.rows])

    def campaign(self) -> Campaign:
        """Give the campaign that is replayed; the features are one vector, scaled where they need it."""
        return Campaign.model_validate(
            {
                "name": self.name,
                "pool": {"url": "memory://", "features": "features"},
                "classes": label_sets.load(self.name).classes,
                "learner": {**LEARNERS[self.learner], "calibrate": False},
                "committee": COMMITTEES.get(self.learner, MEMBERS),
                "batch_size": self.batch,
                "labeler": "simulated",
                "evaluation": {"holdout": 1, "metric": self.metric},
                "store": "memory://",
            }
        )


#: Ours: registered names, some with `balance` around them.
OURS = (
    "random",
    "least_confidence",
    "margin",
    "entropy",
    "power_margin",
    "vote_entropy",
    "consensus_kl",
    "max_disagreement",
    "expected_gradient_length",
    "information_density",
    "facility_location",
    "mmr",
    "k_center",
    "badge",
    "cluster_margin",
    "typiclust",
    "class_margin",
    "rare_class",
    "margin balanced",
)
#: Ours that know of rare classes.
AWARE = ("rare_class", "margin balanced")
SHARE = 0.5


def contenders() -> list[str]:
    """Give ours, then the peers that one of ours has a counterpart in."""
    peers = [peer for shared in SHARED.values() for peer in shared]
    return [*OURS, *dict.fromkeys(peers)]


CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        Case("letter", TREES, 6000, 100, 50, 600, test_share=1 / 3),
        Case("satimage", LOGISTIC, 6000, 40, 20, 280, test_share=1 / 3),
        Case("spambase", LOGISTIC, 4200, 40, 10, 160, test_share=1 / 3),
        Case("optdigits", LOGISTIC, 5600, 40, 20, 280, test_share=1 / 3),
        Case("reuters_r8", LOGISTIC, 6000, 40, 20, 240, "macro_f1", ("grain", "ship"), 1 / 3),
        Case("hypothyroid", LOGISTIC, 3000, 40, 10, 160, "macro_f1", ("hypothyroid",), 1 / 3),
        Case("page_blocks", LOGISTIC, 5400, 40, 10, 160, "macro_f1", ("3", "4", "5"), 1 / 3),
    )
}


@dataclass(frozen=True)
class PeerPicker:
    """A peer's strategy, shown what ours sees."""

    name: str
    needs_committee: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs_committee", self.name in NEED_COMMITTEE)

    def pick(self, moment: Moment) -> tuple[I64, tuple[str, ...]]:
        """Ask the peer; say how many rows it named twice."""
        free = np.flatnonzero(~moment.asked)
        labelled = moment.pool.take(np.flatnonzero(moment.asked))
        rest = moment.pool.take(free)
        wanted = {Output.PROBA} | ({Output.COMMITTEE} if moment.members else set())
        with moment.timed("score"):
            outputs = _outputs(moment, rest.x, frozenset(wanted))
        state = PickState(
            x_labelled=labelled.x,
            y_labelled=labelled.label,
            x_unlabelled=rest.x,
            proba_unlabelled=outputs[Output.PROBA],
            k=moment.k,
            seed=rng.key(moment.seed, moment.round, self.name) % 2**32,
            committee_unlabelled=outputs.get(Output.COMMITTEE),
        )
        with moment.timed("select"):
            found = PEERS[self.name](state)
        short = moment.k - len(found)
        return free[found], ((f"{self.name} named rows twice",) if short else ())


def _outputs(moment: Moment, x: F32, wanted: frozenset[Output]) -> Mapping[Output, F32]:
    scorer = moment.scorer
    if scorer is None:
        raise RuntimeError("peers are asked once there is a model")
    return {name: np.ascontiguousarray(values) for name, values in scorer.outputs(x, wanted).outputs.items()}


def picker(name: str, case: Case) -> Picker:
    """Give who picks by name: one of ours, "library strategy" for a peer."""
    return PeerPicker(name) if name in PEERS else StrategyPicker(_ours(name, case))


def _ours(name: str, case: Case) -> Strategy:
    if name == "rare_class":
        return STRATEGIES.build(name, {"rare": case.rare})
    strategy = STRATEGIES.build(name.removesuffix(" balanced"))
    return Balanced(strategy, case.rare, SHARE) if name in AWARE else strategy
