"""What a model says of rows whose features the ledger keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.arrays import Bools, RowIds
from lamplighter.labelled_rows import Labelled, Rows
from lamplighter.learner import Model
from lamplighter.standing import Standing


def rows_of(standing: Standing, ids: RowIds) -> Rows:
    """Give rows that were selected before, with their features; of their labels nothing is said."""
    nothing = np.zeros(len(ids), np.int32)
    return standing.with_features(Labelled(ids, nothing, tables.positions(ids, standing.known_ids)))


def predicted_columns(model: Model, rows: Rows, held: Bools) -> dict[str, Any]:
    """Give what a model says of n rows, as a batch's table has it: predicted and proba.

    It says nothing, null, of rows whose features are not finite, and of those of the holdout, (n,)
    bool: whoever sees its guess labels what it is measured on in its favour.
    """
    says = np.isfinite(rows.x).all(axis=1) & ~held
    proba = model.predict_proba(rows.x[says]) if says.any() else np.empty((0, len(model.classes)), np.float32)
    at = pa.array(np.cumsum(says) - 1, mask=~says)
    predicted = pa.array(model.classes).take(pa.array(proba.argmax(axis=1)))
    return {"predicted": predicted.take(at), "proba": tables.vector_column(proba).take(at)}
