"""The whole stack in a Docker engine: built, brought up, two rounds run in it, taken down.

Not collected by default, since it needs an engine and minutes: `make stack-test`. It finds the engine
as the docker command does (DOCKER_HOST), and the image it builds on in BASE_IMAGE.
"""

from __future__ import annotations

import faulthandler
import io
from collections.abc import Iterator

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs
import yaml

from tests.docker.engine import Stack, missing_engine, wait_until
from tests.docker.files import COMPOSE, parsed

pytestmark = pytest.mark.timeout(2400)
CLASSES = ["ant", "bee", "cat"]
ROWS, FILES, WIDTH = 3000, 3, 8


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, everything in it healthy."""
    if reason := missing_engine():
        pytest.exit(
            f"the stack cannot be tested, no Docker engine answers: {reason}; "
            "start one, or point DOCKER_HOST at one",
            returncode=1,
        )
    # A build may take longer than pytest waits before it prints the stacks of a test that hangs.
    faulthandler.cancel_dump_traceback_later()
    up = Stack(tmp_path_factory.mktemp("campaigns"))
    up.campaigns.chmod(0o755)
    try:
        up.compose("up", "-d", "--build", "--wait", "--wait-timeout", "600")
        yield up
    finally:
        up.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")


@pytest.fixture(scope="module")
def files(stack: Stack) -> s3fs.S3FileSystem:
    """The stack's object store, seen from this machine."""
    env = stack.s3_env
    return s3fs.S3FileSystem(
        key=env["AWS_ACCESS_KEY_ID"],
        secret=env["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=env["AWS_ENDPOINT_URL"],
        use_listings_cache=False,
        skip_instance_cache=True,
    )


@pytest.fixture(scope="module")
def campaign(stack: Stack, files: s3fs.S3FileSystem) -> str:
    """A pool, its answers and a campaign file at the place where the deployment looks; gives its store."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, len(CLASSES), ROWS)
    centres = rng.normal(0, 2, (len(CLASSES), WIDTH))
    features = (centres[true] + rng.normal(0, 1, (ROWS, WIDTH))).astype(np.float32)
    ids = np.arange(ROWS)
    for part, rows in enumerate(np.array_split(ids, FILES)):
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(features[rows].ravel()), WIDTH)
        put(files, f"lamplighter/pool/part-{part}.parquet", pa.table({"id": rows, "embedding": vectors}))
    labels = pa.table({"id": ids, "label": [CLASSES[k] for k in true]})
    put(files, "lamplighter/labels.parquet", labels)
    document = {
        "name": "stack",
        "seed": 7,
        "pool": {"url": "s3://lamplighter/pool/", "id": "id", "features": "embedding"},
        "classes": CLASSES,
        "learner": "sklearn.linear_model.LogisticRegression",
        "strategy": "margin",
        "batch_size": 40,
        "labeler": {"name": "simulated", "params": {"labels": "s3://lamplighter/labels.parquet"}},
        "evaluation": {"holdout": 200},
        "budget": {"rounds": 10},
        "store": "s3://lamplighter/campaign",
        "cluster": {"address": "tcp://dask-scheduler:8786"},
    }
    path = stack.campaigns / "nightly.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    path.chmod(0o644)
    return "lamplighter/campaign"


def put(files: s3fs.S3FileSystem, key: str, table: pa.Table) -> None:
    """Write a table as one Parquet object."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    files.pipe_file(key, sink.getvalue())


def test_everything_is_up_and_healthy(stack: Stack) -> None:
    containers = stack.containers()
    services = parsed(COMPOSE)["services"]
    assert {each["Service"] for each in containers} == set(services)
    assert sum(each["Service"] == "dask-worker" for each in containers) == 2
    for each in containers:
        if each["Service"] == "deploy":
            assert (each["State"], each["ExitCode"]) == ("exited", 0)
        else:
            assert each["Health"] == "healthy", each["Service"]


def test_nothing_is_published_beyond_loopback(stack: Stack) -> None:
    published = [
        (each["Service"], port["URL"])
        for each in stack.containers()
        for port in each["Publishers"] or []
        if port["PublishedPort"]
    ]
    assert sorted(published) == [("prefect-server", "127.0.0.1"), ("s3", "127.0.0.1")]


def test_the_server_wants_the_password(stack: Stack) -> None:
    address = f"http://127.0.0.1:{stack.prefect_port}/api"
    assert httpx.get(f"{address}/health").status_code == 200
    assert httpx.post(f"{address}/flow_runs/count", json={}).status_code == 401
    page = httpx.get(f"http://127.0.0.1:{stack.prefect_port}/ui-settings").json()
    assert page["api_url"] == address


def test_deploying_again_changes_nothing(stack: Stack) -> None:
    before = stack.nightly()
    stack.compose("run", "--rm", "deploy")
    after = stack.nightly()
    assert after["id"] == before["id"]
    assert [schedule["slug"] for schedule in after["schedules"]] == ["nightly"]
    assert after["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    names = sorted(each["name"] for each in stack.api("POST", "/automations/filter", {}))
    assert names == [
        "lamplighter batch labelled",
        "lamplighter quality fell",
        "lamplighter runs stuck in Pending",
        "lamplighter zombie runs",
    ]


def test_rounds_run_in_the_stack(stack: Stack, files: s3fs.S3FileSystem, campaign: str) -> None:
    # The first round has no labels yet; the second trains on its answers and scores with the model.
    for number in (1, 2):
        run = stack.run_nightly()
        assert run["state_type"] == "COMPLETED", run["state"]
        assert f"round-{number:05d}" in run["name"]
    records = [key for key in files.find(f"{campaign}/rounds") if key.endswith("/record.json")]
    assert [key.split("/")[-2] for key in sorted(records)] == ["000001", "000002"]
    models = [key for key in files.find(f"{campaign}/rounds/000002") if key.endswith(".skops")]
    assert len(models) == 1


def test_a_round_killed_with_its_worker_is_finished_by_the_next_run(
    stack: Stack, files: s3fs.S3FileSystem, campaign: str
) -> None:
    started = stack.start_nightly()
    wait_until(lambda: files.exists(f"{campaign}/rounds/000003/collect.json"))
    stack.compose("kill", "prefect-worker")
    before = {key: files.cat_file(key) for key in files.find(f"{campaign}/rounds/000003")}
    assert f"{campaign}/rounds/000003/record.json" not in before
    stack.compose("up", "-d", "--wait", "prefect-worker")
    # The dead run holds the only slot: another one is refused until the heartbeats are missed.
    assert stack.run_nightly()["state_type"] == "CANCELLED"
    wait_until(lambda: stack.run(started)["state_type"] == "CRASHED")
    assert "No heartbeat" in stack.run(started)["state"]["message"]
    assert stack.run_nightly()["state_type"] == "COMPLETED"
    after = {key: files.cat_file(key) for key in files.find(f"{campaign}/rounds/000003")}
    assert {key: after[key] for key in before} == before
    assert f"{campaign}/rounds/000003/record.json" in after


def test_what_was_stored_survives_new_containers(
    stack: Stack, files: s3fs.S3FileSystem, campaign: str
) -> None:
    before = {key: files.cat_file(key) for key in files.find(f"{campaign}/rounds")}
    deployment = stack.nightly()["id"]
    stack.compose("up", "-d", "--force-recreate", "--wait", "--wait-timeout", "600")
    assert {key: files.cat_file(key) for key in files.find(f"{campaign}/rounds")} == before
    assert stack.nightly()["id"] == deployment


def test_a_campaign_goes_on_when_the_database_of_prefect_is_lost(
    stack: Stack, files: s3fs.S3FileSystem, campaign: str
) -> None:
    before = {key: files.cat_file(key) for key in files.find(f"{campaign}/rounds")}
    deployment = stack.nightly()["id"]
    stack.compose("down", "--timeout", "5")
    stack.remove_volume("postgres-data")
    stack.compose("up", "-d", "--wait", "--wait-timeout", "600")
    assert stack.nightly()["id"] != deployment
    run = stack.run_nightly()
    assert run["state_type"] == "COMPLETED", run["state"]
    after = {key: files.cat_file(key) for key in files.find(f"{campaign}/rounds")}
    assert {key: after[key] for key in before} == before
    assert f"{campaign}/rounds/000004/record.json" in after
