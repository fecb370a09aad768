"""The compose stack, driven from the outside through the docker command."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.docker.files import COMPOSE

UP_TIMEOUT_S = 1800  #: a first build downloads everything
RUN_TIMEOUT_S = 300
ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


def missing_engine() -> str:
    """Say why there is no Docker engine with compose here; empty where there is one."""
    if shutil.which("docker") is None:
        return "no docker command on the PATH"
    for command in (["version", "--format", "{{.Server.Version}}"], ["compose", "version"]):
        try:
            asked = subprocess.run(
                ["docker", *command], capture_output=True, text=True, timeout=30, check=False
            )
        except subprocess.TimeoutExpired:
            return f"docker {' '.join(command)}: no answer in 30 s"
        if asked.returncode:
            return f"docker {' '.join(command)}: {asked.stderr.strip() or asked.stdout.strip()}"
    return ""


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(holds: Callable[[], bool]) -> None:
    """Ask until it is so; AssertionError after RUN_TIMEOUT_S."""
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, f"not so after {RUN_TIMEOUT_S} s"
        time.sleep(0.2)


@dataclass(frozen=True)
class Stack:
    """One run of the stack under its own name, with its own secrets, ports, volumes and campaigns."""

    campaigns: Path
    project: str = field(default_factory=lambda: f"lamplighter-test-{secrets.token_hex(3)}")
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    prefect_port: int = field(default_factory=free_port)
    s3_port: int = field(default_factory=free_port)

    @property
    def env(self) -> dict[str, str]:
        """What compose.yaml takes from the environment."""
        return {
            **os.environ,
            "POSTGRES_PASSWORD": self.password,
            "PREFECT_AUTH": f"admin:{self.password}",
            "S3_ACCESS_KEY": "stack-test",
            "S3_SECRET_KEY": self.password,
            "PREFECT_PORT": str(self.prefect_port),
            "S3_PORT": str(self.s3_port),
            "LAMPLIGHTER_TAG": "stack-test",
            "LAMPLIGHTER_CAMPAIGNS": str(self.campaigns),
        }

    @property
    def s3_env(self) -> dict[str, str]:
        """What an S3 client of this machine needs."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.s3_port}",
            "AWS_ACCESS_KEY_ID": "stack-test",
            "AWS_SECRET_ACCESS_KEY": self.password,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def compose(self, *arguments: str) -> str:
        """Run a docker compose command, give what it printed; AssertionError with it if it failed."""
        command = ["docker", "compose", "-p", self.project, "-f", str(COMPOSE), *arguments]
        ran = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=UP_TIMEOUT_S, check=False
        )
        assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def remove_volume(self, name: str) -> None:
        """Lose what a service had stored."""
        subprocess.run(["docker", "volume", "rm", f"{self.project}_{name}"], check=True, timeout=60)

    def containers(self) -> list[dict[str, Any]]:
        """Give what `docker compose ps` says of each container."""
        return [json.loads(line) for line in self.compose("ps", "-a", "--format", "json").splitlines()]

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the Prefect server."""
        answer = httpx.request(
            method,
            f"http://127.0.0.1:{self.prefect_port}/api{path}",
            json=body,
            auth=("admin", self.password),
            timeout=30,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def nightly(self) -> dict[str, Any]:
        """Give the deployment."""
        deployment: dict[str, Any] = self.api("GET", "/deployments/name/labeling-round/nightly")
        return deployment

    def run(self, run_id: str) -> dict[str, Any]:
        """Give a flow run."""
        run: dict[str, Any] = self.api("GET", f"/flow_runs/{run_id}")
        return run

    def start_nightly(self) -> str:
        """Have the worker run the deployment once, now; give the run's id."""
        run = self.api("POST", f"/deployments/{self.nightly()['id']}/create_flow_run", {})
        return str(run["id"])

    def run_nightly(self) -> dict[str, Any]:
        """Run the deployment once; give the run as it ended."""
        run_id = self.start_nightly()
        wait_until(lambda: self.run(run_id)["state_type"] in ENDED)
        return self.run(run_id)
