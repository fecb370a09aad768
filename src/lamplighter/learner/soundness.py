"""Decision trees from a file, checked before they are walked.

scikit-learn follows a tree's child and feature numbers without looking at their bounds, so a crafted
or damaged file could crash the process or read its memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import TREE_LEAF, Tree

from lamplighter.arrays import I64, Bools
from lamplighter.errors import ModelError


def check_trees(estimator: object, features: int) -> None:
    """Raise ModelError if any tree inside `estimator` leads out of its arrays, or round in circles.

    Parameters
    ----------
    estimator
        Anything that was loaded.
    features
        D, number of features that rows will have.
    """
    for part in _parts(estimator, set()):
        if isinstance(part, Tree):
            sound = _tree_is_sound(part, features)
        elif isinstance(part, TreePredictor):
            sound = _predictor_is_sound(part, features)
        else:
            continue
        if not sound:
            raise ModelError(
                f"a {type(part).__name__} in the model file points outside of itself; the file is damaged or"
                " was tampered with"
            )


def _parts(thing: Any, known: set[int]) -> Iterator[Any]:
    """Walk everything that hangs on an estimator."""
    if id(thing) in known:
        return
    known.add(id(thing))
    yield thing
    if isinstance(thing, np.ndarray):
        inner = thing.ravel().tolist() if thing.dtype == object else []
    elif isinstance(thing, list | tuple | set):
        inner = list(thing)
    elif isinstance(thing, dict):
        inner = list(thing.values())
    else:
        inner = list(getattr(thing, "__dict__", {}).values())
    for part in inner:
        yield from _parts(part, known)


def _tree_is_sound(tree: Any, features: int) -> bool:
    n = tree.node_count
    leaf = tree.children_left == TREE_LEAF
    return bool(
        n > 0
        and tree.n_features == features
        and tree.value.shape == (n, tree.n_outputs, tree.max_n_classes)
        and (tree.max_n_classes == tree.n_classes.max())
        and _leads_down(tree.children_left, tree.children_right, leaf)
        and _below(tree.feature[~leaf], features)
    )


def _predictor_is_sound(predictor: Any, features: int) -> bool:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"] != 0
    categorical = ~leaf & (nodes["is_categorical"] != 0)
    return bool(
        len(nodes) > 0
        and _leads_down(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), leaf)
        and _below(nodes["feature_idx"][~leaf].astype(np.int64), features)
        and _below(nodes["bitset_idx"][categorical].astype(np.int64), len(predictor.raw_left_cat_bitsets))
    )


def _leads_down(left: I64, right: I64, leaf: Bools) -> bool:
    """Every child comes after its parent, and exists: so every walk ends in a leaf."""
    here = np.flatnonzero(~leaf)
    return all(bool(((child[here] > here) & (child[here] < len(leaf))).all()) for child in (left, right))


def _below(indices: I64, bound: int) -> bool:
    return bool(((indices >= 0) & (indices < bound)).all())
