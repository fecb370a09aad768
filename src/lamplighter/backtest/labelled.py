"""The rows that a backtest replays: labels from a file, features from there or from the campaign's pool."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from lamplighter import cluster, tables
from lamplighter.arrays import F32, I32, I64, RowIds
from lamplighter.backtest.picking import LabelledRows
from lamplighter.errors import (
    ConfigError,
    DuplicateRowIds,
    LabelError,
    TooFewClasses,
    UnknownClass,
    unknown,
)
from lamplighter.pool import Found, Pool, find_ids, shards_that_may_hold, take_manifest
from lamplighter.progress import tell
from lamplighter.standing import Standing

if TYPE_CHECKING:
    from lamplighter.driver import Driver

Connect = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class LabelSource:
    """A Parquet file, a directory of them or a URL, with a column of row ids and one of class names."""

    url: str
    id_column: str = "id"
    label_column: str = "label"


@dataclass(frozen=True, eq=False)
class Gathered:
    """Labelled rows in the order of their ids, and how many rows of the file could not be used.

    Attributes
    ----------
    unlabelled
        Rows without an id or a label.
    repeated
        Rows whose id and label stood there before.
    not_found
        Ids that the pool does not have.
    not_finite
        Rows with a feature that is missing or infinite.
    """

    rows: LabelledRows
    unlabelled: int = 0
    repeated: int = 0
    not_found: int = 0
    not_finite: int = 0

    @property
    def notices(self) -> list[str]:
        """Give a sentence on every kind of rows that were left out."""
        found = {
            "without an id or a label": self.unlabelled,
            "that repeat an id and its label": self.repeated,
            "that are not in the pool": self.not_found,
            "with features that are missing or not finite": self.not_finite,
        }
        return [f"{n:,} labelled rows left out {why}" for why, n in found.items() if n]

    def digest(self) -> str:
        """SHA-256 (hex) of ids, features and labels."""
        state = sha256(json.dumps(self.rows.ids.to_pylist()).encode())
        for array in (self.rows.x, self.rows.label):
            state.update(np.ascontiguousarray(array).data.cast("B"))
        return state.hexdigest()


def gather(driver: Driver, source: LabelSource, connect: Connect | None = None) -> Gathered:
    """Read labels and the features of their rows.

    Where the file has the campaign's feature columns itself, the pool is not looked at. Memory: the ids
    and labels of the file, and the features of the rows that have a label; never the pool.

    Parameters
    ----------
    connect
        Gives a client of the cluster that looks rows of the pool up; by default of one started for that.

    Raises
    ------
    ConfigError
        There is no such file.
    LabelError
        It cannot be read, lacks a column, or gives an id two labels; or none of its ids is in the pool.
    UnknownClass, TooFewClasses
        A label is not one of the campaign's classes, or all are the same one.
    PoolError
        The pool, or the feature columns of the file, cannot be read.
    """
    columns = _open(source).schema.names
    for column in (source.id_column, source.label_column):
        if column not in columns:
            raise LabelError(f"{source.url}: {unknown('column', column, columns)}")
    own = set(driver.campaign.pool.feature_columns) <= set(columns)
    found = _from_file(driver, source) if own else _from_pool(driver, source, connect or driver.cluster)
    return _two_classes(_finite(_in_order(found)), driver.campaign.classes, source)


def _open(source: LabelSource) -> Any:
    try:
        fs, path = fsspec.core.url_to_fs(source.url)
        return pa.dataset.dataset(path, filesystem=fs, format="parquet")
    except FileNotFoundError as error:
        raise ConfigError(f"there are no labels at {source.url}; correct the path") from error
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        raise LabelError(f"the labels {source.url} cannot be read: {error}") from error


@dataclass(frozen=True, eq=False)
class _Labels:
    """Ids, each once, with their labels; `at` is where they stood in the file."""

    ids: RowIds
    label: I32
    at: I64
    unlabelled: int
    repeated: int


def _from_file(driver: Driver, source: LabelSource) -> Gathered:
    where = {"url": source.url, "id": source.id_column, "display": (source.label_column,)}
    config = driver.pool_config.model_copy(update=where)
    pool = Pool(config, take_manifest(config))
    ids, x, extra = pool.read_all((source.label_column,))
    labels = _read(driver, source, ids, extra.column(source.label_column))
    return Gathered(LabelledRows(labels.ids, x[labels.at], labels.label), labels.unlabelled, labels.repeated)


def _from_pool(driver: Driver, source: LabelSource, connect: Connect) -> Gathered:
    try:
        table = _open(source).to_table(columns=[source.id_column, source.label_column])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise LabelError(f"the labels {source.url} cannot be read: {error}") from error
    known = Standing(driver, driver.history()).manifest
    pool = Pool(driver.pool_config, take_manifest(driver.pool_config, previous=known))
    ids = _as_pool_ids(table.column(source.id_column), pool, source)
    labels = _read(driver, source, ids, table.column(source.label_column))
    found, x = _look_up(connect, pool, labels.ids)
    if not len(found):
        raise LabelError(
            f"none of the {len(labels.ids):,} ids in column '{source.id_column}' of {source.url} is in the "
            f"pool {pool.config.url}; name the right column, or give the features in the file of the labels"
        )
    rows = LabelledRows(found, x, labels.label[tables.positions(found, labels.ids)])
    return Gathered(rows, labels.unlabelled, labels.repeated, len(labels.ids) - len(found))


def _as_pool_ids(column: Any, pool: Pool, source: LabelSource) -> RowIds:
    integer, kind = pool.manifest.id_kind == "int64", column.type
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_integer(plain) != integer:
        raise LabelError(
            f"column '{source.id_column}' of {source.url} is {kind}; the pool's ids are "
            f"{pool.manifest.id_kind}: name the right column, or cast it"
        )
    try:
        return tables.as_ids(column, integer)
    except pa.ArrowException as error:
        raise LabelError(f"column '{source.id_column}' of {source.url}: {error}") from error


def _read(driver: Driver, source: LabelSource, ids: RowIds, names: Any) -> _Labels:
    """Give every id that has a label once, with the position of its class."""
    given = pc.and_(ids.is_valid(), _whole(names).is_valid())
    kept = np.flatnonzero(given.to_numpy(zero_copy_only=False))
    taken = pa.array(kept)
    ids, names = ids.take(taken), _whole(names).take(taken).cast(pa.string())
    label = tables.positions(names, pa.array(driver.campaign.classes)).astype(np.int32)
    if (label < 0).any():
        wrong = int(np.argmax(label < 0))
        said = unknown("class", names[wrong].as_py(), driver.campaign.classes)
        raise UnknownClass(f"label of row {ids[wrong].as_py()!r} in {source.url}: {said}")
    first = _first_of_each(ids, label, driver.campaign.classes, source)
    at = kept[first]
    repeated = len(kept) - len(first)
    return _Labels(ids.take(pa.array(first)), label[first], at, len(given) - len(kept), repeated)


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _first_of_each(ids: RowIds, label: I32, classes: tuple[str, ...], source: LabelSource) -> I64:
    """Give the first position of every id; raises LabelError if a later one has another label."""
    codes = ids.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    _, first = np.unique(codes, return_index=True)
    other = np.flatnonzero(label != label[first[codes]]) if len(codes) else first
    if len(other):
        row = int(other[0])
        before, now = classes[label[first[codes[row]]]], classes[label[row]]
        raise LabelError(
            f"{source.url} has two labels for row {ids[row].as_py()!r}, '{before}' and '{now}', and as much "
            f"for {len(other) - 1:,} others; keep one label a row"
        )
    return np.asarray(first, np.int64)


def _look_up(connect: Connect, pool: Pool, ids: RowIds) -> tuple[RowIds, F32]:
    """Find rows of the pool by id, on the cluster: ids (n,) and features (n, D)."""
    shards, parts = shards_that_may_hold(pool, ids), list[Found]()
    if shards:
        with connect() as client:
            what = "looking labelled rows up"
            parts += cluster.map_shards(client, find_ids, shards, pool, ids, progress=tell, what=what)
    found = tables.concat_ids([part.ids for part in parts], pool.manifest.id_kind == "int64")
    again = len(found) - len(found.unique())
    if again:
        raise DuplicateRowIds(
            f"labelled rows stand in the pool more than once, {again:,} times in all; ids in column "
            f"'{pool.config.id}' must be unique: give each row its own"
        )
    none = np.empty((0, pool.manifest.dim), np.float32)
    return found, np.concatenate([none, *(part.features for part in parts)])


def _in_order(found: Gathered) -> Gathered:
    """Order by id: neither the file's order nor that of finding may matter."""
    order = pc.sort_indices(found.rows.ids).to_numpy().astype(np.int64)
    return replace(found, rows=found.rows.take(order))


def _finite(found: Gathered) -> Gathered:
    finite = np.asarray(np.isfinite(found.rows.x).all(axis=1))
    kept = np.flatnonzero(finite)
    if len(kept) == len(finite):
        return found
    return replace(found, rows=found.rows.take(kept), not_finite=len(finite) - len(kept))


def _two_classes(found: Gathered, classes: tuple[str, ...], source: LabelSource) -> Gathered:
    present = np.unique(found.rows.label)
    if len(present) < 2:
        what = f"all of class '{classes[present[0]]}'" if len(present) else "none"
        left_out = "".join(f"; {notice}" for notice in found.notices)
        raise TooFewClasses(
            f"the usable labels in {source.url} are {what}; a backtest needs rows of two classes or more"
            f"{left_out}"
        )
    return found
