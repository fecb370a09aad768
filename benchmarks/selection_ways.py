"""Who chooses in the selection benchmark, from what, and how good the choice is: one measure a process.

    python -m benchmarks.selection_ways "lamplighter badge" --rows 50000 --dim 128 --k 1000

prints one JSON line. Nobody computes probabilities here: all get the same ones.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heapreplace

import numpy as np
import pyarrow as pa

from benchmarks.score_memory import peak_bytes
from benchmarks.score_pools import Shape, centres, chunk, chunks
from lamplighter.arrays import F32, F64, I32, I64
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Context, Output, Shortlist
from lamplighter.strategies.uncertainty import margin
from lamplighter.threads import one_thread

LABELLED = 100
#: Rows at a time where an objective is worked out, and rows that facility location must cover.
BLOCK, REFERENCE = 2_048, 2_000


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates, the most uncertain first, and some labelled rows.

    x (m, D) float32, proba (m, C) float32, labelled (l, D) float32, labels (l,) int32.
    """

    x: F32
    proba: F32
    labelled: F32
    labels: I32

    @classmethod
    def of(cls, shape: Shape) -> Candidates:
        """Draw clouds; the probabilities are those of the model that drew them."""
        x = np.concatenate([chunk(shape, number)[1] for number in chunks(shape)])
        logits = x @ centres(shape).T - 0.5 * np.square(centres(shape)).sum(axis=1)
        proba = np.exp(logits - logits.max(axis=1, keepdims=True))
        proba /= proba.sum(axis=1, keepdims=True)
        order = np.argsort(-margin(proba), kind="stable")
        rows, held = order[LABELLED:], order[:LABELLED]
        x, proba = x[np.r_[held, rows]], proba[np.r_[held, rows]]
        own = proba[:LABELLED].argmax(axis=1).astype(np.int32)
        return cls(x[LABELLED:], proba[LABELLED:], x[:LABELLED].copy(), own)

    def shortlist(self) -> Shortlist:
        """Give them as a scan does."""
        m = len(self.x)
        place = np.zeros(m, np.int32)
        outputs = {Output.PROBA: self.proba, Output.EMBEDDING: self.x}
        ids = pa.array(np.arange(m))
        rows = np.arange(m, dtype=np.int64)
        return Shortlist(ids, margin(self.proba), rows.astype(np.uint64), place, place, rows, outputs)

    def context(self, k: int) -> Context:
        """Give the round."""
        classes = tuple(f"class {c}" for c in range(self.proba.shape[1]))
        return Context(7, 3, k, len(self.x), classes, load=lambda: (self.labelled, self.labels))


def ours(name: str, candidates: Candidates, k: int) -> Callable[[], I64]:
    """Give what chooses with one of ours."""
    strategy, shortlist, context = STRATEGIES.build(name), candidates.shortlist(), candidates.context(k)
    return lambda: strategy.choose(shortlist, context).positions


def theirs(name: str, candidates: Candidates, k: int) -> Callable[[], I64]:
    """Give what chooses with a peer, on the probabilities given."""
    from benchmarks.label_peers import PEERS, PickState  # noqa: PLC0415 - memory that ours must not pay for

    state = PickState(candidates.labelled, candidates.labels, candidates.x, candidates.proba, k, seed=0)
    return lambda: PEERS[name](state)


def lazy_greedy(candidates: Candidates, k: int) -> Callable[[], I64]:
    """Give a plain lazy greedy for facility location: a heap of old gains, one row looked at at a time."""

    def choose() -> I64:
        similarity = _similarity(candidates.x, _reference(candidates))
        covered = np.zeros(similarity.shape[1], np.float32)
        heap = [(-float(gain), row) for row, gain in enumerate(similarity.sum(axis=1))]
        heapify(heap)
        picked: list[int] = []
        while len(picked) < k:
            row = heap[0][1]
            gain = float(np.maximum(similarity[row] - covered, 0).sum())
            heapreplace(heap, (-gain, row))
            if heap[0][1] == row:
                picked.append(row)
                np.maximum(covered, similarity[row], out=covered)
                heapreplace(heap, (0.0, row))
        return np.array(picked)

    return choose


