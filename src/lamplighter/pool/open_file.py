"""A file of the pool while it is read: held to its manifest, its failures named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lamplighter.config import PoolConfig
from lamplighter.errors import PoolChanged, PoolError, PoolFileError, PoolSchemaError, unknown
from lamplighter.pool.footer import Footer, cached_footer, chunk_ranges, content_digest
from lamplighter.pool.manifest import FileEntry
from lamplighter.pool.source import LocalSource, RemoteSource, open_source
from lamplighter.pool.storage import Listed, Storage

#: Rows of a batch without features.
BATCH_ROWS = 65_536


@dataclass(frozen=True)
class OpenFile:
    """One file, open."""

    storage: Storage
    config: PoolConfig
    entry: FileEntry
    source: LocalSource | RemoteSource
    footer: Footer

    @property
    def shown(self) -> str:
        """The file's address, for messages."""
        return self.storage.shown(self.entry.path)

    @property
    def metadata(self) -> Any:
        """pyarrow.parquet.FileMetaData."""
        return self.footer.metadata

    def prefetch(self, row_group: int, names: tuple[str, ...]) -> bool:
        """Fetch some columns of a row group at once; says whether small reads of it are cheap then."""
        return self.source.prefetch(chunk_ranges(self.metadata, row_group, names))

    def batches(
        self, row_group: int, names: tuple[str, ...], rows: int = BATCH_ROWS
    ) -> Iterator[tuple[int, Any]]:
        """Decode some columns of a row group with pyarrow: (first row, record batch) after each other."""
        self.check_names(names)
        file = pq.ParquetFile(
            self.source.handle,
            metadata=self.metadata,
            buffer_size=self.source.buffer_size(len(names)),
            pre_buffer=False,
        )
        first = 0
        columns = list(dict.fromkeys(names))
        for batch in file.iter_batches(rows, row_groups=[row_group], columns=columns, use_threads=False):
            if batch.num_rows:
                yield first, batch
            first += batch.num_rows
        if first != self.entry.rows[row_group]:  # pyarrow takes damaged pages for the end of a column
            raise PoolFileError(
                f"{self.shown}: row group {row_group} has {first} rows, not {self.entry.rows[row_group]} as "
                "its footer says; the file is damaged: write it again"
            )

    def verify(self) -> None:
        """Raise PoolChanged unless the file is still the one of the manifest."""
        same_file(self.storage, self.config, self.entry)

    def check_names(self, names: tuple[str, ...]) -> None:
        """Raise PoolSchemaError unless there are columns of these names."""
        for name in names:
            if name not in self.footer.names:
                raise PoolSchemaError(f"{self.shown}: {unknown('column', name, self.footer.names)}")


@contextmanager
def open_file(storage: Storage, config: PoolConfig, entry: FileEntry) -> Iterator[OpenFile]:
    """Open a file of the manifest; raises PoolChanged if it is another one now.

    What goes wrong while it is open is a PoolFileError that names the file, or PoolChanged if the
    file was replaced meanwhile.
    """
    listed = Listed(entry.path, entry.size, entry.validator)
    try:
        with open_source(storage, listed) as source:
            # Looked up after it was opened: a rename from now on does not replace what is open.
            footer = cached_footer(storage, same_file(storage, config, entry))
            yield OpenFile(storage, config, entry, source, footer)
    except PoolError:
        raise
    except (pa.ArrowException, OSError) as error:
        same_file(storage, config, entry)
        raise PoolFileError(f"{storage.shown(entry.path)}: it cannot be read: {error}") from error


def same_file(storage: Storage, config: PoolConfig, entry: FileEntry) -> Listed:
    """Look a file up; raises PoolChanged unless it is still the one of the manifest."""
    now = storage.stat(entry.path)
    same = (now.size, now.validator) == (entry.size, entry.validator)
    if same or (now.size == entry.size and _digest(storage, config, now) == entry.digest):
        return now
    raise PoolChanged(
        f"{storage.shown(entry.path)} changed since the round began; a pool only grows: put the file back "
        "as it was, or start a campaign with another store for the new pool"
    )


def _digest(storage: Storage, config: PoolConfig, now: Listed) -> str:
    """Look into a file that was written again: with the same content it is the same file."""
    try:
        return content_digest(storage, now, config, cached_footer(storage, now))
    except (PoolFileError, PoolSchemaError):
        return ""
