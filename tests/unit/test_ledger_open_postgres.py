"""Opening a database: each way it can be wrong is told with its place and its fix, no password."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from rung.core.errors import LedgerError
from rung.ledger import Ledger
from support.ledger_rows import rows
from support.outcomes import outcome
from support.postgres import GUARDED, PASSWORD, USER

WRONG = "not-the-password-77ab"


def refused(place: str, *, create: bool = True) -> LedgerError:
    with pytest.raises(LedgerError) as raised:
        Ledger.open(place, create=create)
    shown = "".join(f"{error}" for error in _chain(raised.value))
    assert WRONG not in shown
    assert PASSWORD not in shown
    assert "\n" not in str(raised.value)
    return raised.value


def _chain(error: BaseException | None):
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.fixture
def named(postgres, postgres_url):
    """The name of the database, for the superuser's statements."""
    return postgres_url.rpartition("/")[2]


def test_an_empty_database_becomes_a_ledger_and_stays_one(postgres_url):
    with Ledger.open(postgres_url) as ledger:
        ledger.append_now(outcome("req-1"))
    with Ledger.open(postgres_url, create=False) as ledger:
        assert [one.request.id for one in ledger.recent(5)] == ["req-1"]


def test_tables_of_others_in_the_same_database_are_left_alone(postgres, named, postgres_url):
    with postgres.admin(named) as connection:
        connection.execute("CREATE TABLE public.requests (mine int)")
    Ledger.open(postgres_url).close()
    assert postgres.rows(named, "SELECT count(*) FROM public.requests") == [(0,)]
    assert rows(postgres_url, "SELECT count(*) AS n FROM requests") == [{"n": 0}]


def test_a_schema_of_the_same_name_that_is_no_ledger_is_told_and_left_alone(
    postgres, named, postgres_url
):
    with postgres.admin(named) as connection:
        connection.execute("CREATE SCHEMA rung CREATE TABLE coins (worth int)")
        connection.execute(f"GRANT ALL ON SCHEMA rung TO {USER}")
    said = refused(postgres_url)
    assert "no ledger of rung" in str(said)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'rung'"
    assert postgres.rows(named, tables) == [("coins",)]


def test_a_reader_makes_no_ledger(postgres, named, postgres_url):
    assert "no ledger" in str(refused(postgres_url, create=False))
    assert postgres.rows(named, "SELECT to_regnamespace('rung')") == [(None,)]


@pytest.mark.parametrize("create", [True, False])
def test_a_ledger_of_a_newer_version_is_told_and_left_alone(postgres, postgres_ledger, create):
    name = postgres_ledger.rpartition("/")[2]
    with postgres.admin(name) as connection:
        connection.execute("UPDATE rung.alembic_version SET version_num = '9999'")
    said = refused(postgres_ledger, create=create)
    assert "newer rung" in str(said)
    assert "upgrade" in (said.fix or "")
    assert postgres.rows(name, "SELECT version_num FROM rung.alembic_version") == [("9999",)]


def test_a_wrong_password_is_told_and_never_shown(postgres, named):
    address = postgres.url(named, user=GUARDED)
    told = address.replace("@", f":{WRONG}@")
    said = refused(told)
    assert "refused this user" in str(said)
    assert "RUNG_LEDGER_PASSWORD" in (said.fix or "")
    assert GUARDED in str(said)
    refused(f"{address}?password={WRONG}")
    Ledger.open(address.replace("@", f":{PASSWORD}@")).close()


def test_a_missing_password_is_told(postgres, named, monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    said = refused(postgres.url(named, user=GUARDED))
    assert "password" in str(said)
    assert "RUNG_LEDGER_PASSWORD" in (said.fix or "")


def test_an_unknown_user_and_an_unknown_database_are_told(postgres, named):
    assert "no_such_user" in str(refused(postgres.url(named, user="no_such_user")))
    said = refused(postgres.url("no_such_database"))
    assert "no such database" in str(said)
    assert "createdb" in (said.fix or "")


def test_a_server_that_is_not_there_is_told(postgres):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: refused at once
        url = f"postgresql://rung:{WRONG}@127.0.0.1:{taken.getsockname()[1]}/rung"
        said = refused(url)
    assert "cannot be reached" in str(said)
    assert "start the server" in (said.fix or "")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://rung:{WRONG}@127.0.0.1:99999/rung",
        f"postgresql://rung:{WRONG}@127.0.0.1:port/rung",
        f"postgresql://rung:{WRONG}@127.0.0.1/rung?no_such_option=1",
        f"postgresql://rung:{WRONG}@127.0.0.1:1/rung?connect_timeout=often",
        f"postgresql://rung:{WRONG}@[::1/rung",
        f"postgresql://rung:{WRONG}%zz@127.0.0.1:1/rung",
        f"postgresql://rung:{WRONG}@host.invalid/rung",
    ],
)
def test_a_url_that_says_nothing_sensible_is_told(url):
    assert refused(url).fix


