"""Create the bucket named on the command line if it is not there, and wait until it takes writes.

A server that says it is healthy may still refuse reads for seconds after a restart, so ready means
that an object was written, read back and removed.
"""

from __future__ import annotations

import sys
import time
import uuid

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE_SECONDS = 60


def open_bucket(name: str) -> None:
    """Do it once, with the endpoint and keys of the usual AWS_ variables."""
    client = botocore.session.get_session().create_client("s3")
    try:
        client.create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise
    key, body = f"ready-{uuid.uuid4()}", uuid.uuid4().bytes
    client.put_object(Bucket=name, Key=key, Body=body)
    if client.get_object(Bucket=name, Key=key)["Body"].read() != body:
        raise SystemExit(f"bucket {name!r} gave back other bytes than were written to {key!r}")
    client.delete_object(Bucket=name, Key=key)


def refused(error: Exception) -> bool:
    """Say whether the server answered and found the request at fault: a wrong key, a bad name."""
    return isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500


def main(name: str) -> None:
    """Try until it works or PATIENCE_SECONDS are over; what the server refuses for good ends it at once."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return open_bucket(name)
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline or refused(error):
                raise SystemExit(
                    f"bucket {name!r} takes no writes (tried for up to {PATIENCE_SECONDS} s): {error}; "
                    "see that AWS_ENDPOINT_URL, the keys and the bucket's name are right"
                ) from error
        time.sleep(0.5)


if __name__ == "__main__":
    main(sys.argv[1])
