"""The peers pick on our probabilities what ours pick, where both mean the same and nothing is equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from lamplighter.arrays import F32
from lamplighter.strategies.uncertainty import entropy, least_confidence, margin

pytest.importorskip("skactiveml", reason="the peers come with `make bench-labels`")
pytest.importorskip("modAL", reason="the peers come with `make bench-labels`")

from benchmarks import label_peers

if TYPE_CHECKING:
    from benchmarks.label_peers import PickState

ROWS, LABELLED, CLASSES, MEMBERS, K = 300, 40, 5, 4, 12


def _state(**changes: Any) -> PickState:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(LABELLED + ROWS, 6)).astype(np.float32)
    members = generator.dirichlet(np.full(CLASSES, 0.6), size=(ROWS, MEMBERS))
    given = {
        "x_labelled": x[:LABELLED],
        "y_labelled": (np.arange(LABELLED) % CLASSES).astype(np.int32),
        "x_unlabelled": x[LABELLED:],
        "proba_unlabelled": members.mean(axis=1).astype(np.float32),
        "k": K,
        "seed": 11,
        "committee_unlabelled": members.astype(np.float32),
    }
    return label_peers.PickState(**(given | changes))


def _best(score: Any) -> set[int]:
    order = np.argsort(-score)
    # Nothing may depend on a tie at the border.
    assert score[order[K - 1]] - score[order[K]] > 1e-6
    return set(order[:K].tolist())


@pytest.mark.parametrize("name", label_peers.PEERS)
def test_every_peer_picks_k_rows_and_again_the_same(name: str) -> None:
    state = _state()
    arrays = [a for a in vars(state).values() if isinstance(a, np.ndarray)]
    for array in arrays:
        array.setflags(write=False)
    found = label_peers.PEERS[name](state)
    assert found.dtype == np.int64
    assert len(found) == len(set(found.tolist())) == K
    assert found.min() >= 0
    assert found.max() < ROWS
    np.testing.assert_array_equal(label_peers.PEERS[name](state), found)


@pytest.mark.parametrize("name", label_peers.PEERS)
def test_asked_for_more_than_there_is_a_peer_gives_all(name: str) -> None:
    state = _state()
    few = _state(
        x_unlabelled=state.x_unlabelled[:7],
        proba_unlabelled=state.proba_unlabelled[:7],
        committee_unlabelled=state.members[:, :7].swapaxes(0, 1).astype(np.float32),
        k=9,
    )
    assert sorted(label_peers.PEERS[name](few).tolist()) == list(range(7))


@pytest.mark.parametrize(
    ("ours", "score"), [("margin", margin), ("least_confidence", least_confidence), ("entropy", entropy)]
)
def test_uncertainty_peers_pick_what_ours_pick(ours: str, score: Any) -> None:
    state = _state()
    wanted = _best(score(state.proba_unlabelled))
    for name in label_peers.SHARED[ours]:
        assert set(label_peers.PEERS[name](state).tolist()) == wanted, name


def _divergences(members: Any) -> Any:
    """KL of every member from the mean: (M, n)."""
    mean = members.mean(axis=0)
    return (members * np.log(members / mean)).sum(axis=2)


def test_committee_peers_mean_what_the_formulas_say() -> None:
    state = _state()
    divergence = _divergences(state.members)
    for name, score in {
        "scikit-activeml KL_divergence": divergence.mean(axis=0),
        "modAL max_disagreement": divergence.max(axis=0),
        "modAL consensus_entropy": entropy(state.members.mean(axis=0).astype(np.float32)),
    }.items():
        assert set(label_peers.PEERS[name](state).tolist()) == _best(score), name


def test_vote_entropy_peers_pick_rows_of_the_highest_vote_entropy() -> None:
    state = _state()
    votes = state.members.argmax(axis=2)
    share = (votes[:, :, None] == np.arange(CLASSES)).mean(axis=0)
    score = entropy(share.astype(np.float32))
    highest = np.sort(score)[::-1][:K]
    for name in label_peers.SHARED["vote_entropy"]:
        # Ties are the norm here, so the scores are compared and not the rows.
        found = score[label_peers.PEERS[name](state)]
        np.testing.assert_allclose(np.sort(found)[::-1], highest, atol=1e-6)


def test_core_set_is_farthest_first() -> None:
    state = _state()
    chosen: list[int] = []
    nearest = cdist(state.x_unlabelled, state.x_labelled).min(axis=1)
    for _ in range(K):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, cdist(state.x_unlabelled, state.x_unlabelled[chosen[-1:]])[:, 0])
    assert label_peers.PEERS["scikit-activeml CoreSet"](state).tolist() == chosen


def test_a_row_that_a_peer_names_twice_is_picked_once() -> None:
    assert label_peers.distinct([6, 5, 8, 5, 9, 6]).tolist() == [6, 5, 8, 9]
    # Three places for 300 rows: TypiClust soon has no cluster left, and draws among all rows again.
    places: F32 = np.tile(np.eye(3, 6, dtype=np.float32), (100, 1))
    picks = [label_peers.PEERS["scikit-activeml TypiClust"](state) for state in _seeds(10, places)]
    assert min(map(len, picks)) < 8
    assert all(len(set(pick.tolist())) == len(pick) for pick in picks)


def _seeds(count: int, places: F32) -> list[PickState]:
    return [_state(x_unlabelled=places, k=8, seed=seed) for seed in range(count)]


def test_a_committee_must_be_there_where_one_is_asked() -> None:
    for name in label_peers.PEERS:
        state = _state(committee_unlabelled=None)
        if name in label_peers.NEED_COMMITTEE:
            with pytest.raises(ValueError, match="committee_unlabelled is None"):
                label_peers.PEERS[name](state)
        else:
            assert len(label_peers.PEERS[name](state)) == K


def test_shared_names_are_peers() -> None:
    assert {name for names in label_peers.SHARED.values() for name in names} <= set(label_peers.PEERS)
