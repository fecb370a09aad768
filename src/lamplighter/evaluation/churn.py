"""How much two successive models disagree."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lamplighter.arrays import I32, RowIds


def churn(before: tuple[RowIds, I32], after: tuple[RowIds, I32]) -> float | None:
    """Give the share of common rows whose predicted class differs.

    On any set of rows the accuracies of the two models differ by at most this share, whatever the
    true labels are: a row on which both agree is right for both or wrong for both.

    Parameters
    ----------
    before, after
        Row ids, (n,) and (m,) pyarrow arrays without repetition, and the class predicted for each,
        int32. Rows known to one side alone are left out.

    Returns
    -------
    A share in [0, 1]; None when there is no common row, or the ids are of different kinds.
    """
    kinds = [pa.int64() if pa.types.is_integer(ids.type) else pa.large_string() for ids, _ in (before, after)]
    if kinds[0] != kinds[1]:
        return None
    earlier, later = (ids.cast(kind) for (ids, _), kind in zip((before, after), kinds, strict=True))
    where = pc.index_in(later, value_set=earlier).fill_null(-1).to_numpy(zero_copy_only=False)
    common = where >= 0
    if not common.any():
        return None
    return float(np.mean(before[1][where[common]] != after[1][common]))
