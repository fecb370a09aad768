"""Where all state lies: whole objects under keys, locally or on S3."""

from __future__ import annotations

import re
import secrets
from urllib.parse import unquote, urlsplit

from lamplighter.errors import ConfigError, KeyExists, unknown
from lamplighter.store.base import ObjectStore
from lamplighter.store.keys import checked_prefix
from lamplighter.store.local import LocalStore
from lamplighter.store.s3 import S3Store

__all__ = ["LocalStore", "ObjectStore", "S3Store", "honours_create", "open_store"]

PROBE = "probe/create"  #: the one key that `honours_create` writes


def open_store(url: str) -> ObjectStore:
    """Give the store at `url`: a local directory, file:///directory or s3://bucket/prefix.

    Nothing is read or written yet. Raises ConfigError for anything else.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):/", url)
    if not url.strip():
        raise ConfigError("the store's url is empty; give a directory or s3://bucket/prefix")
    if scheme is None:
        return LocalStore(url)
    if scheme[1] == "file":
        return LocalStore(_local_path(url))
    if scheme[1] == "s3":
        return S3Store(_checked_s3(url))
    raise ConfigError(f"{unknown('scheme of a store', scheme[1], ['file', 's3'])} (or a local path)")


def _local_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise ConfigError(f"'{url}' is no url of a local store; write file:///directory")
    return unquote(parts.path)


def _checked_s3(url: str) -> str:
    bucket, _, prefix = url.removeprefix("s3://").rstrip("/").partition("/")
    if "@" in bucket:  # not repeated in the message: it may hold a secret
        raise ConfigError(
            "the store's url holds credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if not url.startswith("s3://") or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}", bucket):
        raise ConfigError(f"'{url}' is no url of an S3 store; write s3://bucket/prefix")
    return f"s3://{bucket}/{checked_prefix(prefix)}".rstrip("/")


def honours_create(store: ObjectStore) -> bool:
    """Say whether the second of two creations of a key is refused, as it must be.

    Some servers ignore the condition and overwrite. One small object stays behind, under `PROBE`.
    That creations which come at the same moment have one winner cannot be seen this way.
    """
    for _ in range(2):
        try:
            store.create(PROBE, secrets.token_hex(16).encode())
        except KeyExists:
            return True
    return False
