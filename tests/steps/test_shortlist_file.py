"""The shortlist's file: nothing lost, and the same bytes for the same rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from lamplighter import tables
from lamplighter.steps.shortlist_file import read_shortlist, shortlist_table
from lamplighter.strategies.base import Output, Shortlist


def shortlist() -> Shortlist:
    draws = np.random.default_rng(0)
    place = np.arange(5, dtype=np.int32)
    outputs = {
        Output.COMMITTEE: draws.random((5, 3, 2), dtype=np.float32),
        Output.PROBA: draws.random((5, 2), dtype=np.float32),
        Output.EMBEDDING: draws.random((5, 4), dtype=np.float32),
    }
    score, tie = draws.random(5, dtype=np.float32), np.arange(5, dtype=np.uint64)
    rows = np.arange(5, dtype=np.int64)
    return Shortlist(pa.array(range(5)), score, tie, place, place, rows, outputs, lane=place % np.int32(2))


def test_what_is_written_is_read() -> None:
    written, read = shortlist(), read_shortlist(shortlist_table(shortlist()))
    assert read.ids.equals(written.ids)
    for name in ("score", "tie", "file", "row_group", "row", "lane"):
        assert getattr(read, name).tolist() == getattr(written, name).tolist()
    for output, values in written.outputs.items():
        assert read.outputs[output].tobytes() == values.tobytes()
        assert read.outputs[output].shape == values.shape


def test_the_order_in_which_outputs_were_found_leaves_no_trace() -> None:
    # A set of enumeration members has another order in every process.
    plain = shortlist()
    turned = replace(plain, outputs=dict(reversed(list(plain.outputs.items()))))
    assert tables.to_parquet(shortlist_table(plain)) == tables.to_parquet(shortlist_table(turned))


def test_a_list_written_before_there_were_lanes_is_one_list() -> None:
    table = shortlist_table(shortlist()).drop_columns(["lane"])
    assert read_shortlist(table).lane.tolist() == [0] * 5
