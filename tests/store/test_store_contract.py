"""The contract of ObjectStore, on the local store and on S3."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from lamplighter.store import LocalStore, ObjectStore, S3Store
from lamplighter.testing.store import StoreContract
from tests.servers.seaweed import Seaweed


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.home = tmp_path

    def create_store(self) -> ObjectStore:
        return LocalStore(str(self.home / uuid.uuid4().hex))

    def raw_read(self, store: ObjectStore, key: str) -> bytes | None:
        path = Path(store.url) / key
        return path.read_bytes() if path.is_file() else None

    def raw_write(self, store: ObjectStore, key: str, data: bytes) -> None:
        path = Path(store.url) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class TestS3Store(StoreContract):
    @pytest.fixture(autouse=True)
    def server(self, s3: Seaweed, bucket: str) -> None:
        self.client = s3.client()
        self.bucket = bucket

    def create_store(self) -> ObjectStore:
        return S3Store(f"{self.bucket}/{uuid.uuid4().hex}")

    def where(self, store: ObjectStore, key: str) -> dict[str, Any]:
        name, _, prefix = store.url.removeprefix("s3://").partition("/")
        return {"Bucket": name, "Key": f"{prefix}/{key}"}

    def raw_read(self, store: ObjectStore, key: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(**self.where(store, key))["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def raw_write(self, store: ObjectStore, key: str, data: bytes) -> None:
        self.client.put_object(**self.where(store, key), Body=data)
