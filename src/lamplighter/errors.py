"""Every error Lamplighter raises on purpose.

Each names what is wrong, the value, what is allowed and the remedy, and also inherits the builtin
that callers would expect.

LamplighterError
├── ConfigError (ValueError)            the campaign file or a parameter is wrong
│   ├── UnknownName (LookupError)       no strategy, labeler, rule or key of that name
│   ├── CampaignChanged                 an edit that would falsify earlier rounds
│   └── UntrustedType (PermissionError) a class or stored type outside the allow-list
├── PoolError (ValueError)              the pool cannot be used as it is
│   ├── PoolFileError (OSError)         one file is truncated, unreadable or not Parquet
│   ├── PoolSchemaError (TypeError)     a column is missing or of the wrong type
│   ├── PoolChanged (RuntimeError)      a file disappeared or changed under a round
│   ├── EmptyPool (LookupError)         no files match, or they hold no rows
│   └── DuplicateRowIds                 one id on several rows
├── LabelError (ValueError)             labels that cannot be used
│   ├── UnknownClass (LookupError)      a label outside the campaign's classes
│   └── TooFewClasses                   fewer than two classes among the labels
├── ModelError (ValueError)             fitting, loading or scoring with a model failed
├── StoreError (OSError)                the object store refused or failed
│   ├── KeyMissing (FileNotFoundError)  no object of that key
│   ├── KeyExists (FileExistsError)     `create` found the key taken
│   └── StoreUnavailable (ConnectionError)  no answer, after retries
├── RoundConflict (RuntimeError)        another driver wrote this step or round first
├── CommitUnknown (RuntimeError)        a write may or may not have happened; run again
├── LabelerError (RuntimeError)         a labeler back-end failed
│   └── LabelerRefused                  it refuses, or answers what is of no use; another try will not help
├── ClusterError (RuntimeError)         the Dask cluster could not be reached or lost the work
└── MissingExtra (ImportError)          an optional part is not installed
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LamplighterError(Exception):
    """Base of all errors raised by Lamplighter."""


class ConfigError(LamplighterError, ValueError):
    """The campaign file or a parameter is wrong."""


class UnknownName(ConfigError, LookupError):
    """No strategy, labeler, rule or key of that name."""


class CampaignChanged(ConfigError):
    """The campaign file was edited in a way that would falsify earlier rounds."""


class UntrustedType(ConfigError, PermissionError):
    """A class in the campaign file, or a type in a stored model, is not on the allow-list."""


class PoolError(LamplighterError, ValueError):
    """The pool cannot be used as it is."""


class PoolFileError(PoolError, OSError):
    """A file of the pool is truncated, unreadable or not Parquet."""


class PoolSchemaError(PoolError, TypeError):
    """A column of the pool is missing or has the wrong type."""


class PoolChanged(PoolError, RuntimeError):
    """A file of the pool disappeared or changed."""


class EmptyPool(PoolError, LookupError):
    """No file matches, or the files hold no rows."""


class DuplicateRowIds(PoolError):
    """One id stands on several rows of the pool."""


class LabelError(LamplighterError, ValueError):
    """Labels that cannot be used."""


class UnknownClass(LabelError, LookupError):
    """A label is not one of the campaign's classes."""


class TooFewClasses(LabelError):
    """Fewer than two classes among the labels."""


class ModelError(LamplighterError, ValueError):
    """Fitting, loading or scoring with a model failed."""


class StoreError(LamplighterError, OSError):
    """The object store refused or failed."""


class KeyMissing(StoreError, FileNotFoundError):
    """The store has no object of that key."""


class KeyExists(StoreError, FileExistsError):
    """`create` found the key taken by somebody else."""


class StoreUnavailable(StoreError, ConnectionError):
    """The store did not answer, after retries."""


class RoundConflict(LamplighterError, RuntimeError):
    """Another driver wrote this step or round first."""


class CommitUnknown(LamplighterError, RuntimeError):
    """A write may or may not have happened; running again finds out."""


class LabelerError(LamplighterError, RuntimeError):
    """A labeler back-end failed."""


class LabelerRefused(LabelerError):
    """A labeler back-end refuses, or answers what is of no use: somebody has to put it right first."""


class ClusterError(LamplighterError, RuntimeError):
    """The Dask cluster could not be reached, or lost the work."""


class MissingExtra(LamplighterError, ImportError):
    """An optional part is not installed."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that `name` is no known `kind`, with the closest known names.

    >>> unknown("strategy", "entrpy", ["margin", "entropy"])
    "unknown strategy 'entrpy'; did you mean 'entropy'? known: entropy, margin"
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f" did you mean '{close[0]}'?" if close else ""
    return f"unknown {kind} '{name}';{hint} known: {', '.join(names) or 'none'}"
