"""Gold rows: their label is known, and people do not know which they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter.arrays import F32, I32, I64, RowIds
from lamplighter.config import PoolConfig
from lamplighter.errors import PoolError
from lamplighter.label_sections import GoldConfig
from lamplighter.pool import Manifest, Pool, take_manifest
from lamplighter.pool.columns import named_types
from lamplighter.votes import Labels, positions_of


@dataclass(frozen=True, eq=False)
class Gold:
    """g gold rows: ids (g,), x (g, D) float32, label (g,) int32, and a table of what is shown of them.

    `types` names the display columns of the pool with the types that they have in the gold file.
    """

    ids: RowIds
    x: F32
    label: I32
    display: Any
    types: str

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: I64) -> Gold:
        """Give the rows at positions (k,), in that order."""
        at = pa.array(positions)
        return Gold(
            self.ids.take(at), self.x[positions], self.label[positions], self.display.take(at), self.types
        )

    @property
    def labels(self) -> Labels:
        """What they are, as a consensus of nobody."""
        return Labels(self.ids, self.label, self.label * 0)


def read_gold(section: GoldConfig, pool: PoolConfig, classes: tuple[str, ...]) -> Gold:
    """Read the gold file, which is made like the pool and has a label besides.

    Raises
    ------
    PoolError
        It cannot be read, has other columns than the pool, an id twice, or features that are not finite.
    UnknownClass
        A label is none of the campaign's classes.
    """
    shown = tuple(name for name in pool.display if name != section.label)
    where = {"url": section.url, "id": section.id, "display": (*shown, section.label)}
    config = pool.model_copy(update=where)
    try:
        ids, x, extra = Pool(config, take_manifest(config)).read_all((*shown, section.label))
    except PoolError as error:
        raise type(error)(f"quality.gold.url {section.url}: {error}") from error
    if len(ids.unique()) < len(ids):
        raise PoolError(f"quality.gold: {section.url} has an id twice; a gold row has one known label")
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        raise PoolError(
            f"quality.gold: row {ids[int((~finite).argmax())].as_py()!r} of {section.url} has NaN or "
            "infinity among its features, of which a model says nothing; leave such rows out"
        )
    text = extra.column(section.label).cast(pa.string()).combine_chunks()
    label = positions_of(text, classes, "quality.gold: ")
    types = named_types(extra.schema.field(name) for name in pool.display)
    return Gold(ids, x, label.astype("int32"), extra.select(list(shown)), types)


def check_gold(gold: Gold | None, pool: Manifest) -> None:
    """Raise PoolError unless gold rows, if there are any, have ids and features like the pool's."""
    if gold is None:
        return
    kind = "int64" if pa.types.is_integer(gold.ids.type) else "string"
    if kind != pool.id_kind:
        raise PoolError(
            f"quality.gold: the ids of its file are {kind}, those of the pool {pool.id_kind}; "
            "write them alike"
        )
    if gold.x.shape[1] != pool.dim:
        raise PoolError(
            f"quality.gold: its file has {gold.x.shape[1]} features a row, the pool {pool.dim}; "
            "make them with the same model"
        )
    if gold.types != pool.display:
        raise PoolError(
            f"quality.gold: the display columns of its file are {gold.types}, those of the pool "
            f"{pool.display}; write them alike, or people could tell gold rows from others"
        )