def _reference(candidates: Candidates) -> F32:
    rows = np.random.default_rng(1).permutation(len(candidates.x))[:REFERENCE]
    return candidates.x[np.sort(rows)]


def _similarity(x: F32, reference: F32) -> F32:
    def unit(rows: F32) -> F32:
        scaled: F32 = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return scaled

    found: F32 = np.maximum(unit(x) @ unit(reference).T, 0)
    return found


def cover(candidates: Candidates, picked: I64) -> float:
    """Give facility location: mean over all candidates of the largest cosine to a pick, at least 0."""
    chosen = candidates.x[picked]
    parts = [_similarity(part, chosen).max(axis=1) for part in _blocks(candidates.x)]
    return float(np.concatenate(parts).mean())


def radius(candidates: Candidates, picked: I64) -> float:
    """Give the largest distance of a candidate to a labelled or picked row."""
    chosen = np.concatenate([candidates.labelled, candidates.x[picked]]).astype(np.float64)
    return float(max(np.sqrt(_nearest(part, chosen)).max() for part in _blocks(candidates.x)))


def spread(candidates: Candidates, picked: I64) -> float:
    """Give the sum over candidates of the squared distance of gradients to the nearest pick's."""
    a = candidates.proba.astype(np.float64)
    a[np.arange(len(a)), a.argmax(axis=1)] -= 1
    h = candidates.x.astype(np.float64)
    length = np.square(a).sum(axis=1) * np.square(h).sum(axis=1)
    total = 0.0
    for rows in np.array_split(np.arange(len(h)), max(1, len(h) // BLOCK)):
        inner = (a[rows] @ a[picked].T) * (h[rows] @ h[picked].T)
        total += float((length[rows, None] + length[picked] - 2 * inner).min(axis=1).clip(0).sum())
    return total


def _nearest(x: F32, chosen: F64) -> F64:
    wide = x.astype(np.float64)
    square = np.square(wide).sum(axis=1)[:, None] + np.square(chosen).sum(axis=1) - 2 * wide @ chosen.T
    nearest: F64 = square.min(axis=1).clip(0)
    return nearest


def _blocks(x: F32) -> list[F32]:
    return np.array_split(x, max(1, len(x) // BLOCK))


WAYS: Mapping[str, Callable[[Candidates, int], Callable[[], I64]]] = {
    **{
        f"lamplighter {name}": partial(ours, name)
        for name in ("facility_location", "k_center", "badge", "mmr", "cluster_margin")
    },
    "plain lazy greedy": lazy_greedy,
    **{name: partial(theirs, name) for name in ("scikit-activeml CoreSet", "scikit-activeml Badge")},
}
OBJECTIVES: Mapping[str, Callable[[Candidates, I64], float]] = {
    "facility_location": cover,
    "plain lazy greedy": cover,
    "k_center": radius,
    "CoreSet": radius,
    "badge": spread,
    "Badge": spread,
}


def main() -> None:
    """Measure one way once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=list(WAYS))
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--k", type=int, default=1_000)
    options = parser.parse_args()
    candidates = Candidates.of(Shape(options.rows + LABELLED, options.dim, options.classes))
    choose = WAYS[options.way](candidates, options.k)
    before, wall = time.process_time(), time.perf_counter()
    with one_thread():
        picked = choose()
    found = {
        "way": options.way,
        "cpu_s": time.process_time() - before,
        "wall_s": time.perf_counter() - wall,
        "peak_mb": round(peak_bytes() / 2**20),
        "picked": len(picked),
        "distinct": len(np.unique(picked)),
    }
    objective = next((score for name, score in OBJECTIVES.items() if options.way.endswith(name)), None)
    if objective is not None:
        found["objective"] = objective(candidates, picked)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
