"""A guarded server is shared, stopped when its last holder goes, and never outlives a killed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import postgres
from tests.servers.guard import Order, Running, guarded, hold, is_alive

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
#: Ignores every polite signal, and has a child that does the same.
DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
print('up', flush=True)
time.sleep(600)
"""


def order(code: str, **more: float) -> Order:
    return Order(
        command=[sys.executable, "-u", "-c", code], env=dict(os.environ), grace=more.get("grace", 5.0)
    )


def is_up(running: Running) -> bool:
    return "up" in running.log()


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_it_runs_inside_the_context_only() -> None:
    with guarded(order(SLEEP), is_up) as running:
        pid = running.pid
        assert is_alive(pid)
        assert not running.ended
    assert not is_alive(pid)


def test_holders_of_one_folder_share_one_process(tmp_path: Path) -> None:
    first = hold(tmp_path, lambda: order(SLEEP), is_up)
    second = hold(tmp_path, lambda: pytest.fail("started twice"), is_up)
    assert first.pid == second.pid
    first.let_go()
    time.sleep(1.0)
    assert not second.ended
    second.end()
    assert second.ended


def test_after_the_last_holder_the_next_one_starts_anew(tmp_path: Path) -> None:
    first = hold(tmp_path, lambda: order(SLEEP), is_up)
    first.end()
    second = hold(tmp_path, lambda: order(SLEEP), is_up)
    assert second.pid != first.pid
    second.end()


def test_a_server_that_died_is_replaced(tmp_path: Path) -> None:
    first = hold(tmp_path, lambda: order(SLEEP), is_up)
    os.kill(first.pid, signal.SIGKILL)
    assert eventually(lambda: first.ended)
    second = hold(tmp_path, lambda: order(SLEEP), is_up)
    assert not second.ended
    second.end()
    first.let_go()


def test_it_does_not_outlive_a_holder_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from tests.servers.guard import Order, hold\n"
        f"order = Order(command=[sys.executable, '-uc', {SLEEP!r}], env=dict(os.environ))\n"
        f"print(hold(Path({str(tmp_path)!r}), lambda: order, lambda r: 'up' in r.log()).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        server = int(holder.stdout.readline())
        assert is_alive(server)
        holder.kill()
    assert eventually(lambda: not is_alive(server))


def test_what_ignores_signals_is_killed_with_its_children() -> None:
    with guarded(order(DEAF, grace=0.2), is_up) as running:
        child = int(running.log().split()[0])
        assert is_alive(child)
    assert eventually(lambda: not is_alive(child))


def test_a_command_that_ends_at_once_is_an_error_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended at once: no such luck"):
        hold(tmp_path, lambda: order("print('no such luck')"), is_up)


def test_a_first_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    codes = iter(["raise SystemExit(1)", SLEEP])
    running = hold(tmp_path, lambda: order(next(codes)), is_up)
    assert is_up(running)
    running.end()


@pytest.mark.skipif(
    postgres.programs() is None, reason="PostgreSQL is not installed (apt-get install postgresql)"
)
def test_postgresql_starts_gives_databases_and_leaves_nothing(tmp_path: Path) -> None:
    running = postgres.running_under(tmp_path)
    data = postgres.data_folder(running)
    assert postgres.new_database(running) != postgres.new_database(running)
    assert data.exists()
    running.end()
    assert not data.exists()
