"""The only source of randomness: counter-based, keyed by (seed, round, purpose) and the row id.

A row's draw depends on nothing but the key and its id, so any sharding, order or retry gives the
same draws. The mixer is the finaliser of splitmix64 (Steele, Lea and Flood 2014,
doi:10.1145/2660193.2660195), a bijection of 64-bit words.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pyarrow as pa

from lamplighter.arrays import F64, U64, RowIds

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)


def key(seed: int, round_number: int, purpose: str) -> int:
    """Give the 64-bit key of one purpose in one round of one campaign."""
    text = f"{seed}/{round_number}/{purpose}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def generator(seed: int, round_number: int, purpose: str) -> np.random.Generator:
    """Give numpy's generator for one purpose, for draws that are not per row."""
    return np.random.default_rng(key(seed, round_number, purpose))


def row_hash(ids: RowIds, hash_key: int) -> U64:
    """Hash every row id under a key.

    Parameters
    ----------
    ids
        (n,) pyarrow int64 or large_string array without nulls.
    hash_key
        64-bit key, from `key`.

    Returns
    -------
    (n,) uint64, uniform; distinct for distinct integer ids.
    """
    return digest_hash(row_digest(ids), hash_key)


def digest_hash(digests: U64, hash_key: int) -> U64:
    """Do what `row_hash` does, for ids already reduced by `row_digest`: several keys, one reduction."""
    return _mixed_in_place(digests ^ np.uint64(hash_key))


def row_uniform(ids: RowIds, hash_key: int) -> F64:
    """Give each row its number in the open interval (0, 1): (n,) float64."""
    return ((row_hash(ids, hash_key) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def row_digest(ids: RowIds) -> U64:
    """Reduce ids to 64 bits: integers as they are, strings by folding their UTF-8 words."""
    if pa.types.is_integer(ids.type):
        return np.asarray(ids.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False).view(np.uint64)
    return _string_digest(ids)


def _string_digest(ids: RowIds) -> U64:
    ids = ids.cast(pa.large_string())
    _, offset_buffer, data = ids.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    if not len(ids):
        return np.empty(0, np.uint64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    # Eight bytes of slack, so that the last word of the last string may be read whole.
    text = np.zeros(int(offsets[-1]) + 8, np.uint8)
    if data is not None:
        text[: int(offsets[-1])] = np.frombuffer(data, np.uint8)[: int(offsets[-1])]
    digest = _mix(lengths.astype(np.uint64))
    for start in range(0, int(lengths.max(initial=0)), 8):
        rows = np.flatnonzero(lengths > start)
        words = text[(starts[rows] + start)[:, None] + np.arange(8)]
        words[(start + np.arange(8)) >= lengths[rows][:, None]] = 0
        digest[rows] = _mix(digest[rows] ^ words.view("<u8").ravel())
    return digest


def _mix(words: U64) -> U64:
    return _mixed_in_place(words.copy())


def _mixed_in_place(words: U64) -> U64:
    # Every row of the pool comes through here: two arrays in all, so that they stay in cache.
    shifted = np.empty_like(words)
    words += _GAMMA
    for shift, factor in ((30, _M1), (27, _M2)):
        words ^= np.right_shift(words, np.uint64(shift), out=shifted)
        words *= factor
    words ^= np.right_shift(words, np.uint64(31), out=shifted)
    return words
