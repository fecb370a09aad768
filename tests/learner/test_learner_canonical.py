"""What makes skops files a function of their content."""

from __future__ import annotations

from typing import Any

import numpy as np
import skops.io
from sklearn.ensemble import RandomForestClassifier

from lamplighter.learner.canonical import canonical, write_zip

from .cases import labelled


def test_sets_are_sorted_and_what_is_shared_stays_shared() -> None:
    shared = np.arange(3.0)
    thing: dict[str, Any] = {"a": shared, "b": [shared, np.arange(3.0)], "bytes": b"x"}
    thing["s"] = {f"{i}" for i in range(20)}
    data = write_zip(canonical(skops.io.dumps(thing)))
    again = {**thing, "s": {f"{i}" for i in reversed(range(20))}}
    assert write_zip(canonical(skops.io.dumps(again))) == data
    loaded = skops.io.loads(data)
    assert loaded["s"] == thing["s"]
    assert loaded["bytes"] == b"x"
    assert loaded["a"] is loaded["b"][0]
    assert loaded["a"] is not loaded["b"][1]
    np.testing.assert_array_equal(loaded["b"][1], shared)


def test_keys_that_look_like_the_format_are_left_alone() -> None:
    thing = {"__id__": 5, "file": "a.npy", "__loader__": "x", "content": {"file": np.arange(2)}}
    loaded = skops.io.loads(write_zip(canonical(skops.io.dumps(thing))))
    np.testing.assert_array_equal(loaded.pop("content").pop("file"), [0, 1])
    assert loaded == {"__id__": 5, "file": "a.npy", "__loader__": "x"}


def test_stray_memory_between_fields_is_dropped() -> None:
    dtype = np.dtype({"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 8], "itemsize": 16})
    arrays = [np.frombuffer(bytes([fill]) * 48, dtype).copy() for fill in (0, 255)]
    for array in arrays:
        array["a"], array["b"] = 1, 2.5
    one, other = (canonical(skops.io.dumps(array)) for array in arrays)
    assert one == other


def test_what_scikit_learn_leaves_unwritten_in_leaves_is_dropped() -> None:
    x, labels = labelled(60, 4, 3)
    fills = []
    for fill in (0, 1):
        # Memory that was used before, so that what nobody writes is not zero by luck.
        used = [np.full(size, 85 * (fill + 1), np.uint8) for size in (64, 512, 2048, 4096) for _ in range(50)]
        del used
        forest = RandomForestClassifier(1, random_state=0).fit(x, labels)
        state = forest.estimators_[0].tree_.__getstate__()
        state["nodes"]["missing_go_to_left"][state["nodes"]["left_child"] == -1] = fill
        forest.estimators_[0].tree_.__setstate__(state)
        fills.append(canonical(skops.io.dumps(forest)))
    assert fills[0] == fills[1]
