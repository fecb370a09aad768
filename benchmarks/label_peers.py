"""The pickers of scikit-activeml and modAL, on rows in memory and on our model's probabilities.

    from benchmarks.label_peers import PEERS, SHARED, PickState
    positions = PEERS["scikit-activeml margin"](state)

Every peer gets what ours gets: the labelled rows, the features, and the probabilities of the very model
of the round (and of the same committee). So a difference in the curves is a difference in what is
picked, never in what was learned. Peers run as they come, with the parameters they have by default.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from modAL import batch, density, disagreement, uncertainty
from modAL.models import ActiveLearner, Committee
from modAL.utils.combination import make_product
from modAL.utils.selection import multi_argmax
from skactiveml import pool
from skactiveml.base import SkactivemlClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from lamplighter.arrays import F32, F64, I32, I64
from lamplighter.errors import ConfigError


@dataclass(frozen=True)
class PickState:
    """What a picker may see in one round.

    Attributes
    ----------
    x_labelled, y_labelled
        (l, D) float32 features and (l,) int32 classes of the rows labelled so far.
    x_unlabelled
        (n, D) float32; the rows to pick from, scaled like the labelled ones.
    proba_unlabelled
        (n, C) float32 probabilities of the round's model.
    k
        Rows wanted.
    seed
        0 <= seed < 2**32; another one in every round.
    committee_unlabelled
        (n, M, C) float32 probabilities of the round's committee, for the pickers in `NEED_COMMITTEE`.
    """

    x_labelled: F32
    y_labelled: I32
    x_unlabelled: F32
    proba_unlabelled: F32
    k: int
    seed: int
    committee_unlabelled: F32 | None = None

    @property
    def members(self) -> F64:
        """(M, n, C) float64 copy of the committee's probabilities: scikit-activeml writes into it."""
        if self.committee_unlabelled is None:
            raise ConfigError(
                "committee_unlabelled is None; query by committee needs (n, M, C) probabilities"
            )
        return np.moveaxis(self.committee_unlabelled, 1, 0).astype(np.float64)


#: Gives distinct positions in the unlabelled rows: k of them, or fewer where the peer named a row twice.
Picker: TypeAlias = Callable[[PickState], I64]


def distinct(found: Any) -> I64:
    """Drop a row that was named before, and put nothing in its place: a label is paid for once.

    scikit-activeml's Badge (its issue 586) and TypiClust repeat rows; k - len(...) says how often.
    """
    positions = np.asarray(found, dtype=np.int64)
    _, first = np.unique(positions, return_index=True)
    return positions[np.sort(first)]


class _GivenProba(SkactivemlClassifier):  # type: ignore[misc]  # the peers have no types
    """A fitted classifier of scikit-activeml that answers with probabilities worked out before."""

    def __init__(self, proba: F32, members: F64 | None = None) -> None:
        super().__init__(classes=np.arange(proba.shape[1]))
        self.proba, self.member_proba = proba, members
        self.classes_ = np.arange(proba.shape[1])

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> _GivenProba:
        return self

    def predict_proba(self, X: Any) -> F32:
        assert len(X) == len(self.proba)
        return self.proba

    def members(self, X: Any) -> F64:
        assert self.member_proba is not None
        assert len(X) == self.member_proba.shape[1]
        return self.member_proba


