"""Objects as files below a local directory, safe against being killed at any moment."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lamplighter.errors import KeyExists, KeyMissing, StoreError
from lamplighter.store.keys import checked_key, checked_prefix, is_key

REMEDIES = {
    errno.EACCES: "give this user the right to read and write there",
    errno.EPERM: "use a directory on a file system that knows hard links",
    errno.EOPNOTSUPP: "use a directory on a file system that knows hard links",
    errno.EROFS: "mount the file system writable, or use another directory",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.ENOTDIR: "a file lies where the key needs a directory; move it away",
    errno.EISDIR: "a directory lies where the object belongs; move it away",
}


@dataclass(frozen=True)
class LocalStore:
    """An object store in a directory of this machine, or of a file system that all drivers mount.

    A write goes to a hidden file first, which is then given its name in one step, by a hard link
    (`create`) or a rename (`put`): whoever is killed, an object is there whole or not at all. A
    killed write may leave its hidden file (`.*.tmp`) behind; it is no object, and may be deleted.

    Parameters
    ----------
    url
        The directory. It need not exist; a relative one is made absolute.
    """

    url: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", str(Path(self.url).expanduser().absolute()))

    def get(self, key: str) -> bytes:
        """Give an object; raises KeyMissing."""
        with self._explained("read", key):
            try:
                return self._path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise KeyMissing(f"the store {self.url} has no object '{key}'") from error

    def put(self, key: str, data: bytes) -> None:
        """Write or replace an object."""
        self._write(key, data, os.replace)

    def create(self, key: str, data: bytes) -> None:
        """Write an object only if the key is free, atomically; raises KeyExists.

        Creating what is there already, byte for byte, is no conflict, as on S3.
        """
        try:
            self._write(key, data, os.link)
        except FileExistsError as error:
            if self.get(key) != data:
                raise KeyExists(f"the store {self.url} has an object '{key}' already") from error

    def list(self, prefix: str = "") -> Sequence[str]:
        """Give all keys that start with `prefix`, sorted by code point."""
        above = checked_prefix(prefix).rpartition("/")[0]
        with self._explained("list", prefix):
            return sorted(key for key in self._keys(above) if key.startswith(prefix) and is_key(key))

    def _path(self, key: str) -> Path:
        return Path(self.url, checked_key(key))

    def _keys(self, above: str) -> Iterator[str]:
        for directory, _, names in os.walk(Path(self.url, above), onerror=_unless_missing):
            for name in names:
                yield Path(directory, name).relative_to(self.url).as_posix()

    def _write(self, key: str, data: bytes, give_name: Callable[[Path, Path], None]) -> None:
        path = self._path(key)
        hidden = path.with_name(f".{os.getpid()}-{secrets.token_hex(8)}.tmp")
        with self._explained("write", key):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            _make(path.parent)
            try:
                _write_down(hidden, data)
                give_name(hidden, path)
            finally:
                hidden.unlink(missing_ok=True)
            _write_down_names(path.parent)

    @contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except (StoreError, FileExistsError):
            raise
        except OSError as error:
            remedy = REMEDIES.get(error.errno or 0, "see to the file system")
            raise StoreError(f"cannot {verb} '{key}' in {self.url}: {error.strerror}; {remedy}") from error


def _make(directory: Path) -> None:
    """Make a directory so that it outlives a power cut; somebody else may be making it too."""
    if not directory.is_dir():
        _make(directory.parent)
        try:
            directory.mkdir()
        except FileExistsError:
            if not directory.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        _write_down_names(directory.parent)


def _write_down(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write_down_names(directory: Path) -> None:
    """Bring a directory's entries to the disk: a new name is lost in a power cut otherwise."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unless_missing(error: OSError) -> None:
    """A directory that is not there (any more) holds no objects; other failures are failures."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error
