"""Objects below a prefix of an S3 bucket, through s3fs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import fsspec
from fsspec.asyn import sync

from lamplighter.errors import KeyExists, KeyMissing, StoreError, StoreUnavailable
from lamplighter.store.keys import checked_key, checked_prefix, is_key
from lamplighter.store.refusals import FAILURES, explain, is_transient, server_answer

T = TypeVar("T")

PATIENCE = 30.0  #: seconds after which a silent server is given up
LARGEST = 5 * 2**30  #: bytes that S3 takes in a single put


@dataclass(frozen=True)
class S3Store:
    """An object store in a bucket of AWS S3 or of any server that speaks its protocol.

    Endpoint, region and credentials come from the environment, as botocore reads it
    (AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, ...). Every object is written by a
    single put, never in parts: a conditional put of one request is atomic, completing an upload in
    parts is not, on servers that we measured.

    Parameters
    ----------
    url
        s3://bucket/prefix
    patience
        Seconds for which a call tries again when the server is not there, or not well.
    """

    url: str
    patience: float = PATIENCE
    _clients: dict[int, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[type[S3Store], tuple[str, float]]:
        return S3Store, (self.url, self.patience)

    def get(self, key: str) -> bytes:
        """Give an object; raises KeyMissing."""
        name = self._name(checked_key(key))
        return self._patiently("read", key, partial(self._read, name))

    def put(self, key: str, data: bytes) -> None:
        """Write or replace an object."""
        self._write("write", key, data)

    def create(self, key: str, data: bytes) -> None:
        """Write an object only if the key is free, atomically; raises KeyExists.

        Where the answer to a successful request was lost, the next one meets our own object. So
        what is there already, byte for byte, counts as created.
        """
        try:
            self._write("create", key, data, IfNoneMatch="*")
        except KeyExists:
            if not self._holds(key, data):
                raise

    def list(self, prefix: str = "") -> Sequence[str]:
        """Give all keys that start with `prefix`, sorted by code point.

        Servers differ in their order, and some report prefixes that hold nothing any more: only
        keys count.
        """
        start = len(self._name(""))
        names = self._names(checked_prefix(prefix))
        return sorted(key for name in names if is_key(key := name[start:]))

    @property
    def _bucket(self) -> str:
        return self.url.removeprefix("s3://").partition("/")[0]

    def _name(self, key: str) -> str:
        """Give the S3 key; of the empty key, what all of them start with."""
        prefix = self.url.removeprefix("s3://").partition("/")[2].strip("/")
        return f"{prefix}/{key}" if prefix else key

    def _write(self, verb: str, key: str, data: bytes, **condition: str) -> None:
        if len(data) > LARGEST:
            raise StoreError(
                f"cannot {verb} '{key}' in {self.url}: {len(data)} bytes are more than the {LARGEST} "
                "that S3 takes in a single put; write smaller objects"
            )
        name = self._name(checked_key(key))
        self._patiently(verb, key, partial(self._request, "put_object", Key=name, Body=data, **condition))

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self.get(key) == data
        except KeyMissing as error:
            raise StoreUnavailable(
                f"{self.url} says that '{key}' is taken, and that it is not there; run again"
            ) from error

    def _read(self, name: str) -> bytes:
        # One request, unlike s3fs.cat_file: parts read one by one may be of different objects.
        async def whole(client: Any) -> bytes:
            answer = await client._call_s3("get_object", Bucket=self._bucket, Key=name)
            async with answer["Body"] as body:
                return bytes(await body.read())

        client = self._client()
        return bytes(sync(client.loop, whole, client))

    def _names(self, prefix: str) -> Iterator[str]:
        page: dict[str, str] = {}
        while True:
            ask = partial(self._request, "list_objects_v2", Prefix=self._name(prefix), **page)
            answer = self._patiently("list", prefix, ask)
            yield from (item["Key"] for item in answer.get("Contents", ()))
            if not answer.get("IsTruncated"):
                return
            page = {"ContinuationToken": answer["NextContinuationToken"]}

    def _request(self, method: str, **arguments: Any) -> Any:
        return self._client().call_s3(method, Bucket=self._bucket, **arguments)

    def _client(self) -> Any:
        """Give this process's client: neither a pickle nor a fork carries one along."""
        if os.getpid() not in self._clients:
            client = fsspec.filesystem(
                "s3",
                skip_instance_cache=True,
                use_listings_cache=False,
                config_kwargs={"retries": {"total_max_attempts": 1, "mode": "standard"}},
            )
            client.retries = 1  # `_patiently` is the one place that tries again
            self._clients.setdefault(os.getpid(), client)
        return self._clients[os.getpid()]

    def _patiently(self, verb: str, key: str, call: Callable[[], T]) -> T:
        """Call until it works, is refused, or patience ends."""
        end, pause = time.monotonic() + self.patience, 0.1
        while True:
            try:
                return call()
            except FAILURES as error:
                if not is_transient(error):
                    raise self._refusal(verb, key, error) from error
                if time.monotonic() + pause > end:
                    raise StoreUnavailable(
                        f"cannot {verb} '{key}' in {self.url}: tried for {self.patience:g} s, "
                        f"last: {explain(error)}; then run again"
                    ) from error
            time.sleep(pause)
            pause = min(1.7 * pause, 3.0)

    def _refusal(self, verb: str, key: str, error: BaseException) -> StoreError:
        state, code = server_answer(error)
        if code in {"NoSuchKey", "404"}:
            return KeyMissing(f"the store {self.url} has no object '{key}'")
        if state == 412:
            return KeyExists(f"the store {self.url} has an object '{key}' already")
        return StoreError(f"cannot {verb} '{key}' in {self.url}: {explain(error)}")
