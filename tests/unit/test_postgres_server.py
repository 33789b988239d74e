"""The Postgres of the tests: it is real, each database is its own, and nothing stays behind."""

import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from support import postgres as support
from support.postgres import GUARDED, PASSWORD, Server


def test_a_database_takes_tables_of_a_user_who_is_no_superuser(postgres_url):
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE coins (worth bigint)")
        connection.execute("INSERT INTO coins VALUES (5)")
        assert connection.execute("SELECT worth FROM coins").fetchone() == (5,)
        assert connection.execute("SHOW is_superuser").fetchone() == ("off",)


def test_databases_of_two_tests_see_nothing_of_each_other(postgres):
    one, other = postgres.fresh(), postgres.fresh()
    with psycopg.connect(postgres.url(one), autocommit=True) as connection:
        connection.execute("CREATE TABLE here (id int)")
    assert postgres.rows(other, "SELECT to_regclass('here')") == [(None,)]
    copy = postgres.fresh(like=one)
    assert postgres.rows(copy, "SELECT count(*) FROM here") == [(0,)]
    for name in (one, other, copy):
        postgres.drop(name)


def test_a_guarded_user_needs_the_password(postgres, postgres_url):
    name = postgres_url.rpartition("/")[2]
    guarded = postgres.url(name, user=GUARDED)
    with psycopg.connect(guarded, password=PASSWORD) as connection:
        connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(guarded, password="wrong").close()


def test_a_killed_server_comes_back_with_what_was_committed(own_postgres):
    name = own_postgres.fresh()
    with psycopg.connect(own_postgres.url(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        own_postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    own_postgres.start()
    assert own_postgres.rows(name, "SELECT id FROM kept") == [(1,)]


STARTER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from support.postgres import Server
with Server() as server:
    print(server.folder, server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_the_server_ends_with_the_process_that_started_it():
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, Path(__file__).parents[1]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder, pid = starter.stdout.readline().split()
    server = psutil.Process(int(pid))
    assert server.is_running()
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdin.close()
    starter.stdout.close()
    try:
        with suppress(psutil.NoSuchProcess):
            server.wait(10)
    finally:
        shutil.rmtree(folder)


def test_leaving_a_server_removes_its_folder():
    with Server() as server:
        folder = server.folder
        assert folder.is_dir()
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_runs_where_its_user_may_not_look_into_the_folder_of_the_programs(monkeypatch):
    support.programs.cache_clear()
    monkeypatch.setattr(support, "_runs", lambda *_: False)
    with Server() as server:
        copy = support.programs(server.user, server.group)
        assert Path(f"/proc/{server.pid}/exe").resolve() == copy / "postgres"
        assert server.rows("postgres", "SELECT 1") == [(1,)]
    support.remove_copies()
    assert not copy.exists()


def test_a_damaged_page_is_found(own_postgres):
    name = own_postgres.fresh()
    with own_postgres.admin(name) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id")
        (path,) = connection.execute("SELECT pg_relation_filepath('kept')").fetchone()
        connection.execute("CHECKPOINT")
    own_postgres.check()
    own_postgres.stop()
    page = own_postgres.data / path
    content = bytearray(page.read_bytes())
    content[4000] ^= 1
    page.write_bytes(content)
    with pytest.raises(support.PostgresError, match="checksum"):
        own_postgres.check()
