"""The vectors of one row group: from its pages where that is safe, decoded by pyarrow where not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lamplighter.arrays import F32, I64
from lamplighter.errors import PoolSchemaError
from lamplighter.pool.layout import RaggedVectors, rows_of
from lamplighter.pool.manifest import Manifest
from lamplighter.pool.open_file import OpenFile
from lamplighter.pool.pages import PageVectors, find_pages

#: Decoded bytes of a block: rows still lie near the core when they are scored, and the calls that a
#: block costs are spread over many rows.
BLOCK_BYTES = 7 * 2**19


def block_rows(dim: int) -> int:
    """Give the rows of a block with vectors of length `dim`: a power of two from 512 to 65,536."""
    return int(2 ** np.clip(np.floor(np.log2(BLOCK_BYTES / (4 * dim))), 9, 16))


def page_vectors(
    file: OpenFile, manifest: Manifest, row_group: int, reuse: bool = False
) -> PageVectors | None:
    """Give the vectors of a row group as they lie in its pages; None where only decoding is safe."""
    found = find_pages(file, manifest, row_group)
    if found is None:
        return None
    return PageVectors(file, manifest, found, decoded_vectors(file, manifest, row_group), reuse)


def all_vectors(file: OpenFile, manifest: Manifest, row_group: int, reuse: bool) -> Iterator[F32]:
    """Give the vectors of a row group block by block, without any other column."""
    small_reads = file.prefetch(row_group, manifest.features)
    pages = page_vectors(file, manifest, row_group, reuse) if small_reads else None
    if pages is None:
        yield from decoded_vectors(file, manifest, row_group)
        return
    rows, step = file.entry.rows[row_group], block_rows(manifest.dim)
    for start in range(0, rows, step):
        yield pages.take(min(step, rows - start))


def decoded_vectors(file: OpenFile, manifest: Manifest, row_group: int) -> Iterator[F32]:
    """Give the vectors of a row group as pyarrow decodes them, block by block."""
    for first, batch in file.batches(row_group, manifest.features, block_rows(manifest.dim)):
        yield batch_vectors(batch, file, manifest, (row_group, first))


def batch_vectors(batch: Any, file: OpenFile, manifest: Manifest, start: tuple[int, int]) -> F32:
    """Give the vectors of a record batch that starts at (row group, row): (n, D) float32.

    Raises
    ------
    PoolSchemaError
        A vector has another length than the others; it is named.
    """
    columns = [batch.column(name) for name in manifest.features]
    try:
        return rows_of(manifest.layout, columns, manifest.dtype, manifest.dim)
    except RaggedVectors as error:
        row_group, first = start
        raise PoolSchemaError(
            f"{file.shown}: the vector of row {first + error.row} in row group {row_group} has "
            f"{error.length} values, those of the pool {manifest.dim}; all vectors have one length"
        ) from error


def some_vectors(file: OpenFile, manifest: Manifest, row_group: int, rows: I64) -> F32:
    """Give the vectors of some rows of a row group: ascending (m,) positions -> (m, D) float32."""
    small_reads = file.prefetch(row_group, manifest.features)
    pages = page_vectors(file, manifest, row_group) if small_reads else None
    found = np.empty((len(rows), manifest.dim), np.float32)
    if pages is not None:
        for at, gap in enumerate(np.diff(rows, prepend=-1) - 1):
            pages.skip(int(gap))
            found[at] = pages.take(1)[0]
        return found
    first = 0
    for block in decoded_vectors(file, manifest, row_group):
        low, high = np.searchsorted(rows, [first, first + len(block)])
        found[low:high] = block[rows[low:high] - first]
        first += len(block)
    return found
