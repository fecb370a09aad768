"""Which keys an object may have: the same everywhere, so that a store can be moved."""

from __future__ import annotations

from lamplighter.errors import ConfigError

LONGEST_PART = 255  #: bytes of UTF-8, what common file systems take
LONGEST_KEY = 900  #: bytes of UTF-8; S3 takes 1024 with the store's prefix


def is_key(key: str) -> bool:
    """Say whether `key` is a key that every kind of store can hold.

    Parts starting with a dot are no keys: they keep `..` out, and leave room for the hidden files
    that stores, editors and file managers put beside the objects.
    """
    return key.isprintable() and len(key.encode()) <= LONGEST_KEY and all(map(_is_part, key.split("/")))


def _is_part(part: str) -> bool:
    return 0 < len(part.encode()) <= LONGEST_PART and not part.startswith(".")


def checked_key(key: str) -> str:
    """Give `key` back; raises ConfigError if it is none."""
    if not is_key(key):
        raise ConfigError(
            f"{key!r} is no key of an object store: allowed are non-empty parts of printable characters, "
            f"separated by single '/', none starting with '.', each at most {LONGEST_PART} bytes and "
            f"{LONGEST_KEY} together; use another name"
        )
    return key


def checked_prefix(prefix: str) -> str:
    """Give `prefix` back; raises ConfigError if no key can start with it."""
    if prefix:
        checked_key(prefix.removesuffix("/"))
    return prefix