class _GivenEstimator(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # the peers have no types
    """The same for modAL, which takes any estimator of scikit-learn."""

    def __init__(self, proba: F32 | F64) -> None:
        self.proba = proba
        self.classes_ = np.arange(proba.shape[1])

    def fit(self, X: Any, y: Any) -> _GivenEstimator:
        return self

    def predict_proba(self, X: Any) -> F32 | F64:
        assert len(X) == len(self.proba)
        return self.proba

    def predict(self, X: Any) -> I64:
        votes: I64 = np.asarray(self.predict_proba(X)).argmax(axis=1)
        return votes


def _skactiveml(strategy: Callable[..., Any], *, needs: str = "", **parameters: Any) -> Picker:
    """Make a picker of a strategy of scikit-activeml that needs a "model", a "committee" or neither."""

    def pick(state: PickState) -> I64:
        x = np.concatenate([state.x_labelled, state.x_unlabelled])
        y = np.concatenate([state.y_labelled.astype(float), np.full(len(state.x_unlabelled), np.nan)])
        query = strategy(random_state=state.seed, **parameters)
        k = min(state.k, len(state.x_unlabelled))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = query.query(x, y, batch_size=k, **_given(state, needs))
        return distinct(found) - len(state.x_labelled)

    return pick


def _given(state: PickState, needs: str) -> dict[str, Any]:
    if needs == "model":
        return {"clf": _GivenProba(state.proba_unlabelled), "fit_clf": False}
    if needs == "committee":
        committee = _GivenProba(state.proba_unlabelled, state.members)
        return {"ensemble": committee, "fit_ensemble": False}
    return {}


def _modal(strategy: Callable[..., Any]) -> Picker:
    """Make a picker of a strategy of modAL that asks one learner."""

    def pick(state: PickState) -> I64:
        model = _GivenEstimator(state.proba_unlabelled)
        learner = ActiveLearner(model, strategy, X_training=state.x_labelled, y_training=state.y_labelled)
        return _asked(learner, state)

    return pick


def _modal_committee(strategy: Callable[..., Any]) -> Picker:
    """Make a picker of a strategy of modAL that asks a committee."""

    def pick(state: PickState) -> I64:
        learners = [ActiveLearner(_GivenEstimator(proba)) for proba in state.members]
        return _asked(Committee(learners, strategy), state)

    return pick


def _asked(learner: Any, state: PickState) -> I64:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, *_ = learner.query(state.x_unlabelled, n_instances=min(state.k, len(state.x_unlabelled)))
    return distinct(found)


def _cosine_density(learner: Any, x: F32) -> Any:
    """1 / (1 + cosine distance), meant over all rows; O(n^2) memory, as modAL has it."""
    return density.information_density(x, "cosine")


_uncertain_and_dense = make_product(uncertainty.classifier_uncertainty, _cosine_density)


def _density_sampling(learner: Any, x: F32, n_instances: int) -> Any:
    return multi_argmax(_cosine_density(learner, x), n_instances)


def _uncertain_density_sampling(learner: Any, x: F32, n_instances: int) -> Any:
    """Uncertainty times density, put together as modAL's documentation does."""
    return multi_argmax(_uncertain_and_dense(learner, x), n_instances)


_US, _QBC = pool.UncertaintySampling, pool.QueryByCommittee

PEERS: Mapping[str, Picker] = {
    "scikit-activeml random": _skactiveml(pool.RandomSampling),
    "scikit-activeml least_confident": _skactiveml(_US, needs="model", method="least_confident"),
    "scikit-activeml margin": _skactiveml(_US, needs="model", method="margin_sampling"),
    "scikit-activeml entropy": _skactiveml(_US, needs="model", method="entropy"),
    "scikit-activeml vote_entropy": _skactiveml(
        _QBC, needs="committee", method="vote_entropy", sample_predictions_method_name="members"
    ),
    "scikit-activeml KL_divergence": _skactiveml(
        _QBC, needs="committee", method="KL_divergence", sample_predictions_method_name="members"
    ),
    "scikit-activeml CoreSet": _skactiveml(pool.CoreSet),
    "scikit-activeml Badge": _skactiveml(pool.Badge, needs="model"),
    "scikit-activeml TypiClust": _skactiveml(pool.TypiClust),
    "modAL uncertainty": _modal(uncertainty.uncertainty_sampling),
    "modAL margin": _modal(uncertainty.margin_sampling),
    "modAL entropy": _modal(uncertainty.entropy_sampling),
    "modAL ranked_batch": _modal(batch.uncertainty_batch_sampling),
    "modAL information_density": _modal(_density_sampling),
    "modAL uncertainty_x_density": _modal(_uncertain_density_sampling),
    "modAL vote_entropy": _modal_committee(disagreement.vote_entropy_sampling),
    "modAL consensus_entropy": _modal_committee(disagreement.consensus_entropy_sampling),
    "modAL max_disagreement": _modal_committee(disagreement.max_disagreement_sampling),
}

#: Peers that read `committee_unlabelled`.
NEED_COMMITTEE = frozenset(
    {
        "scikit-activeml vote_entropy",
        "scikit-activeml KL_divergence",
        "modAL vote_entropy",
        "modAL consensus_entropy",
        "modAL max_disagreement",
    }
)

#: Our strategies and the peers that mean the same by theirs, though not always by the same formula.
SHARED: Mapping[str, tuple[str, ...]] = {
    "random": ("scikit-activeml random",),
    "least_confidence": ("scikit-activeml least_confident", "modAL uncertainty"),
    "margin": ("scikit-activeml margin", "modAL margin"),
    "entropy": ("scikit-activeml entropy", "modAL entropy"),
    "vote_entropy": ("scikit-activeml vote_entropy", "modAL vote_entropy"),
    "consensus_kl": ("scikit-activeml KL_divergence",),
    "max_disagreement": ("modAL max_disagreement",),
    "k_center": ("scikit-activeml CoreSet",),
    "badge": ("scikit-activeml Badge",),
    "typiclust": ("scikit-activeml TypiClust",),
    "information_density": ("modAL uncertainty_x_density",),
}
