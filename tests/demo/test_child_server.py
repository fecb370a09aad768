"""A server is known by its pid, but only as long as that is the server's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.child_server import free_port, is_running, keep_pid, stop_earlier

NAME = "a-name-to-be-known-by"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import time; time.sleep(600)", NAME]
    with subprocess.Popen(command, start_new_session=True) as process:
        yield process
        process.kill()


def test_it_is_stopped_once(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    keep_pid(tmp_path, child.pid)
    assert is_running(tmp_path, NAME)
    assert stop_earlier(tmp_path, NAME)
    assert not is_running(tmp_path, NAME)
    assert not stop_earlier(tmp_path, NAME)
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_another_process_of_that_pid_is_left_alone(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    keep_pid(tmp_path, child.pid)
    assert not is_running(tmp_path, "label-studio")
    assert not stop_earlier(tmp_path, "label-studio")
    assert child.poll() is None
    assert not (tmp_path / "server.pid").exists()


@pytest.mark.parametrize("kept", ["", "no number", "4194305"])
def test_a_pid_that_means_nothing_is_forgotten(kept: str, tmp_path: Path) -> None:
    (tmp_path / "server.pid").write_text(kept)
    assert not is_running(tmp_path, NAME)
    assert not stop_earlier(tmp_path, NAME)


def test_a_wanted_port_is_taken_if_it_is_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        busy = listener.getsockname()[1]
        assert free_port(busy) != busy
    assert free_port(busy) == busy
