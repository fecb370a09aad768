"""The ledger: the append-only record of rounds in the object store."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from lamplighter.errors import (
    CommitUnknown,
    KeyExists,
    KeyMissing,
    RoundConflict,
    StoreError,
    StoreUnavailable,
)
from lamplighter.rounds import (
    FORMAT,
    STEP_RECORD,
    AnyStep,
    Artifact,
    History,
    OpenRound,
    RoundRecord,
    Step,
)
from lamplighter.store.base import ObjectStore

T = TypeVar("T", bound=RoundRecord | AnyStep)

ROUND_RECORD = TypeAdapter(RoundRecord)
RECORD = "record"
STEPS = tuple(step for step in Step if step is not Step.COMMIT)
READERS = 8  #: records read at once, since every get waits for the network


class RoundLog:
    """The rounds of a campaign: which are committed, and how far the next one came.

    A step and a record are each written once, by an exclusive `create`; so of two drivers in one
    round one goes on, and the other meets RoundConflict.

    Parameters
    ----------
    store
        Where the campaign lies.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._records: dict[str, RoundRecord] = {}  # by key: what is written never changes
        self._steps: dict[str, AnyStep] = {}

    def history(self) -> History:
        """Read all committed rounds and the checkpoints of the next.

        Raises StoreError if they are incomplete, damaged, or written by a newer version.
        """
        found = self._keys()
        if _gap(found):  # a listing takes a while, and another driver may have written meanwhile
            found = self._keys()
        if gap := _gap(found):
            raise StoreError(f"the ledger in {self.store.url} has a gap: {gap}; restore it from a backup")
        committed = len(_committed(found))
        begun = [step for step in STEPS if (committed + 1, step) in found]
        records = self._load([record_key(n + 1) for n in range(committed)], ROUND_RECORD, self._records)
        steps = self._load([step_key(committed + 1, step) for step in begun], STEP_RECORD, self._steps)
        return History(tuple(records), OpenRound(committed + 1, dict(zip(begun, steps, strict=True))))

    def checkpoint(self, done: AnyStep) -> None:
        """Write down that a step is done.

        Raises RoundConflict if another driver did it first, CommitUnknown if no answer came.
        """
        what = f"step '{done.step}' of round {done.round}"
        self._create(step_key(done.round, done.step), done, what)

    def append(self, record: RoundRecord) -> None:
        """Commit a round.

        Raises RoundConflict if another driver did it first, CommitUnknown if no answer came, and
        StoreError if the round before is not committed.
        """
        if record.round > 1:
            self._require(record.round - 1)
        self._create(record_key(record.round), record, f"round {record.round}")

    def write(self, round: int, name: str, suffix: str, data: bytes) -> Artifact:
        """Write a file of a round under a key made of its content: doing it twice does no harm."""
        key = f"{_folder(round)}/{name}-{sha256(data).hexdigest()[:16]}.{suffix}"
        self.store.put(key, data)
        return Artifact.of(key, data)

    def read(self, artifact: Artifact) -> bytes:
        """Read a file of a round; raises StoreError unless it is what was written."""
        data = self.store.get(artifact.key)
        found = Artifact.of(artifact.key, data)
        if found != artifact:
            raise StoreError(
                f"'{artifact.key}' in {self.store.url} was altered: it has {found.size} bytes "
                f"with SHA-256 {found.digest}, written were {artifact.size} with {artifact.digest}; "
                "restore it from a backup"
            )
        return data

    def writer_token(self) -> str:
        """Give what this process signs with."""
        return writer_token()

    def _keys(self) -> set[tuple[int, str]]:
        return {parsed for key in self.store.list("rounds/") if (parsed := _parse_key(key))}

    def _load(self, keys: list[str], kind: TypeAdapter[T], known: dict[str, T]) -> list[T]:
        missing = [key for key in keys if key not in known]
        if missing:
            with ThreadPoolExecutor(READERS) as readers:
                for key, data in zip(missing, readers.map(self.store.get, missing), strict=True):
                    known[key] = self._parse(key, data, kind)
        return [known[key] for key in keys]

    def _parse(self, key: str, data: bytes, kind: TypeAdapter[T]) -> T:
        where = f"'{key}' in {self.store.url}"
        try:
            version = json.loads(data)["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{where} is no record of a round; restore it from a backup") from error
        if version != FORMAT:
            raise StoreError(
                f"{where} has format {version!r}, this Lamplighter reads format {FORMAT}; "
                "install the version that wrote it"
            )
        try:
            parsed = kind.validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            fault = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise StoreError(f"{where} is damaged: {fault}; restore it from a backup") from error
        if _key_of(parsed) != key:
            raise StoreError(f"{where} lies under a wrong key: it is '{_key_of(parsed)}'; move it back")
        return parsed

    def _require(self, round: int) -> None:
        try:
            self._load([record_key(round)], ROUND_RECORD, self._records)
        except KeyMissing as error:
            raise StoreError(
                f"round {round + 1} cannot be committed to {self.store.url} before round {round}; "
                "rounds are committed one after the other"
            ) from error

    def _create(self, key: str, record: AnyStep | RoundRecord, what: str) -> None:
        try:
            self.store.create(key, record.model_dump_json(indent=1).encode())
        except KeyExists as error:
            raise RoundConflict(
                f"another driver was first: {what} in {self.store.url} was written by {self._writer(key)}, "
                f"this one is {record.writer}; let the other finish, then run again"
            ) from error
        except StoreUnavailable as error:
            raise CommitUnknown(
                f"no answer came to the write of {what} to {self.store.url}: it may be there or not; "
                "run again when the store answers, and the ledger will tell"
            ) from error

    def _writer(self, key: str) -> str:
        try:
            first = json.loads(self.store.get(key))
            return f"{first['writer']} at {first.get('committed_at', first.get('finished_at'))}"
        except (StoreError, ValueError, KeyError, TypeError):
            return "somebody unknown"


