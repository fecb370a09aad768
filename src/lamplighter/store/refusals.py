"""What an S3 server's or client's error means: try again, or tell the user what to do."""

from __future__ import annotations

from aiohttp import ClientError as HttpError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as ConnectError
from botocore.parsers import ResponseParserError

#: Whatever a call through s3fs raises when it fails.
FAILURES: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    BotoCoreError,
    ClientError,
    HttpError,
    ResponseParserError,
)

#: The answer never came, or came mutilated. s3fs wraps what a server says into OSErrors of many kinds,
#: so of those only the builtin network ones, without a server's answer inside, belong here.
NETWORK: tuple[type[Exception], ...] = (
    ConnectionError,
    TimeoutError,
    ConnectError,
    HTTPClientError,
    IncompleteReadError,
    FlexibleChecksumError,
    HttpError,
    ResponseParserError,
)

#: Codes and states of servers that are busy, starting, or in the middle of somebody else's write.
BUSY_CODES = {"SlowDown", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted", "Throttling"}
BUSY_STATES = {408, 409, 425, 429, 500, 502, 503, 504}

REMEDIES = {
    "NoSuchBucket": "create the bucket, or correct the store's url",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID",
    "ExpiredToken": "get new credentials",
    "InvalidToken": "get new credentials",
    "RequestTimeTooSkewed": "set this machine's clock",
    "AccessDenied": "allow this identity to get, put and list objects there",
    "MissingContentLength": "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
    "NotImplemented": "use a server that knows conditional puts (If-None-Match)",
    "EntityTooLarge": "write smaller objects",
    "PermanentRedirect": "set AWS_DEFAULT_REGION to the bucket's region",
    "AuthorizationHeaderMalformed": "set AWS_DEFAULT_REGION to the bucket's region",
}
BY_STATE = {401: "AccessDenied", 403: "AccessDenied", 411: "MissingContentLength", 501: "NotImplemented"}


def server_answer(error: BaseException) -> tuple[int, str]:
    """Give HTTP status and S3 error code of the answer behind `error`; (0, "") if there was none."""
    for cause in (error, error.__cause__):
        if isinstance(cause, ClientError):
            state = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return int(state), str(cause.response.get("Error", {}).get("Code", ""))
    return 0, ""


def is_transient(error: BaseException) -> bool:
    """Say whether the same request may succeed a little later."""
    state, code = server_answer(error)
    if state:
        return state in BUSY_STATES or code in BUSY_CODES
    return isinstance(error, NETWORK)


def explain(error: BaseException) -> str:
    """Say what happened and what to do.

    Never with a server's or client's own text, which may repeat what should stay secret.
    """
    state, code = server_answer(error)
    if state:
        remedy = REMEDIES.get(code) or REMEDIES.get(BY_STATE.get(state, ""))
        return f"the server says {state} {code}; {remedy or 'see the documentation of the server'}"
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return "no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return f"{type(error).__name__}; check that the server runs, and AWS_ENDPOINT_URL"
