"""What a model says of rows whose features the ledger keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.arrays import F32, RowIds
from lamplighter.labelled_rows import Labelled, Rows
from lamplighter.learner import Model
from lamplighter.standing import Standing


def rows_of(standing: Standing, ids: RowIds) -> Rows:
    """Give rows that were selected before, with their features; of their labels nothing is said."""
    nothing = np.zeros(len(ids), np.int32)
    return standing.with_features(Labelled(ids, nothing, tables.positions(ids, standing.known_ids)))


def predicted_columns(model: Model, x: F32) -> dict[str, Any]:
    """Give what a model says of (n, D) features, as a batch's table has it: predicted and proba.

    Of features that are not finite it says nothing: null. Rows of the holdout may have such.
    """
    finite = np.isfinite(x).all(axis=1)
    proba = model.predict_proba(x[finite]) if finite.any() else np.empty((0, len(model.classes)), np.float32)
    at = pa.array(np.cumsum(finite) - 1, mask=~finite)
    predicted = pa.array(model.classes).take(pa.array(proba.argmax(axis=1)))
    return {"predicted": predicted.take(at), "proba": tables.vector_column(proba).take(at)}
