"""Which columns of a Parquet file a campaign needs, and whether they are what they must be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lamplighter.config import PoolConfig
from lamplighter.errors import PoolSchemaError, unknown
from lamplighter.pool.layout import Layout

IdKind = Literal["int64", "string"]
_FLOATS = ("float16", "float32", "float64")
_BINARY_REMEDY = "write dtype (float16, float32 or float64) and dim into the field's or the file's metadata"


@dataclass(frozen=True)
class Columns:
    """The columns of one file that matter.

    Attributes
    ----------
    id_kind
        What the ids become.
    layout, dtype
        How the features are stored; dtype is the numpy name of the numbers, "mixed" for columns.
    dim
        Length of the vectors, 0 where the schema does not tell (lists).
    schema_text
        Names and types of id and features, for comparison and for people.
    display
        Names and types of the display columns.
    """

    id_kind: IdKind
    layout: Layout
    dtype: str
    dim: int
    schema_text: str
    display: str


def columns_of(config: PoolConfig, metadata: Any, where: str) -> Columns:
    """Check a file's schema against the campaign's columns.

    Parameters
    ----------
    config
        Names of the columns.
    metadata
        pyarrow.parquet.FileMetaData.
    where
        The file, for messages.

    Raises
    ------
    PoolSchemaError
        A column is missing, stands there twice, or has a type that cannot be used.
    """
    schema = metadata.schema.to_arrow_schema()
    fields = {name: _field(schema, name, where) for name in names_of(config)}
    features = [fields[name] for name in config.feature_columns]
    if len(features) > 1 or _numeric(features[0].type):
        layout, dtype, dim = _plain(features, where), "mixed", len(features)
    else:
        layout, dtype, dim = _vector(features[0], metadata.metadata or {}, where)
    kind = _id_kind(fields[config.id], where)
    described = [f"{config.id}: {kind}", *(_described(field, layout, dtype, dim) for field in features)]
    shown = named_types(fields[name] for name in config.display)
    return Columns(kind, layout, dtype, dim, ", ".join(described), shown)


def named_types(fields: Iterable[Any]) -> str:
    """Give names and types of fields, for comparison and for people; kinds of strings are all one."""
    return ", ".join(f"{field.name}: {_canonical(field.type)}" for field in fields)


def names_of(config: PoolConfig) -> list[str]:
    """Give the names of all columns that a campaign needs, each once."""
    return list(dict.fromkeys((config.id, *config.feature_columns, *config.display)))


def _field(schema: Any, name: str, where: str) -> Any:
    found = schema.get_all_field_indices(name)
    if not found:
        raise PoolSchemaError(f"{where}: {unknown('column', name, schema.names)}")
    if len(found) > 1:
        raise PoolSchemaError(f"{where}: {len(found)} columns are called '{name}'; rename all but one")
    return schema.field(found[0])


def _id_kind(field: Any, where: str) -> IdKind:
    kind = _plain_type(field.type)
    if pa.types.is_integer(kind):
        return "int64"
    if kind == pa.string():
        return "string"
    raise PoolSchemaError(
        f"{where}: id column '{field.name}' is {field.type}; allowed are integers and strings; "
        "cast it when the pool is written"
    )


def _plain(fields: list[Any], where: str) -> Layout:
    for field in fields:
        if not _numeric(field.type):
            raise PoolSchemaError(
                f"{where}: feature column '{field.name}' is {field.type}; among several feature columns "
                "allowed are integers, floats and booleans; name one embedding column, or numeric ones"
            )
    return Layout.COLUMNS


def _vector(field: Any, metadata: Mapping[bytes, bytes], where: str) -> tuple[Layout, str, int]:
    kind = field.type
    if pa.types.is_fixed_size_binary(kind):
        return Layout.FIXED_BINARY, *_declared(field, metadata, where)
    fixed = pa.types.is_fixed_size_list(kind)
    listed = fixed or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if listed and _dtype(kind.value_type) in _FLOATS:
        layout = Layout.FIXED_SIZE_LIST if fixed else Layout.LIST
        return layout, _dtype(kind.value_type), kind.list_size if fixed else 0
    raise PoolSchemaError(
        f"{where}: feature column '{field.name}' is {kind}; allowed are lists of float16, float32 or "
        "float64, fixed-length binary with dtype and dim in the metadata, and plain numbers"
    )


def _declared(field: Any, metadata: Mapping[bytes, bytes], where: str) -> tuple[str, int]:
    """Read dtype and dim of a binary vector: from its field, the file under its name, or the file."""
    own, name = field.metadata or {}, field.name.encode()
    said = [
        own.get(key, metadata.get(name + b"." + key, metadata.get(key, b""))).decode(errors="replace")
        for key in (b"dtype", b"dim")
    ]
    dtype, dim = _number_type(said[0]), int(said[1]) if said[1].isascii() and said[1].isdigit() else 0
    if dtype not in _FLOATS or dim < 1:
        raise PoolSchemaError(
            f"{where}: feature column '{field.name}' is {field.type} with dtype {said[0] or 'missing'} and "
            f"dim {said[1] or 'missing'}; {_BINARY_REMEDY}"
        )
    width = np.dtype(dtype).itemsize * dim
    if width != field.type.byte_width:
        raise PoolSchemaError(
            f"{where}: feature column '{field.name}' has {field.type.byte_width} bytes a row, but {dim} "
            f"numbers of {dtype} take {width}; {_BINARY_REMEDY}"
        )
    return dtype, dim


def _number_type(text: str) -> str:
    try:
        return np.dtype(text.strip('"')).name if text else ""
    except TypeError:
        return ""


def _dtype(kind: Any) -> str:
    return {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(kind), str(kind))


def _numeric(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _plain_type(kind: Any) -> Any:
    """Give the type without what does not change its values: dictionaries, wide offsets, views."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind in {pa.large_string(), pa.string_view()}:
        return pa.string()
    return kind


def plain_table(table: Any) -> Any:
    """Give a table without what files of one pool may differ in: dictionaries, wide offsets, views."""
    return table.cast(pa.schema([pa.field(field.name, _plain_type(field.type)) for field in table.schema]))


def _canonical(kind: Any) -> str:
    return str(_plain_type(kind))


def _described(field: Any, layout: Layout, dtype: str, dim: int) -> str:
    if layout is Layout.COLUMNS:
        return f"{field.name}: {_dtype(field.type)}"
    return f"{field.name}: {layout}<{dtype}>" + (f"[{dim}]" if dim else "")
