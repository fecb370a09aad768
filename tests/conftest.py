"""Fixtures that all tests share: a real S3 server, and an environment without anybody's settings."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.seaweed import BUCKET, Seaweed

pytest.register_assert_rewrite("lamplighter.testing")
pytest_plugins = ["tests.servers.prefect", "tests.servers.label_studio"]
# Time says nothing on a busy machine; a failure should come again when the test is run again.
settings.register_profile(
    "lamplighter", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("lamplighter")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the S3 server, so that `-m "not s3"` leaves it out."""
    for item in items:
        if "s3" in getattr(item, "fixturenames", ()):
            item.add_marker("s3")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Keep the logs from Dask."""
    _keep_handlers_from_dask()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """Keep the logs from Dask."""
    _keep_handlers_from_dask()


def _keep_handlers_from_dask() -> None:
    """Take pytest's handlers off Dask's loggers.

    For as long as a cluster lasts, Dask makes the handlers of these two deaf to all but errors.
    """
    for logger in map(logging.getLogger, ("distributed", "bokeh")):
        for handler in logging.root.handlers:
            logger.removeHandler(handler)


@pytest.fixture(scope="session")
def s3() -> Iterator[Seaweed]:
    """A running S3 server, one in each test process, with its address and keys in the environment."""
    with Seaweed() as server, pytest.MonkeyPatch.context() as patch:
        _forget(patch, "AWS_")
        _set(patch, server.env)
        yield server


@pytest.fixture
def bucket(s3: Seaweed, monkeypatch: pytest.MonkeyPatch) -> str:
    """The url of an empty store on the S3 server, a new one for each test."""
    _set(monkeypatch, s3.env)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def plain_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the AWS, Prefect and Label Studio settings of whoever runs the tests from tests that need none."""
    wanted = set(request.fixturenames)
    if "s3" not in wanted:
        _forget(monkeypatch, "AWS_")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if not any(name.startswith("prefect") for name in wanted):
        _forget(monkeypatch, "PREFECT_")
    _forget(monkeypatch, "LABEL_STUDIO_")


def _forget(patch: pytest.MonkeyPatch, prefix: str) -> None:
    for name in [name for name in os.environ if name.startswith(prefix)]:
        patch.delenv(name)


def _set(patch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    for name, value in env.items():
        patch.setenv(name, value)
