"""The installed Label Studio, and prepared databases from which a server starts without migrating.

An empty database costs Label Studio about 35 s of CPU in migrations, a prepared one none. What lies
beside this file is compressed SQL: all tables, one organization, and the people below. Make it anew
for another version with `python -m tests.servers.label_studio_template`.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers import postgres
from tests.servers.guard import Running

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".venv-labelstudio"
PROGRAM = HOME / "bin" / "label-studio"
KINDS = ("sqlite", "postgresql")
HEADER = "-- Label Studio "
#: Without these it asks the package index for its version, and reports to two other hosts.
QUIET = {
    "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",  # read when the organization is made
    "SSRF_PROTECTION_ENABLED": "false",  # else a webhook to this machine is refused
    # Each page makes the server ask a host of its makers for advertisements, and no switch stops that.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
}


@dataclass(frozen=True)
class Person:
    """Somebody with an account on every prepared server.

    Attributes
    ----------
    token
        A legacy token, for `Authorization: Token ...`.
    """

    email: str

    @property
    def password(self) -> str:
        """What to log in with."""
        return f"password of {self.email}"

    @property
    def token(self) -> str:
        """A legacy token, for `Authorization: Token ...`."""
        return hashlib.sha256(self.email.encode()).hexdigest()[:40]


ADMIN = Person("admin@example.com")
ANNOTATORS = (Person("ann@example.com"), Person("bob@example.com"), Person("cid@example.com"))


def installed_version() -> str | None:
    """Give the version of the installed Label Studio; None where its environment is not complete."""
    found = [*HOME.glob("lib/python*/site-packages/label_studio-*.dist-info")]
    return found[0].name.split("-")[1].removesuffix(".dist") if found and (HOME / "done").exists() else None


def template(kind: str) -> Path:
    """Give the file with the prepared database of one of KINDS."""
    return HERE / f"label-studio-{kind}.sql.xz"


def sql(kind: str) -> str:
    """Give the commands that fill an empty database.

    Raises
    ------
    RuntimeError
        They were made by another version than the installed one.
    """
    text = lzma.decompress(template(kind).read_bytes()).decode()
    made_by, installed = text.splitlines()[0].removeprefix(HEADER), installed_version()
    if made_by != installed:
        raise RuntimeError(
            f"{template(kind).name} was made by Label Studio {made_by}, but {installed} is installed in "
            f"{HOME}; run `make lock` and `python -m tests.servers.label_studio_template`"
        )
    return text


def environment(data: Path, store: Running | None = None) -> dict[str, str]:
    """Give a server's whole environment; its database is the one that `prepare` made in `data`."""
    # Nothing else: it takes its settings also from USERNAME, HOST, PORT or DEBUG, whoever set them.
    env = {
        **QUIET,
        "PATH": os.environ["PATH"],
        "HOME": str(data),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return env if store is None else env | _connection(store, (data / "database").read_text())


def _connection(store: Running, name: str) -> dict[str, str]:
    return {
        "DJANGO_DB": "default",
        "POSTGRE_NAME": name,
        "POSTGRE_USER": postgres.USER,
        "POSTGRE_PASSWORD": store.facts["password"],
        "POSTGRE_HOST": "127.0.0.1",
        "POSTGRE_PORT": store.facts["port"],
    }


def prepare(data: Path, store: Running | None = None) -> None:
    """Make a server's folder and database from the template, unless they are there.

    Parameters
    ----------
    store
        The PostgreSQL server that is to hold it; without one it is an SQLite file in `data`.
    """
    data.mkdir(parents=True, exist_ok=True)
    if store is None and not _sqlite(data).exists():
        part = data / "part"
        _fill_sqlite(part, sql("sqlite"))
        part.rename(_sqlite(data))
    if store is not None and not (data / "database").exists():
        name = postgres.new_database(store).rpartition("/")[2]
        postgres.restore(store, name, sql("postgresql"))
        (data / "database").write_text(name)


def _sqlite(data: Path) -> Path:
    return data / "label_studio.sqlite3"


def _fill_sqlite(path: Path, commands: str) -> None:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.executescript(commands)
    finally:
        connection.close()


def _make(data: Path, store: Running | None) -> str:
    """Let Label Studio itself set up an empty database with all the people; give it as SQL."""
    if store is not None:
        (data / "database").write_text(postgres.new_database(store).rpartition("/")[2])
    env = environment(data, store)
    for person in (ADMIN, *ANNOTATORS):
        _add(person, env)
    if store is not None:
        return postgres.dump(store, (data / "database").read_text())
    connection = sqlite3.connect(_sqlite(data))
    try:
        return "\n".join(connection.iterdump()) + "\n"
    finally:
        connection.close()


def _add(person: Person, env: Mapping[str, str]) -> None:
    who = ["--username", person.email, "--password", person.password, "--user-token", person.token]
    subprocess.run([str(PROGRAM), "init", "-q", *who], env=env, check=True, stdin=subprocess.DEVNULL)


def main() -> int:
    """Make both templates anew; takes a few minutes."""
    version = installed_version()
    if version is None:
        raise SystemExit(f"no Label Studio in {HOME}; run `make {HOME.name}/done`")
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="label-studio-") as folder:
            store = postgres.running_under(Path(folder) / "postgresql") if kind == "postgresql" else None
            data = Path(folder) / "data"
            data.mkdir()
            text = f"{HEADER}{version}\n{_make(data, store)}"
            template(kind).write_bytes(lzma.compress(text.encode(), preset=9))
            if store is not None:
                store.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