def step_key(round: int, step: str) -> str:
    """Give the key of a step's checkpoint."""
    return f"{_folder(round)}/{step}.json"


def record_key(round: int) -> str:
    """Give the key of a committed round."""
    return f"{_folder(round)}/{RECORD}.json"


def writer_token() -> str:
    """Give a name for this process that no other process has or will have, and that says where it ran."""
    return _writer_token(os.getpid())


@lru_cache(maxsize=1)
def _writer_token(pid: int) -> str:
    return f"{socket.gethostname()}-{pid}-{secrets.token_hex(4)}"


def _folder(round: int) -> str:
    return f"rounds/{round:06d}"


def _key_of(record: AnyStep | RoundRecord) -> str:
    if isinstance(record, RoundRecord):
        return record_key(record.round)
    return step_key(record.round, record.step)


def _parse_key(key: str) -> tuple[int, str] | None:
    """Give (round, "record" or step) of a key of the ledger, None of any other key."""
    match = re.fullmatch(r"rounds/([0-9]{6,})/([a-z]+)\.json", key)
    if match and match[2] in {RECORD, *STEPS} and _folder(int(match[1])) == f"rounds/{match[1]}":
        return int(match[1]), match[2]
    return None


def _committed(found: set[tuple[int, str]]) -> list[int]:
    return sorted(round for round, name in found if name == RECORD)


def _gap(found: set[tuple[int, str]]) -> str:
    """Say what is missing before what is there; an empty text if nothing is."""
    committed = _committed(found)
    newest = max((round for round, _ in found), default=0)
    missing = sorted(set(range(1, newest)) - set(committed))
    if missing:
        return f"round {missing[0]} has no {record_key(missing[0])}, but round {newest} is there"
    steps = [step for step in STEPS if (newest, step) in found]
    for expected, step in zip(STEPS, steps, strict=False):
        if newest not in committed and step != expected:
            return f"round {newest} has no {step_key(newest, expected)}, but {step_key(newest, step)}"
    return ""
