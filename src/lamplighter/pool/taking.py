"""Taking the manifest: list the files, read the new footers, hold both against the round before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from lamplighter.config import PoolConfig
from lamplighter.errors import EmptyPool, PoolChanged, PoolSchemaError
from lamplighter.pool.columns import Columns, columns_of
from lamplighter.pool.footer import content_digest, leaves, read_footer, row_groups
from lamplighter.pool.layout import Layout
from lamplighter.pool.manifest import FileEntry, Manifest
from lamplighter.pool.open_file import open_file
from lamplighter.pool.storage import Listed, Storage

#: Footers read at once.
THREADS = 16
_ONLY_GROWS = (
    "a pool only grows: put the file back as it was, or start a campaign with another store for the new pool"
)


@dataclass(frozen=True)
class _Read:
    """A file whose footer was read."""

    entry: FileEntry
    columns: Columns
    values: int | None  #: stored values per row of a list column, where the footer alone tells


def take_manifest(config: PoolConfig, previous: Manifest | None = None) -> Manifest:
    """List the pool's files and sum up what they hold.

    Parameters
    ----------
    config
        Where the pool is, and its columns.
    previous
        The manifest of an earlier round. Files that did not change since are not read again.

    Raises
    ------
    EmptyPool
        No file matches, or the files hold no rows.
    PoolFileError
        A file is truncated, unreadable or not Parquet.
    PoolSchemaError
        A column is missing or of a type that cannot be used, files differ, or the schema is not
        that of `previous`.
    PoolChanged
        A file of `previous` disappeared or changed. New files are welcome.
    """
    storage = Storage.at(config.url)
    listed = storage.files(config.glob)
    if not listed:
        raise EmptyPool(f"no file matches '{config.glob}' in {config.url}; check pool.url and pool.glob")
    before = {entry.path: entry for entry in previous.files} if previous else {}
    _check_sizes(storage, listed, before)
    known = before if previous is not None and _same_columns(config, previous) else {}
    fresh = [file for file in listed if not _unchanged(file, known)]
    with ThreadPoolExecutor(THREADS) as threads:
        read = list(threads.map(lambda file: _read(config, storage, file), fresh))
    files = _entries(config, read, listed, known)
    manifest = _described(config, files, previous if previous is not None and known else read[0].columns)
    _check_schemas(storage, manifest, read, previous)
    _check_digests(storage, read, before)
    return manifest


def _same_columns(config: PoolConfig, previous: Manifest) -> bool:
    return (config.id, config.feature_columns, config.display) == (
        previous.id,
        previous.features,
        previous.display_columns,
    )


def _unchanged(file: Listed, known: Mapping[str, FileEntry]) -> bool:
    entry = known.get(file.path)
    if entry is None or not file.validator:
        return False
    return (entry.size, entry.validator) == (file.size, file.validator)


def _check_sizes(storage: Storage, listed: Sequence[Listed], before: Mapping[str, FileEntry]) -> None:
    sizes = {file.path: file.size for file in listed}
    for path, entry in before.items():
        if path not in sizes:
            raise PoolChanged(f"{storage.shown(path)} disappeared since the last round; {_ONLY_GROWS}")
        if sizes[path] != entry.size:
            raise PoolChanged(
                f"{storage.shown(path)} changed since the last round, from {entry.size} to {sizes[path]} "
                f"bytes; {_ONLY_GROWS}"
            )


def _check_digests(storage: Storage, read: Sequence[_Read], before: Mapping[str, FileEntry]) -> None:
    for file in read:
        entry = before.get(file.entry.path)
        if entry is not None and entry.digest != file.entry.digest:
            raise PoolChanged(
                f"{storage.shown(entry.path)} changed since the last round: it has the same size, but other "
                f"content; {_ONLY_GROWS}"
            )


def _read(config: PoolConfig, storage: Storage, file: Listed) -> _Read:
    footer = read_footer(storage, file)
    columns = columns_of(config, footer.metadata, storage.shown(file.path))
    groups = asdict(row_groups(footer.metadata, config))
    digest = content_digest(storage, file, config, footer)
    entry = FileEntry(path=file.path, size=file.size, validator=file.validator, digest=digest, **groups)
    return _Read(entry, columns, _values_per_row(config, columns, footer.metadata))


def _values_per_row(config: PoolConfig, columns: Columns, metadata: Any) -> int | None:
    """Give the length of a list column's vectors, if no row is null and all can be of one length."""
    if columns.layout is not Layout.LIST or not metadata.num_rows:
        return None
    at = leaves(metadata, config.feature_columns)[0]
    chunks = [metadata.row_group(g).column(at) for g in range(metadata.num_row_groups)]
    if any(c.statistics is None or c.statistics.null_count != 0 for c in chunks):
        return None
    length, rest = divmod(sum(c.num_values for c in chunks), metadata.num_rows)
    return None if rest else length


def _entries(
    config: PoolConfig, read: Sequence[_Read], listed: Sequence[Listed], known: Mapping[str, FileEntry]
) -> tuple[FileEntry, ...]:
    entries = {**known, **{file.entry.path: file.entry for file in read}}
    files = tuple(entries[file.path] for file in listed)
    if not any(rows for entry in files for rows in entry.rows):
        raise EmptyPool(f"the {len(files)} files that match '{config.glob}' in {config.url} hold no rows")
    return files


def _described(config: PoolConfig, files: tuple[FileEntry, ...], by: Manifest | Columns) -> Manifest:
    return Manifest(
        files=files,
        id=config.id,
        features=config.feature_columns,
        display_columns=config.display,
        id_kind=by.id_kind,
        layout=by.layout,
        dtype=by.dtype,
        dim=by.dim or length_of_lists(config, files),
        schema_text=by.schema_text,
        display=by.display,
    )


def length_of_lists(config: PoolConfig, files: Sequence[FileEntry]) -> int:
    """Read vectors of a list column until one is not null, and give its length."""
    column, storage = config.feature_columns[0], Storage.at(config.url)
    for entry in files:
        with open_file(storage, config, entry) as file:
            for row_group in range(len(entry.rows)):
                for _, batch in file.batches(row_group, (column,), 1024):
                    vectors = batch.column(column).drop_null()
                    if len(vectors) and len(vectors[0]):
                        return len(vectors[0])
    raise PoolSchemaError(f"{config.url}: column '{column}' holds no vector at all")


def _check_schemas(
    storage: Storage, manifest: Manifest, read: Sequence[_Read], previous: Manifest | None
) -> None:
    if previous is not None and (manifest.schema_text, manifest.dim) != (previous.schema_text, previous.dim):
        raise PoolSchemaError(
            f"{storage.shown(manifest.files[0].path)}: its columns are {_schema(manifest)}, those of the "
            f"pool were {_schema(previous)} in the last round; write it with those, or start another campaign"
        )
    for file in read:
        where, columns = storage.shown(file.entry.path), file.columns
        if columns.schema_text != manifest.schema_text or columns.display != manifest.display:
            raise PoolSchemaError(
                f"{where}: its columns are {_both(columns.schema_text, columns.display)}, those of the pool "
                f"{_both(manifest.schema_text, manifest.display)}; all files of a pool have the same"
            )
        if file.values is not None and file.values != manifest.dim:
            raise PoolSchemaError(
                f"{where}: its vectors have {file.values} values, those of the pool {manifest.dim}; "
                "all vectors of a pool have one length"
            )


def _schema(manifest: Manifest) -> str:
    return f"{manifest.schema_text} (vectors of {manifest.dim})"


def _both(schema: str, display: str) -> str:
    return ", ".join(part for part in (schema, display) if part)