def test_a_user_who_may_not_make_tables_is_told(postgres, named):
    with postgres.admin(named) as connection:
        connection.execute("DROP ROLE IF EXISTS rung_stranger")
        connection.execute("CREATE ROLE rung_stranger LOGIN")
    said = refused(postgres.url(named, user="rung_stranger"))
    assert "may not be written by this user" in str(said)
    assert "GRANT CREATE" in (said.fix or "")


def test_a_user_who_may_only_read_is_told_when_something_is_written(postgres, postgres_ledger):
    name = postgres_ledger.rpartition("/")[2]
    with postgres.admin(name) as connection:
        connection.execute("DROP ROLE IF EXISTS rung_reader")
        connection.execute("CREATE ROLE rung_reader LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA rung TO rung_reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA rung TO rung_reader")
    with (
        Ledger.open(postgres.url(name, user="rung_reader"), create=False) as ledger,
        pytest.raises(LedgerError, match="may not be written by this user"),
    ):
        ledger.append_now(outcome("req-1"))
    with postgres.admin(name) as connection:
        connection.execute("DROP OWNED BY rung_reader; DROP ROLE rung_reader")


def test_a_read_only_server_is_told(postgres, named, postgres_url):
    with postgres.admin() as connection:
        connection.execute(f"ALTER DATABASE {named} SET default_transaction_read_only = on")
    assert "read-only" in str(refused(postgres_url))


def test_a_server_without_a_connection_left_is_told(postgres, named, postgres_url):
    with postgres.admin() as connection:
        connection.execute(f"ALTER DATABASE {named} CONNECTION LIMIT 0")
    said = refused(postgres_url)
    assert "no connection left" in str(said)


def test_a_lock_of_another_transaction_is_waited_for_and_then_told(
    postgres, postgres_ledger, monkeypatch
):
    from rung.ledger import postgres as module

    monkeypatch.setattr(module, "LOCK_MS", 50)
    name = postgres_ledger.rpartition("/")[2]
    with Ledger.open(postgres_ledger) as ledger:
        with postgres.admin(name) as connection, connection.transaction():
            connection.execute("LOCK TABLE rung.requests")
            with pytest.raises(LedgerError, match="locked by another transaction"):
                ledger.append_now(outcome("req-1"))
        ledger.append_now(outcome("req-1"))


def test_many_that_open_one_empty_database_at_once_make_one_ledger(postgres_url):
    def opened(number: int) -> None:
        with Ledger.open(postgres_url) as ledger:
            ledger.append_now(outcome(f"req-{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(opened, range(16)))
    with Ledger.open(postgres_url) as ledger:
        assert len(ledger.recent(100)) == 16


def test_a_connection_that_is_cut_is_made_anew(postgres, postgres_ledger):
    name = postgres_ledger.rpartition("/")[2]
    with Ledger.open(postgres_ledger) as ledger:
        ledger.append_now(outcome("req-1"))
        assert len(ledger.recent()) == 1
        with postgres.admin() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
        assert len(ledger.recent()) == 1
        ledger.append_now(outcome("req-2"))
        assert len(ledger.recent()) == 2


def test_a_missing_driver_is_told_with_what_to_install():
    script = """
import sys
sys.modules["psycopg"] = None
from rung.core.errors import LedgerError
from rung.ledger import Ledger
try:
    Ledger.open("postgresql://rung@127.0.0.1:1/rung")
except LedgerError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert 'pip install "rung[postgres]"' in done.stdout
