"""The compose file: valid, on loopback only, and without a secret of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docker.files import COMPOSE, DOCKERFILE, ROOT, instructions, parsed

SERVICES: dict[str, dict[str, Any]] = parsed(COMPOSE)["services"]
ONE_SHOT = {"deploy"}
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")


def test_schema() -> None:
    tool = Path(sys.executable).parent / "check-jsonschema"
    found = subprocess.run(
        [tool, "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_whole_stack_is_there() -> None:
    assert set(SERVICES) == {
        "postgres",
        "prefect-server",
        "prefect-worker",
        "deploy",
        "s3",
        "dask-scheduler",
        "dask-worker",
    }
    assert SERVICES["dask-worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    service = SERVICES[name]
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), port
    assert service.get("network_mode") != "host"


def test_only_the_page_and_the_store_are_published() -> None:
    assert {name for name, service in SERVICES.items() if service.get("ports")} == {"prefect-server", "s3"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_the_file(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    secret = {key: value for key, value in environment.items() if re.search("PASSWORD|SECRET|AUTH|KEY", key)}
    for key, value in secret.items():
        assert REQUIRED.fullmatch(value), f"{key} has a value or a default: {value}"


def test_the_env_file_gives_every_required_name() -> None:
    wanted = set(REQUIRED.findall(COMPOSE.read_text(encoding="utf-8")))
    given = set(
        re.findall(
            r"^([A-Z_0-9]+)=", (ROOT / "docker" / "make-env.sh").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    assert wanted == given


@pytest.mark.parametrize("name", SERVICES)
def test_services_restart_are_watched_and_have_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("test" in service["healthcheck"]) == (name not in ONE_SHOT)
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_until_what_it_needs_is_healthy(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
        assert how == {"condition": expected}, needed


def test_what_must_outlive_a_container_is_on_volumes() -> None:
    volumes = [rest for word, rest in instructions() if word == "VOLUME"]
    kept = {
        name: service["volumes"][0].split(":")
        for name, service in SERVICES.items()
        if name in {"postgres", "s3"}
    }
    assert kept == {"postgres": ["postgres-data", volumes[0]], "s3": ["s3-data", volumes[1]]}
    assert set(parsed(COMPOSE)["volumes"]) == {"postgres-data", "s3-data"}


def test_images_are_built_from_stages_that_exist() -> None:
    stages = {rest.split()[-1] for word, rest in instructions() if word == "FROM"}
    builds = [service["build"] for service in SERVICES.values() if "build" in service]
    assert {build["target"] for build in builds} == {"postgres", "s3", "lamplighter"}
    for build in builds:
        assert build["target"] in stages
        assert (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve() == DOCKERFILE


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"postgres", "s3"}))
def test_one_image_for_flows_scheduler_and_workers(name: str) -> None:
    assert SERVICES[name]["image"] == SERVICES["prefect-server"]["image"]


def test_dashboards_and_health_pages_stay_inside() -> None:
    for name in ["dask-scheduler", "dask-worker"]:
        command = SERVICES[name]["command"]
        assert command[command.index("--dashboard-address") + 1].startswith("127.0.0.1:")
    assert SERVICES["prefect-worker"]["environment"]["PREFECT_WORKER_WEBSERVER_HOST"] == "127.0.0.1"


def test_the_page_calls_the_port_that_is_published() -> None:
    server = SERVICES["prefect-server"]
    published = server["ports"][0].rsplit(":", 1)[0]
    assert server["environment"]["PREFECT_SERVER_UI_API_URL"] == f"http://{published}/api"


def test_only_the_server_reaches_the_database() -> None:
    on_it = {name for name, service in SERVICES.items() if "database" in service.get("networks", [])}
    assert on_it == {"postgres", "prefect-server"}
    assert parsed(COMPOSE)["networks"]["database"] == {"internal": True}
