"""A pool in memory, which the scan reads like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from lamplighter.arrays import F32, RowIds
from lamplighter.config import PoolConfig
from lamplighter.pool import FileEntry, Layout, Manifest, Pool, PoolBlock, Shard

#: Where its one file seems to lie.
_PATH = "in-memory.parquet"


@dataclass(frozen=True, eq=False, init=False)
class ArrayPool(Pool):
    """Rows in memory: ids (n,), x (n, D) float32 and C-contiguous; one shard, one row group."""

    ids: RowIds
    x: F32

    def __init__(self, ids: RowIds, x: F32) -> None:
        manifest = Manifest(
            files=(_file(len(ids)),),
            id="id",
            features=("features",),
            display_columns=(),
            id_kind="int64" if pa.types.is_integer(ids.type) else "string",
            layout=Layout.FIXED_SIZE_LIST,
            dtype="float32",
            dim=x.shape[1],
            schema_text="",
            display="",
        )
        super().__init__(PoolConfig(url="memory://", features="features"), manifest)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "x", x)

    def read(
        self, shard: Shard, features: bool = True, extra: tuple[str, ...] = (), *, reuse: bool = False
    ) -> Iterator[PoolBlock]:
        """Give all rows as one block."""
        yield PoolBlock(self.ids, self.x if features else None, 0, 0, 0, None)

    def vectors(self, shard: Shard, *, reuse: bool = False) -> Iterator[F32]:
        """Give the features of all rows as one block."""
        yield self.x


def _file(rows: int) -> FileEntry:
    return FileEntry(
        path=_PATH,
        size=0,
        validator="",
        digest="",
        rows=(rows,),
        stored_bytes=(0,),
        id_min=(None,),
        id_max=(None,),
    )
