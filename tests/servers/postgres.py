"""A throw-away PostgreSQL server, where its programs are installed (Debian: postgresql)."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.servers.guard import Order, Running, hold

USER = "prefect"
#: Nothing here has to outlive a crash, so nothing waits for the disk; and compiling a query takes a
#: tenth of a second of CPU, where tables that were never analyzed make it seem worth while.
FAST = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "jit=off"]


def programs() -> Path | None:
    """Where the newest installed PostgreSQL keeps initdb and postgres, if there is one."""
    found = [p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


def running_under(folder: Path) -> Running:
    """Start a server under `folder`, or join the one that runs there."""
    return hold(folder, _order, _is_ready)


def new_database(running: Running) -> str:
    """Make an empty database on the server and give its url."""
    name = f"test_{secrets.token_hex(4)}"
    _client("createdb", running, name)
    return f"postgresql+asyncpg://{USER}:{running.facts['password']}@127.0.0.1:{running.facts['port']}/{name}"


def restore(running: Running, database: str, commands: str) -> None:
    """Run SQL, such as `dump` gave, in a database of the server."""
    _client("psql", running, "-q", "-v", "ON_ERROR_STOP=1", "-d", database, given=commands)


def dump(running: Running, database: str) -> str:
    """Give a database of the server as SQL."""
    return _client("pg_dump", running, "--no-owner", "--no-privileges", "-d", database).stdout


def data_folder(running: Running) -> Path:
    """Where the server keeps its files; gone once it has ended."""
    return Path(running.facts["data"])


def _order() -> Order:
    # Not below pytest's folder: that one lets no other user in, and root may not run PostgreSQL.
    data, password, port = Path(tempfile.mkdtemp(prefix="pg-")), secrets.token_hex(16), _free_port()
    (data / "password").write_text(password)
    if os.geteuid() == 0:
        for path in (data, data / "password"):
            shutil.chown(path, "postgres", "postgres")
    bin_ = _bin()
    initdb = [str(bin_ / "initdb"), "-D", str(data / "db"), "-U", USER, f"--pwfile={data / 'password'}"]
    options = ["--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run([*_as_postgres(), *initdb, *options], check=True, capture_output=True, cwd="/")
    settings = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={data}", *FAST]
    arguments = [argument for setting in settings for argument in ("-c", setting)]
    return Order(
        command=[*_as_postgres(), str(bin_ / "postgres"), "-D", str(data / "db"), *arguments],
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
        facts={"port": str(port), "password": password, "data": str(data)},
        cwd="/",
        stop=[signal.SIGINT],  # "fast": do not wait for clients
        remove=[str(data)],
    )


def _as_postgres() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _is_ready(running: Running) -> bool:
    return _client("pg_isready", running, check=False).returncode == 0


def _client(
    program: str, running: Running, *arguments: str, check: bool = True, given: str = ""
) -> subprocess.CompletedProcess[str]:
    where = ["-h", "127.0.0.1", "-p", running.facts["port"], "-U", USER]
    env = {**os.environ, "PGPASSWORD": running.facts["password"]}
    return subprocess.run(
        [str(_bin() / program), *where, *arguments],
        check=check, capture_output=True, env=env, input=given, text=True,
    )  # fmt: skip


def _bin() -> Path:
    found = programs()
    if found is None:
        raise RuntimeError("no PostgreSQL programs under /usr/lib/postgresql; install postgresql")
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
